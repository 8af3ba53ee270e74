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

from fuzz import MEMORY, NAMES, NASTY, SESSION, broken, collect, values_for
from house import bearer, open_house
from vgproject.config import load_config
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.routes.documents import openapi

SECONDS = 20
NOT_HERE = {"/sign-in", "/sign-out"}
"""Wrong tokens there make the address wait."""
ODD_NAMES = ("none", "%00", "..", "🙂", "x" * 3_000, "a b", "-1", "*")
BODIES = (b"", b"null", b"[]", b"{", b"\xff", b'{"a":' * 900 + b"1" + b"}" * 900, b'"\\ud800"', b"1e999", b"NaN")
Request = tuple[str, str, dict[str, Any]]


def requests_for(document: dict[str, Any], template: str, method: str, operation: dict[str, Any]) -> Iterator[Request]:
    """Method, path and what `httpx` takes beside them."""
    schemas = document["components"]["schemas"]
    parameters = operation.get("parameters", [])
    places = {
        one["name"]: st.sampled_from([*NAMES.get(one["name"], ["none"]), *ODD_NAMES])
        for one in parameters
        if one["in"] == "path"
    }
    queries = {
        one["name"]: st.sampled_from(NAMES[one["name"]])
        if one["name"] in NAMES
        else values_for(one["schema"], schemas) | NASTY
        for one in parameters
        if one["in"] == "query"
    }
    cases = st.tuples(
        st.fixed_dictionaries(places), st.fixed_dictionaries({}, optional=queries), _bodies(operation, schemas)
    )
    for place, query, body in collect(cases, 6):
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


def _bodies(operation: dict[str, Any], schemas: dict[str, Any]) -> st.SearchStrategy[bytes]:
    if "requestBody" not in operation:
        return st.sampled_from([b"", b"{}"])
    values = values_for(operation["requestBody"]["content"]["application/json"]["schema"], schemas)
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
    document = openapi(EnhancedRAServer(load_config({"home": tmp_path}, {})).app)
    made = [
        (template, request)
        for template, operations in document["paths"].items()
        for method, operation in operations.items()
        if template not in NOT_HERE
        for request in requests_for(document, template, method, operation)
    ]
    wrong = []
    async with open_house(tmp_path, limits={"wrong_tokens": 10_000}) as house:
        session_id = await house.session({"editor": "owner"})
        memory_id = (await house.owner.post("/v1/memory", json={"content": "Water is wet."})).json()["memory_id"]
        async with httpx.AsyncClient(base_url=house.url, headers=bearer(house.tokens[role]), timeout=SECONDS) as http:
            for template, (method, path, options) in made:
                here = path.replace(SESSION, session_id).replace(MEMORY, memory_id)
                answer = await _send(http, method, here, options)
                if answer is not None and (why := wrong_with(document, template, method, answer)):
                    wrong.append((why, method, path[:200], str(options)[:500], answer.text[:300]))
        assert (await house.owner.post("/v1/memory", json={"content": "It still works."})).status_code == 201
        assert (await house.owner.get("/readyz")).status_code == 200
    assert wrong == []


async def _send(http: httpx.AsyncClient, method: str, path: str, options: dict[str, Any]) -> httpx.Response | None:
    """``None`` for what `httpx` itself does not send."""
    try:
        async with asyncio.timeout(SECONDS):
            return await http.request(method, path, **options)
    except httpx.InvalidURL:
        return None
