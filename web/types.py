"""Writes web/src/api/types.ts: what the client's methods take and answer, as the page's types.

The source is Python: the item types of `whimbrel.client.shapes`, and the signatures of `whimbrel.client.service.METHODS`.
Run `.venv/bin/python web/types.py --write` after a change to either; a test fails while the file is stale.
"""

# ruff: noqa: E402
from __future__ import annotations

import sys

# A folder with a file called types.py must not be where the standard library is looked for.
sys.path = [path for path in sys.path if not path.endswith("/web")]

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from whimbrel.client import shapes
from whimbrel.client.service import METHODS

TARGET = Path(__file__).resolve().parent / "src" / "api" / "types.ts"

_PLAIN = {
    "str": "string",
    "int": "number",
    "float": "number",
    "bool": "boolean",
    "None": "null",
    "Item": "Record<string, unknown>",
}

_HEAD = """\
// What the client's methods take and answer. Written by web/types.py from src/whimbrel/client; not to be changed by hand.
"""


def generate() -> str:
    """The whole file."""
    module = ast.parse(inspect.getsource(shapes))
    about = (ast.get_docstring(module) or "").split("\n\n")[-1]
    parts = [_HEAD + "//\n" + "".join(f"// {line}\n" for line in about.splitlines())]
    parts += [_alias(node) for node in module.body if _is_literal(node)]
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    records = {node.targets[0].id: node.value for node in module.body if _is_record(node)}  # type: ignore[attr-defined]
    parts += [_interface(node, records) for node in classes]
    parts.append(_methods(METHODS))
    parts.append(
        "export type Method = keyof Methods;\n"
        'export type Params<M extends Method> = Methods[M]["params"];\n'
        'export type Answer<M extends Method> = Methods[M]["item"];\n'
    )
    return "\n".join(parts)


def _is_literal(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)


def _is_record(node: ast.stmt) -> bool:
    """A TypedDict made by a call: for keys that are words of Python, like `from`."""
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)


def _alias(node: ast.stmt) -> str:
    assert isinstance(node, ast.Assign)
    (name,) = node.targets
    assert isinstance(name, ast.Name)
    return f"export type {name.id} = {type_of(node.value)};\n"


def _interface(node: ast.ClassDef, records: Mapping[str, ast.expr]) -> str:
    """A TypedDict as an interface; docs stand above what they are about."""
    lines: list[str] = []
    if (doc := ast.get_docstring(node)) is not None:
        lines += _comment(doc, "")
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    above = [base for base in bases if base not in records and base != "TypedDict"]
    extends = f" extends {', '.join(above)}" if above else ""
    lines.append(f"export interface {node.name}{extends} {{")
    for base in bases:
        if base in records:
            lines += _fields_of_record(records[base])
    body = node.body
    for at, statement in enumerate(body):
        if isinstance(statement, ast.AnnAssign):
            assert isinstance(statement.target, ast.Name)
            after = body[at + 1] if at + 1 < len(body) else None
            if (told := _doc_of(after)) is not None:
                lines += _comment(told, "  ")
            lines.append(_field(statement.target.id, statement.annotation))
    return "\n".join([*lines, "}\n"])


def _doc_of(node: ast.stmt | None) -> str | None:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return inspect.cleandoc(node.value.value)
    return None


def _fields_of_record(call: ast.expr) -> Iterator[str]:
    assert isinstance(call, ast.Call)
    fields = call.args[1]
    assert isinstance(fields, ast.Dict)
    for key, annotation in zip(fields.keys, fields.values, strict=True):
        assert isinstance(key, ast.Constant)
        yield _field(str(key.value), annotation)


def _field(name: str, annotation: ast.expr) -> str:
    if isinstance(annotation, ast.Subscript) and _name(annotation.value) == "NotRequired":
        return f"  {name}?: {type_of(annotation.slice)};"
    return f"  {name}: {type_of(annotation)};"


def _comment(text: str, margin: str) -> list[str]:
    rows = text.replace("*/", "* /").splitlines()
    if len(rows) == 1:
        return [f"{margin}/** {rows[0]} */"]
    return [f"{margin}/**", *(f"{margin} * {row}".rstrip() for row in rows), f"{margin} */"]


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def type_of(node: ast.expr) -> str:
    """An annotation in the words of TypeScript."""
    match node:
        case ast.Constant(value=None):
            return "null"
        case ast.Constant(value=str(quoted)):
            return type_of(ast.parse(quoted, mode="eval").body)
        case ast.Name(id=name):
            return _PLAIN.get(name, name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{type_of(left)} | {type_of(right)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            values = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return " | ".join(f'"{ast.literal_eval(value)}"' for value in values)
        case ast.Subscript(value=ast.Name(id="list" | "Sequence"), slice=inner):
            item = type_of(inner)
            return f"({item})[]" if "|" in item else f"{item}[]"
        case ast.Subscript(value=ast.Name(id="dict" | "Mapping"), slice=ast.Tuple(elts=[key, value])):
            return f"Record<{type_of(key)}, {type_of(value)}>"
        case ast.Subscript(value=ast.Name(id="NotRequired"), slice=inner):
            return type_of(inner)
    raise TypeError(f"{ast.unparse(node)} has no type in TypeScript yet; teach it to web/types.py")


def _methods(methods: Mapping[str, Callable[..., Any]]) -> str:
    lines = [
        "/** Each method of the API, POST /api/METHOD: what it takes, and the items that it answers. */",
        "export interface Methods {",
    ]
    for name, function in methods.items():
        if doc := inspect.getdoc(function):
            lines += _comment(doc, "  ")
        lines += [
            f"  {name}: {{",
            f"    params: {_params(function)};",
            f"    item: {_item(name, function)};",
            "  };",
        ]
    return "\n".join([*lines, "}\n"])


def _params(function: Callable[..., Any]) -> str:
    """What a method takes beside the service. What has a default may be left out."""
    _, *params = inspect.signature(function).parameters.values()
    if not params:
        return "Record<string, never>"
    told = []
    for param in params:
        optional = "" if param.default is inspect.Parameter.empty else "?"
        told.append(f"{param.name}{optional}: {type_of(ast.parse(str(param.annotation), mode='eval').body)}")
    return "{ " + "; ".join(told) + " }"


def _item(name: str, function: Callable[..., Any]) -> str:
    annotation = ast.parse(str(inspect.signature(function).return_annotation), mode="eval").body
    match annotation:
        case ast.Subscript(value=ast.Name(id="AsyncIterator"), slice=inner):
            return type_of(inner)
    raise TypeError(f"{name} has to be annotated with AsyncIterator[the type of its items]")


def main() -> int:
    text = generate()
    if "--write" in sys.argv[1:]:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")
        return 0
    stale = not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text
    if stale:
        sys.stderr.write(
            "web/src/api/types.ts is stale. Write it anew: .venv/bin/python web/types.py --write\n"
        )
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
