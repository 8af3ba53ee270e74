"""How a browser is signed in: a one-time code or a token, swapped for a cookie that no script sees."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import Field

from vgproject.auth import COOKIE, COOKIE_AGE, Authenticator, address_of
from vgproject.errors import UnauthenticatedError
from vgproject.schema.base import Wire

router = APIRouter(tags=["sign-in"])


class NewSignIn(Wire):
    token: Annotated[str, Field(min_length=1, max_length=3_500)]
    """An API token, a JWT, or the owner's; a longer one fits in no cookie."""


@router.get("/sign-in", include_in_schema=False)
async def sign_in_with_code(request: Request, code: str, accept: Annotated[str, Header()] = "") -> Response:
    """Swaps the one-time code of the printed URL for a cookie. A browser with a code that is refused is sent to the page."""
    try:
        cookie = await _authenticator(request).take_code(code, address_of(request))
    except UnauthenticatedError:
        if "text/html" not in accept:
            raise
        return RedirectResponse("/?sign-in=refused", status_code=303)
    return _with_cookie(request, RedirectResponse("/", status_code=303), cookie)


@router.post("/sign-in", status_code=204)
async def sign_in_with_token(request: Request, body: NewSignIn) -> Response:
    """Swap a token for a cookie, which is good for as long as the token is, and at most for 30 days."""
    cookie = await _authenticator(request).cookie_for(body.token.strip(), address_of(request))
    return _with_cookie(request, Response(status_code=204), cookie)


@router.post("/sign-out", status_code=204)
async def sign_out() -> Response:
    """Take the cookie from the browser."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE)
    return response


def _authenticator(request: Request) -> Authenticator:
    authenticator: Authenticator = request.app.state.authenticator
    return authenticator


def _with_cookie(request: Request, response: Response, cookie: str) -> Response:
    age = int(COOKIE_AGE.total_seconds())
    response.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=_is_secure(request), max_age=age)
    return response


def _is_secure(request: Request) -> bool:
    """Also behind a proxy that ends TLS: a client that only says so keeps its own cookie from itself."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
