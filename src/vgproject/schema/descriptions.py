"""The docstrings under the fields of wire types, as descriptions in JSON Schemas.

They are read from the source when a document is made; pydantic's own way reads it at each import, which costs every start.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from vgproject.schema.base import Wire


def describe_fields(schemas: dict[str, dict[str, Any]]) -> None:
    """Add the descriptions to the schemas of wire types, which go by the types' names."""
    for kind in _subtypes(Wire):
        fields = schemas.get(kind.__name__, {}).get("properties", {})
        for name, text in _descriptions(kind).items():
            if name in fields:
                fields[name].setdefault("description", text)


def _subtypes(kind: type[Wire]) -> Iterator[type[Wire]]:
    for subtype in kind.__subclasses__():
        yield subtype
        yield from _subtypes(subtype)


def _descriptions(kind: type[Wire]) -> dict[str, str]:
    """Of all its fields, inherited ones among them."""
    described: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Wire):
            described |= _of_module(base.__module__).get(base.__name__, {})
    return described


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[name]))
    return {node.name: dict(_of_class(node)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _of_class(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for pair in pairwise(node.body):
        match pair:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                yield name, " ".join(text.split())
