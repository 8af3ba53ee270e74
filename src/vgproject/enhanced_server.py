"""The server: the FastAPI application, its life, and the process that serves it."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from pkgutil import resolve_name
from types import FrameType

import uvicorn
from fastapi import FastAPI, WebSocket
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from vgproject import __version__
from vgproject.access.back_off import BackOff
from vgproject.access.jwt_settings import JwtSettings
from vgproject.auth import Authenticator, WebTokens
from vgproject.bootstrap import open_services
from vgproject.config import Config, Loaded
from vgproject.errors import BadInputError, ConfigError
from vgproject.guards import BodyLimit, HostAndOriginCheck, SecurityHeaders
from vgproject.http_protocol import with_deadline
from vgproject.metrics import Metrics
from vgproject.problems import answer_with_problems
from vgproject.routes import audit, documents, health, memory, page, sessions, sign_in, tokens
from vgproject.telemetry.spans import Observer
from vgproject.utils.clock import utc_now
from vgproject.visits import Visits
from vgproject.watchdog import run_watchdog
from vgproject.websocket_manager import WebSocketManager
from vgproject.websocket_protocol import CLOSE_SECONDS, WebSocketProtocol

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""A larger one is not even read: the WebSocket library closes with 1009."""
SYSTEM_BYTES = 128 * 1024
"""What the operating system takes for one connection beyond what it can send; by default some MiB."""


class EnhancedRAServer:
    """``app`` is the application; `serve` runs it until it is told to stop."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._config = loaded.config
        self._manager: WebSocketManager | None = None
        self.authenticator: Authenticator | None = None
        self._running: DrainingServer | None = None
        self.app = FastAPI(
            title="vgPROJECT",
            version=__version__,
            lifespan=self._lifespan,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
        )
        self.app.state.draining = False
        self.app.state.closing = asyncio.Event()
        self._metrics = self.app.state.metrics = Metrics()
        for router in (
            health.router,
            sessions.router,
            sessions.workspaces_router,
            memory.router,
            tokens.router,
            audit.router,
            documents.router,
            sign_in.router,
            page.router,
        ):
            self.app.include_router(router)
        self._websocket_route = WebSocketRoute("/v1/ws", self._websocket)
        self.app.router.routes.append(self._websocket_route)
        answer_with_problems(self.app)
        self.app.add_middleware(BodyLimit, max_bytes=self._config.limits.body_bytes)
        hosts = (self._config.host, *self._config.allowed_hosts)
        checked = HostAndOriginCheck(self._dispatch, hosts=hosts, origins=self._config.allowed_origins)
        secured = SecurityHeaders(checked, speaks_tls=self._config.tls_cert is not None)
        self.asgi = Visits(secured, self._metrics.count_visit)
        """The application behind its guards: what is to be served."""

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        config, metrics = self._config, self._metrics
        web_tokens = _load_web_tokens(config.jwt) if config.auth == "jwt" else None
        async with (
            _open_traces(self._loaded) as observers,
            open_services(
                self._loaded, observe=metrics.count_event, instruments=metrics.instruments(*observers)
            ) as services,
        ):
            back_off = BackOff(config.limits.wrong_tokens)
            self.authenticator = Authenticator(
                config.home, config.token, services.tokens, services.audit, web_tokens=web_tokens, back_off=back_off
            )
            self.authenticator.keep()
            services.secrets.add("token", self.authenticator.token)
            self._manager = manager = WebSocketManager(services, self.authenticator)
            metrics.watch_connections(
                lambda: manager.open_connections, lambda: manager.unsent_bytes, lambda: manager.events_behind
            )
            app.state.services = services
            app.state.authenticator = self.authenticator
            parts = services.essential_parts()
            async with run_watchdog(config.limits, parts, observe=metrics.count_loop_delay) as app.state.watchdog:
                yield
            self.authenticator.close()

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket goes straight to its route: the layers before it would keep 7 KB of each connection."""
        if scope["type"] == "websocket" and scope["path"] == self._websocket_route.path:
            await self._websocket(WebSocket(scope, receive, send))
        else:
            await self.app(scope, receive, send)

    async def _websocket(self, websocket: WebSocket) -> None:
        assert self._manager is not None
        websocket.scope["route"] = self._websocket_route  # As FastAPI's routes do.
        await self._manager.serve(websocket)

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
        self.app.state.closing.set()
        await self._manager.close_all(4000, "The server is stopping: come back.")

    def stop(self) -> None:
        """Let `serve` drain and return."""
        if self._running:
            self._running.should_exit = True

    async def serve(self, ready: Callable[[str], None], *, signals: bool = True) -> None:
        """Serve until `stop`, or with ``signals`` until SIGTERM or SIGINT.

        ``ready`` is called with the URL once requests are answered. Raises what kept the services from opening.
        """
        check_tls(self._config)
        listener = _listen(self._config.host, self._config.port, stalled_seconds=self._config.limits.stalled_seconds)
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        url = f"{'https' if self._config.tls_cert else 'http'}://{shown}:{port}"
        config = uvicorn.Config(
            self.asgi,
            log_config=None,
            access_log=False,
            http=with_deadline(self._config.limits.request_seconds),
            ws=WebSocketProtocol,
            ws_max_size=max(MAX_FRAME_BYTES, 4 * self._config.limits.frame_bytes),
            ws_per_message_deflate=False,  # It takes as much again of the processor, and 40 KB of each connection.
            ws_ping_interval=20,
            ws_ping_timeout=20,
            timeout_graceful_shutdown=5,
            lifespan="off",
            ssl_certfile=self._config.tls_cert,
            ssl_keyfile=self._config.tls_key,
            # Else whoever comes from loopback says from which address.
            proxy_headers=bool(self._config.trusted_proxies),
            forwarded_allow_ips=self._config.trusted_proxies,
        )

        def started() -> None:
            pinned = str(self._config.tls_cert.resolve()) if self._config.tls_cert else None
            (self._config.home / "server.json").write_text(json.dumps({"url": url, "tls_cert": pinned}))
            ready(url)

        self._running = DrainingServer(config, started, self.drain, signals=signals)
        # uvicorn would end the process with 3 where the lifespan fails, and say why only in the log.
        with listener:
            async with self._lifespan(self.app):
                await self._running.serve([listener])


class DrainingServer(uvicorn.Server):
    """uvicorn closes connections before it ends the lifespan: too late to drain. So this drains first."""

    def __init__(
        self,
        config: uvicorn.Config,
        started: Callable[[], None],
        drain: Callable[[], Coroutine[None, None, None]],
        *,
        signals: bool,
    ) -> None:
        super().__init__(config)
        self._signals = signals
        self._started = started
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None

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
        self._draining = asyncio.create_task(self._drain(), name="drain")
        await asyncio.wait({self._draining})
        if not self._draining.cancelled():
            self._draining.result()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A second signal ends the drain at once; what runs is cut off, as after a crash."""
        if self.should_exit:
            self.force_exit = True
            if self._draining:
                self._draining.get_loop().call_soon_threadsafe(self._draining.cancel)
        super().handle_exit(sig, frame)


def check_tls(config: Config) -> None:
    """Raises `ConfigError` where TLS is asked for and cannot be spoken."""
    if config.tls_cert is None and config.tls_key is None:
        return
    if config.tls_cert is None or config.tls_key is None:
        raise ConfigError("TLS needs both --tls-cert and --tls-key.")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            config.tls_cert, config.tls_key, password=_no_password
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The certificate {config.tls_cert} cannot be used with the key {config.tls_key}: {error}."
        ) from error


def _no_password() -> str:
    """Nobody is asked at the terminal."""
    raise ValueError("the key has a password")


def _load_web_tokens(settings: JwtSettings) -> WebTokens:
    """Raises `ConfigError`."""
    web_tokens: WebTokens = resolve_name("vgproject.access.web_tokens:WebTokens")(settings, now=utc_now)
    return web_tokens


@asynccontextmanager
async def _open_traces(loaded: Loaded) -> AsyncIterator[list[Observer]]:
    """Who is told of spans: a trace collector, where one is configured.

    Raises `ConfigError` where what that takes is not installed.
    """
    endpoint = loaded.config.telemetry.traces_endpoint(loaded.environ)
    if endpoint is None:
        yield []
        return
    try:
        traces = resolve_name("vgproject.telemetry.otlp:OtlpTraces")(endpoint, __version__)
    except ImportError as error:
        raise ConfigError(
            f"Traces cannot be sent to {endpoint}: install `vgproject[telemetry]`, or unset the endpoint."
        ) from error
    try:
        yield [traces.take]
    finally:
        await asyncio.to_thread(traces.close)


def _listen(host: str, port: int, *, stalled_seconds: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio send small answers at once, and not up to 40 ms later.
    listener = socket.socket(family, proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _bound_unsent(listener, stalled_seconds)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadInputError(
            f"The address {host}:{port} cannot be used: {error.strerror}.", code="address_in_use"
        ) from error
    listener.listen(2048)
    return listener


def _bound_unsent(listener: socket.socket, stalled_seconds: float) -> None:
    """Accepted sockets inherit what is set here, where the system knows it: it takes little for a client that does not
    read, and ends a connection that has taken nothing, also an HTTP stream and one that is being closed."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, SYSTEM_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        seconds = 2 * stalled_seconds + CLOSE_SECONDS
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * seconds))
