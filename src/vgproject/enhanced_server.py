"""The server: the FastAPI application, its life, and the process that serves it."""

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from http import HTTPStatus

import uvicorn
from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from vgproject import __version__
from vgproject.auth import COOKIE, Authenticator, HostAndOriginCheck
from vgproject.bootstrap import open_services
from vgproject.config import Loaded
from vgproject.errors import BadInputError, VgprojectError
from vgproject.routes import health, memory, sessions
from vgproject.schema.frames import Problem
from vgproject.websocket_manager import WebSocketManager

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>vgPROJECT</title>
<h1>vgPROJECT is running</h1>
<p>Give it a task: <code>vgproject run "TASK"</code>, or over the WebSocket at <code>/v1/ws</code>.</p>
<p>The HTTP interface is described at <a href="/openapi.json">/openapi.json</a>.</p></html>
"""
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class EnhancedRAServer:
    """``app`` is the application; `serve` runs it until it is told to stop."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._config = loaded.config
        self._manager: WebSocketManager | None = None
        self.authenticator: Authenticator | None = None
        self._running: DrainingServer | None = None
        self._failure: VgprojectError | None = None
        self.app = FastAPI(
            title="vgPROJECT", version=__version__, lifespan=self._lifespan, docs_url=None, redoc_url=None
        )
        self.app.state.draining = False
        for router in (health.router, sessions.router, memory.router):
            self.app.include_router(router)
        self.app.add_api_websocket_route("/v1/ws", self._websocket)
        self.app.add_api_route("/", self._page, include_in_schema=False)
        self.app.add_api_route("/sign-in", self._sign_in, include_in_schema=False)
        self.app.add_exception_handler(VgprojectError, _answer_error)
        self.app.add_exception_handler(RequestValidationError, _answer_invalid)
        self.app.add_exception_handler(HTTPException, _answer_http)
        self.app.middleware("http")(_add_headers)
        hosts = (self._config.host, *self._config.allowed_hosts)
        self.app.add_middleware(HostAndOriginCheck, hosts=hosts, origins=self._config.allowed_origins)

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                services = await stack.enter_async_context(open_services(self._loaded))
            except VgprojectError as error:
                # uvicorn only logs it; `serve` raises it.
                self._failure = error
                raise
            self.authenticator = Authenticator(self._config.home, self._config.token)
            self.authenticator.keep()
            self._manager = WebSocketManager(services, self.authenticator)
            app.state.services = services
            app.state.authenticator = self.authenticator
            yield

    async def _websocket(self, websocket: WebSocket) -> None:
        assert self._manager is not None
        await self._manager.serve(websocket)

    async def _page(self) -> HTMLResponse:
        return HTMLResponse(PAGE, headers={"Cache-Control": "no-cache"})

    async def _sign_in(self, code: str) -> Response:
        """Swaps the one-time code of the printed URL for a cookie."""
        assert self.authenticator is not None
        response = RedirectResponse("/", status_code=303)
        cookie = self.authenticator.take_code(code)
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", max_age=30 * 24 * 3600)
        return response

    @property
    def sandbox(self) -> str:
        """In what commands run."""
        return str(self.app.state.services.sandbox.text)

    async def drain(self) -> None:
        """No new tasks; running ones stop at a durable point; everybody is told and closed with 4000."""
        assert self._manager is not None
        self.app.state.draining = True
        grace = self._config.limits.grace_seconds
        await self._manager.drain(grace)
        await self.app.state.services.engine.drain(grace)
        await self._manager.close_all(4000, "The server is stopping: come back.")

    def stop(self) -> None:
        """Let `serve` drain and return."""
        if self._running:
            self._running.should_exit = True

    async def serve(self, ready: Callable[[str], None], *, signals: bool = True) -> None:
        """Serve until `stop`, or with ``signals`` until SIGTERM or SIGINT.

        ``ready`` is called with the URL once requests are answered. Raises what kept the services from opening.
        """
        listener = _listen(self._config.host, self._config.port)
        host, port = listener.getsockname()[:2]
        url = f"http://{host}:{port}"
        config = uvicorn.Config(
            self.app,
            log_config=None,
            ws="websockets-sansio",
            ws_max_size=4 * self._config.limits.frame_bytes,
            ws_ping_interval=20,
            ws_ping_timeout=20,
            timeout_graceful_shutdown=5,
        )

        def started() -> None:
            (self._config.home / "server.json").write_text(json.dumps({"url": url}))
            ready(url)

        self._running = DrainingServer(config, started, self.drain, signals=signals)
        try:
            await self._running.serve([listener])
        except SystemExit:
            # How uvicorn ends where the application did not start.
            if self._failure:
                raise self._failure from None
            raise


class DrainingServer(uvicorn.Server):
    """uvicorn closes connections before it ends the lifespan: too late to drain. So this drains first."""

    def __init__(
        self,
        config: uvicorn.Config,
        started: Callable[[], None],
        drain: Callable[[], Awaitable[None]],
        *,
        signals: bool,
    ) -> None:
        super().__init__(config)
        self._signals = signals
        self._started = started
        self._drain = drain

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        if self._signals:
            with super().capture_signals():
                yield
                # uvicorn raises them again once it has stopped; after a drain the process ends with 0.
                self._captured_signals.clear()
        else:
            yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadInputError(
            f"The address {host}:{port} cannot be used: {error.strerror}.", code="address_in_use"
        ) from error
    listener.listen(2048)
    return listener


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, VgprojectError)
    return _problem(error.http_status, error.code, error.message, error.details)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return _problem(422, "invalid_request", f"The request is not right: {wrong}.", {})


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    return _problem(error.status_code, codes.get(error.status_code, "http_error"), str(error.detail), {})


def _problem(status: int, code: str, detail: str, details: dict[str, object]) -> JSONResponse:
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, code=code, details=details)
    return JSONResponse(problem.model_dump(mode="json"), status_code=status, media_type="application/problem+json")
