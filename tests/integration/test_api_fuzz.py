"""Requests made from the OpenAPI document, right and broken, against a real server: each is answered as it is documented."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fuzz import NASTY, broken, collect, values_for
from house import House, bearer, open_house

SECONDS = 20
NOT_HERE = {"/sign-in"}
ODD_NAMES = ("none", "%00", "..", "🙂", "x" * 3_000, "a b", "-1", "*")
BODIES = (b"", b"null", b"[]", b"{", b"\xff", b'{"a":' * 900 + b"1" + b"}" * 900, b'"\\ud800"', b"1e999", b"NaN")
Request = tuple[str, str, dict[str, Any]]


def requests_for(
    document: dict[str, Any], template: str, method: str, operation: dict[str, Any], names: dict[str, list[Any]]
) -> Iterator[Request]:
    """Method, path and what `httpx` takes beside them."""
    schemas = document["components"]["schemas"]
    parameters = operation.get("parameters", [])
    places = {
        one["name"]: st.sampled_from([*names.get(one["name"], ["none"]), *ODD_NAMES])
        for one in parameters
        if one["in"] == "path"
    }
    queries = {
        one["name"]: st.sampled_from(names[one["name"]])
        if one["name"] in names
        else values_for(one["schema"], schemas, names) | NASTY
        for one in parameters
        if one["in"] == "query"
    }
    cases = st.tuples(
        st.fixed_dictionaries(places), st.fixed_dictionaries({}, optional=queries), _bodies(operation, schemas, names)
    )
    for place, query, body in collect(cases, 8):
        path = template.format(**{name: quote(str(value), safe="%") for name, value in place.items()})
        sent = {
            name: str(value)[:2_000].encode(errors="replace").decode()
            for name, value in query.items()
            if value is not None
        }
        yield (
            method.upper(),
            path,
            {"params": sent, "content": body, "headers": {"Content-Type": "application/json"} if body else {}},
        )


def _bodies(
    operation: dict[str, Any], schemas: dict[str, Any], names: dict[str, list[Any]]
) -> st.SearchStrategy[bytes]:
    if "requestBody" not in operation:
        return st.sampled_from([b"", b"{}"])
    values = values_for(operation["requestBody"]["content"]["application/json"]["schema"], schemas, names)
    return st.one_of(values.map(_encoded), broken(values).map(_encoded), st.sampled_from(BODIES))


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def wrong_with(document: dict[str, Any], template: str, method: str, answer: httpx.Response) -> str:
    """Why the answer is not as it is documented; empty if it is."""
    operation = document["paths"][template][method.lower()]
    if answer.status_code >= 500:
        return f"status {answer.status_code}"
    if answer.is_error:
        is_problem = answer.headers["content-type"] == "application/problem+json"
        return (
            ""
            if is_problem and _fits(document, {"$ref": "#/components/schemas/Problem"}, answer.json())
            else "no problem document"
        )
    documented = operation["responses"].get(str(answer.status_code))
    if documented is None:
        return f"status {answer.status_code} is not documented"
    schema = documented.get("content", {}).get("application/json", {}).get("schema")
    return (
        "" if schema is None or not answer.content or _fits(document, schema, answer.json()) else "not as in the schema"
    )


def _fits(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    return Draft202012Validator({**schema, "components": document["components"]}).is_valid(value)


@pytest.mark.parametrize("role", ["owner", "editor"])
async def test_every_request_right_or_broken_is_answered_as_documented(tmp_path: Path, role: str) -> None:
    wrong = []
    async with open_house(tmp_path, limits={"wrong_tokens": 10_000}) as house:
        names = await _names(house, role)
        document = (await house.owner.get("/openapi.json")).json()
        async with httpx.AsyncClient(base_url=house.url, headers=bearer(house.tokens[role]), timeout=SECONDS) as http:
            for template, operations in document["paths"].items():
                for method, operation in operations.items():
                    if template in NOT_HERE:
                        continue
                    for _, path, options in requests_for(document, template, method, operation, names):
                        answer = await _send(http, method.upper(), path, options)
                        if answer is not None and (why := wrong_with(document, template, method, answer)):
                            wrong.append((why, method, path[:200], str(options)[:500], answer.text[:300]))
        assert (await house.owner.post("/v1/memory", json={"content": "It still works."})).status_code == 201
        assert (await house.owner.get("/readyz")).status_code == 200
    assert wrong == []


async def _names(house: House, role: str) -> dict[str, list[Any]]:
    session_id = await house.session({"editor": "owner"})
    entry = (await house.owner.post("/v1/memory", json={"content": "Water is wet."})).json()
    return {
        "session_id": [session_id],
        "memory_id": [entry["memory_id"]],
        "project": [None],
        "model": ["nonsense", "scripted:none"],
        "models": [{"research": "nonsense"}],
        "force": [False],
    }


async def _send(http: httpx.AsyncClient, method: str, path: str, options: dict[str, Any]) -> httpx.Response | None:
    """``None`` for what `httpx` itself does not send."""
    try:
        async with asyncio.timeout(SECONDS):
            return await http.request(method, path, **options)
    except httpx.InvalidURL:
        return None
