"""What is written under a field is told in the documents."""

import ast
from pathlib import Path

import vgproject.schema
from vgproject.config import Config, Loaded
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.routes.documents import openapi
from vgproject.schema.documents import asyncapi

MESSAGES = asyncapi("0")["components"]["schemas"]


def described(name: str, field: str, schemas: dict[str, dict[str, dict[str, dict[str, str]]]] = MESSAGES) -> str:
    return schemas[name]["properties"][field]["description"]


def test_a_docstring_under_a_field_is_its_description() -> None:
    assert described("Ack", "duplicate") == "The command came before: this is the answer it got then."
    assert described("SessionForkedData", "from_seq") == "The seq in the other session's log."


def test_it_is_inherited_and_one_line_and_stands_beside_a_reference() -> None:
    assert described("TaskCommand", "content") == "The request, in plain words."
    assert "\n" not in described("SessionSettings", "approvals")
    assert described("TaskCommand", "settings") == "For this task only; they win over the session's."


def test_the_interface_over_http_tells_it_too() -> None:
    schemas = openapi(EnhancedRAServer(Loaded(Config(), {}, {}, {})).app)["components"]["schemas"]
    assert described("SessionView", "sandbox", schemas) == "In what the commands of this session run."
    assert described("NewMemory", "content", schemas) == described("Remember", "content")


def test_no_docstring_of_the_messages_is_left_out() -> None:
    told = {
        field["description"]
        for schema in MESSAGES.values()
        for field in schema.get("properties", {}).values()
        if "description" in field
    }
    written = {
        " ".join(under.value.value.split())
        for name in ("commands.py", "events.py", "settings.py")
        for node in ast.walk(ast.parse((Path(vgproject.schema.__path__[0]) / name).read_text()))
        if isinstance(node, ast.ClassDef) and node.name not in ("NewFork", "SessionPatch")
        for field, under in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(under, ast.Expr)
        and isinstance(under.value, ast.Constant)
        and isinstance(under.value.value, str)
    }
    assert written - told == set()
