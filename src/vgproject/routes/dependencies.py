"""What routes are given: the services, and who asks."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from vgproject.bootstrap import Services
from vgproject.errors import UnauthenticatedError
from vgproject.sessions import Caller


def get_services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


def get_caller(connection: HTTPConnection) -> Caller:
    """Raises `UnauthenticatedError`."""
    caller: Caller | None = connection.app.state.authenticator.identify(connection)
    if caller is None:
        raise UnauthenticatedError("A token is needed: send `Authorization: Bearer …`.")
    return caller


ServicesDep = Annotated[Services, Depends(get_services)]
CallerDep = Annotated[Caller, Depends(get_caller)]
