"""The lists of error and close codes against what the source says."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import vgproject
from vgproject import errors
from vgproject.cli.client import FINAL_CLOSE_CODES
from vgproject.schema.close_codes import CLOSE_CODES
from vgproject.schema.error_codes import ERROR_CODES
from vgproject.tools.base import ToolFailure

SOURCE = Path(vgproject.__file__).parent
TREES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
STATUSES = {
    kind.__name__: kind.http_status
    for kind in (*vars(errors).values(), ToolFailure)
    if isinstance(kind, type) and issubclass(kind, errors.VgprojectError)
}
ANSWERING = (
    "sessions.py",
    "memory.py",
    "event_log.py",
    "auth.py",
    "guards.py",
    "problems.py",
    "routes",
    "repositories",
)
"""What is raised here is the answer to a request."""


@dataclass(frozen=True)
class Use:
    """``status`` is what HTTP answers this code with where it comes from here, as far as the place tells it."""

    code: str
    module: str
    status: int | None


def find_uses() -> Iterator[Use]:
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            yield from (Use(code, module, status) for code, status in codes_of(node))


def codes_of(node: ast.AST) -> Iterator[tuple[str, int | None]]:
    for value, status in places_of(node):
        yield from ((code, status) for code in literals(value))


def places_of(node: ast.AST) -> list[tuple[ast.expr, int | None]]:
    """Where a code stands, and the status that goes with it."""
    match node:
        case ast.Call(keywords=keywords):
            return [(keyword.value, status_of(node)) for keyword in keywords if keyword.arg == "code"]
        case ast.ClassDef(name=name, body=body):
            return [(value, STATUSES.get(name)) for statement in body if (value := default_of(statement))]
        case ast.Assign(targets=[ast.Name("CODES")], value=ast.Dict(keys=statuses, values=values)):
            return [(value, ast.literal_eval(key)) for key, value in zip(statuses, values, strict=True) if key]
        case ast.Dict(keys=keys, values=values):
            return [(value, None) for key, value in zip(keys, values, strict=True) if is_text(key, "code")]
    return []


def default_of(statement: ast.stmt) -> ast.expr | None:
    match statement:
        case ast.Assign(targets=[ast.Name("code")], value=value) | ast.AnnAssign(ast.Name("code"), value=value):
            return None if is_text(value, "") else value
    return None


def is_text(value: ast.expr | None, text: str) -> bool:
    return isinstance(value, ast.Constant) and value.value == text


def status_of(call: ast.Call) -> int | None:
    match call:
        case ast.Call(func=ast.Name("problem_response"), args=[ast.Constant(int(status)), *_]):
            return status
        case ast.Call(func=ast.Name(name)):
            return STATUSES.get(name)
    return None


def literals(value: ast.expr) -> list[str]:
    """The codes that an expression can be; one that is only passed on is a literal elsewhere."""
    match value:
        case ast.Constant(str(code)):
            return [code]
        case ast.Call(func=ast.Attribute(attr="get"), args=[_, default]):
            return literals(default)
        case ast.IfExp(body=one, orelse=other):
            return [*literals(one), *literals(other)]
        case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Constant(None) | ast.Call(func=ast.Name("code_of")):
            return []
    raise AssertionError(f"A code must be a literal, and this is not: {ast.unparse(value)}")


CLOSERS = {
    "access/live_access.py",
    "enhanced_server.py",
    "guards.py",
    "outbox.py",
    "subscriptions.py",
    "websocket_manager.py",
    "websocket_protocol.py",
}
"""The modules that end a WebSocket."""


def find_close_codes() -> set[int]:
    trees = [tree for module, tree in TREES.items() if module in CLOSERS]
    numbers = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {number for number in numbers if isinstance(number, int) and 4000 <= number < 5000}


USES = list(find_uses())


def test_the_list_has_every_error_code_of_the_source_and_no_other() -> None:
    assert sorted({use.code for use in USES}) == list(ERROR_CODES)


def test_each_status_in_the_list_is_one_that_the_source_gives() -> None:
    given = {code: {use.status for use in USES if use.code == code} for code in ERROR_CODES}
    assert {code: error.http for code, error in ERROR_CODES.items() if not given[code].issuperset(error.http)} == {}


def test_what_answers_requests_gives_only_statuses_in_the_list() -> None:
    answers = [use for use in USES if use.status and use.module.partition("/")[0] in ANSWERING]
    assert [use for use in answers if use.status not in ERROR_CODES[use.code].http] == []


def test_the_list_has_every_close_code_of_the_source_and_no_other() -> None:
    assert sorted(find_close_codes()) == list(CLOSE_CODES)


def test_the_command_line_comes_back_exactly_where_the_list_says_so() -> None:
    assert {code: code not in FINAL_CLOSE_CODES for code in CLOSE_CODES} == {
        code: close.come_back for code, close in CLOSE_CODES.items()
    }
