"""What routes are given: the services, and who asks, where that one may. What they change is in the audit trail."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from vgproject.access.permissions import BY_COMMAND, ROUTES, Caller, Need, expect_role
from vgproject.audit import Entry, about, entry_by
from vgproject.auth import Authenticator, address_of
from vgproject.bootstrap import Services
from vgproject.problems import code_of
from vgproject.telemetry.log_context import add_ids
from vgproject.visits import visit_of

READING = ("GET", "HEAD")


def get_services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


async def get_caller(request: Request) -> AsyncIterator[Caller]:
    """Who may use this route. What changes something counts as a command. Raises `UnauthenticatedError`,
    `RateLimitedError`, `ForbiddenError`, and `NotFoundError` for a session that the caller may not know of."""
    authenticator: Authenticator = request.app.state.authenticator
    caller = await authenticator.identify(request)
    if caller is None:
        raise authenticator.refuse(request)
    visit_of(request.scope).user = caller.user_id
    add_ids(session_id=request.path_params.get("session_id"))
    services, method, path = get_services(request), request.scope["method"], request.scope["route"].path
    if method not in READING:
        services.allowances.take_command(caller, address_of(request))
    caller = replace(caller, client=caller.client or request.headers.get("user-agent", ""))
    entry = _entry(request, caller, f"{method} {path}")
    async with services.audit.admitting(entry):
        await _expect(services, ROUTES[method, path], caller, request.path_params)
    if method in READING or (method, path) in BY_COMMAND:
        yield caller
        return
    entry = replace(entry, digest=await _digest(request))
    async with services.audit.acting(entry, code_of=code_of) as made:
        request.state.made = made
        yield caller


async def _expect(services: Services, need: Need, caller: Caller, names: Mapping[str, Any]) -> None:
    if need.place == "server":
        expect_role(caller, need.role)
    elif need.place == "session":
        await services.members.expect(names["session_id"], caller, need)


def _entry(request: Request, caller: Caller, action: str) -> Entry:
    names = about({**request.query_params, **request.path_params})
    return entry_by(caller, action, session_id=names.pop("session_id", None), about=names)


async def _digest(request: Request) -> str:
    """Of the request's first line without the protocol's version, and of its body."""
    query = f"?{request.url.query}" if request.url.query else ""
    line = f"{request.method} {request.url.path}{query}\n"
    return hashlib.sha256(line.encode(errors="replace") + await request.body()).hexdigest()


def note_made(request: Request, **names: str) -> None:
    """Names and ids that are known only once the route has done its work."""
    request.state.made.update(names)


ServicesDep = Annotated[Services, Depends(get_services)]
CallerDep = Annotated[Caller, Depends(get_caller, scope="function")]
"""The outcome is noted before the answer goes out."""
