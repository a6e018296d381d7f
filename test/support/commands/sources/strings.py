"""The texts in Python modules: each string that is no docstring of a function, with its values as placeholders; and the
commands that `image_gen.reader` makes, as each of its readers gets them.

In: paths on stdin, as JSON. Out: `[path, line, text, reader]` for each, as JSON.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4] / "image-gen/src"))

from image_gen import reader

# How each reader reaches the command, and where they read it.
_READERS = {
    "image-gen": "container",
    "imagegen": "shell",
    "imagegen --stack aws-volume": "shell",
    "docker compose exec image-gen image-gen": "shell",
}
_BUILDERS = ("cache_command", "manifest_command", "setting")


def texts(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    inside: set[int] = set()
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in _BUILDERS:
            for command, where in _READERS.items():
                reader.address_reader({"IMAGE_GEN_COMMAND": command})
                built = getattr(reader, _name(node.func))(*[_text(each) for each in node.args])
                yield node.lineno, built, where
            inside |= {id(part) for each in node.args for part in ast.walk(each)}
        elif id(node) in inside | prose:
            continue
        elif isinstance(node, ast.Constant | ast.JoinedStr) or _is_sum(node):
            inside |= {id(part) for part in _parts(node)}
            yield node.lineno, _text(node), "shell"


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """What a text is put together from; not what stands in the values of a formatted string."""
    yield node
    for each in (
        node.values
        if isinstance(node, ast.JoinedStr)
        else [node.left, node.right]
        if isinstance(node, ast.BinOp)
        else []
    ):
        yield from _parts(each)


def _is_sum(node: ast.AST) -> bool:
    """Whether strings are added."""
    return isinstance(node, ast.BinOp) and any(
        isinstance(each, ast.Constant | ast.JoinedStr) and _text(each) for each in (node.left, node.right)
    )


def _text(node: ast.AST) -> str:
    """What an expression is, with a placeholder for each value; empty for what is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return f"<{_name(node)}>"


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    return f"<{_name(part)}>"


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.FormattedValue | ast.Subscript | ast.Starred):
        return _name(node.value)
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else "value"


if __name__ == "__main__":
    found = [
        (path, line, text, where)
        for path in json.load(sys.stdin)
        for line, text, where in texts(ast.parse(Path(path).read_text(encoding="utf-8")))
    ]
    json.dump(found, sys.stdout)
