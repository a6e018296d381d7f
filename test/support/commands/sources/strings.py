"""The texts in Python modules: each string that is no docstring of a function, with its values as placeholders.

In: paths on stdin, as JSON. Out: `[path, line, text]` for each, as JSON.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inside | prose:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_part(part) for part in node.values)


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
        (path, line, text)
        for path in json.load(sys.stdin)
        for line, text in texts(ast.parse(Path(path).read_text(encoding="utf-8")))
    ]
    json.dump(found, sys.stdout)
