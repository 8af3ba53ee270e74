"""Requests that schemathesis makes from the OpenAPI document, right and broken, against a real server: each is answered
as it is documented."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from fuzz import collect
from house import House, bearer, open_house
from vgproject.config import load_config
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.routes.documents import openapi

SECONDS = 20
EXAMPLES = 4
"""Of each operation, about half of them broken."""
NOT_HERE = {"/sign-in", "/sign-out"}
"""Wrong tokens there make the address wait."""
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
Case = schemathesis.Case[Any]
RIGHT, BROKEN = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


def document() -> dict[str, Any]:
    described: dict[str, Any] = openapi(EnhancedRAServer(load_config({}, {})).app)
    for path in NOT_HERE:
        del described["paths"][path]
    return described


def make_cases() -> list[tuple[Case, bool]]:
    """With each, whether it names what is there. They are made while nothing else runs."""
    cases = []
    for found in schemathesis.openapi.from_dict(document()).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        made = st.one_of(operation.as_strategy(RIGHT), operation.as_strategy(BROKEN))
        cases += collect(st.tuples(made, st.booleans()), EXAMPLES)
    return cases


def ask_all(cases: list[tuple[Case, bool]], url: str, headers: dict[str, str], here: dict[str, str]) -> list[str]:
    """What was answered otherwise than documented."""
    wrong = []
    with requests.Session() as session:
        for case, is_here in cases:
            if is_here:
                case.path_parameters |= {name: here[name] for name in here.keys() & case.path_parameters.keys()}
            answer = case.call(base_url=url, session=session, headers=headers, timeout=SECONDS)
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as failures:
                wrong.append(f"{case.method} {case.formatted_path[:200]}: {failures} {answer.text[:300]}")
    return wrong


async def ids_in(house: House) -> dict[str, str]:
    memory = await house.owner.post("/v1/memory", json={"content": "Water is wet."})
    return {"session_id": await house.session({"editor": "owner"}), "memory_id": memory.json()["memory_id"]}


@pytest.mark.parametrize("role", ["owner", "editor"])
async def test_every_request_right_or_broken_is_answered_as_documented(tmp_path: Path, role: str) -> None:
    limits = {"wrong_tokens": 10_000, "command_burst": 10_000}
    cases = make_cases()
    async with open_house(tmp_path, limits=limits) as house:
        wrong = await asyncio.to_thread(ask_all, cases, house.url, bearer(house.tokens[role]), await ids_in(house))
        assert (await house.owner.post("/v1/memory", json={"content": "It still works."})).status_code == 201
        assert (await house.owner.get("/readyz")).status_code == 200
    assert wrong == []


async def test_a_method_that_a_route_does_not_have_is_told_which_it_has(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        answer = await house.owner.request("TRACE", "/v1/memory/conflicts")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("project", ["x" * 300, "~nobody-of-this-name/x"])
async def test_a_directory_that_cannot_be_is_refused(tmp_path: Path, project: str) -> None:
    async with open_house(tmp_path) as house:
        made = await house.owner.post("/v1/sessions", json={"project": project})
        searched = await house.owner.get("/v1/memory", params={"project": project})
    assert [(answer.status_code, answer.json()["code"]) for answer in (made, searched)] == [
        (400, "no_such_project"),
        (400, "no_such_project"),
    ]
