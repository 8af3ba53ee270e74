"""What routes are given: the services, and who asks, where that one may."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from vgproject.access.permissions import ROUTES, Caller, expect_role
from vgproject.auth import address_of
from vgproject.bootstrap import Services
from vgproject.errors import UnauthenticatedError
from vgproject.telemetry.log_context import add_ids
from vgproject.visits import visit_of

READING = ("GET", "HEAD")


def get_services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


async def get_caller(connection: HTTPConnection) -> Caller:
    """Who may use this route. What changes something counts as a command. Raises `UnauthenticatedError`,
    `RateLimitedError`, `ForbiddenError`, and `NotFoundError` for a session that the caller may not know of."""
    caller: Caller | None = await connection.app.state.authenticator.identify(connection)
    if caller is None:
        raise UnauthenticatedError("A token is needed: send `Authorization: Bearer …`.")
    visit_of(connection.scope).user = caller.user_id
    add_ids(session_id=connection.path_params.get("session_id"))
    if connection.scope["method"] not in READING:
        get_services(connection).allowances.take_command(caller, address_of(connection))
    need = ROUTES[connection.scope["method"], connection.scope["route"].path]
    if need.place == "server":
        expect_role(caller, need.role)
    elif need.place == "session":
        await get_services(connection).members.expect(connection.path_params["session_id"], caller, need)
    return caller


ServicesDep = Annotated[Services, Depends(get_services)]
CallerDep = Annotated[Caller, Depends(get_caller)]
