"""Reads [[path, source], ...] as JSON on stdin; writes the same list without comments and docstrings."""

import ast
import io
import json
import sys
import tokenize


def strip(source: str) -> str:
    """The source with comments and docstrings blanked out, line for line."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            for row in range(first.lineno, (first.end_lineno or first.lineno) + 1):
                lines[row - 1] = ""
    return "\n".join(lines)


json.dump([[path, strip(source)] for path, source in json.load(sys.stdin)], sys.stdout)
