"""The open WebSockets: each one's frames in, its answers, and what it is subscribed to."""

import asyncio
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

import orjson
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from vgproject import __version__
from vgproject.access.permissions import COMMANDS, OPEN, SEE, Caller
from vgproject.access.token_bucket import Rate, TokenBucket
from vgproject.audit import entry_by
from vgproject.auth import Authenticator, address_of
from vgproject.bootstrap import Services
from vgproject.errors import (
    CommandError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
    VgprojectError,
)
from vgproject.event_log import LogCursor
from vgproject.follower import Deltas
from vgproject.knowledge.namespaces import Namespace
from vgproject.memory_subscription import MemorySubscription
from vgproject.outbox import Outbox
from vgproject.presence import Presence
from vgproject.schema import commands as c
from vgproject.schema import frames as f
from vgproject.session_feeds import SessionFeeds
from vgproject.standing import read_snapshots
from vgproject.subscription import Subscription
from vgproject.subscriptions import Subscriptions
from vgproject.telemetry.log_context import log_ids
from vgproject.utils.clock import to_wire, utc_now
from vgproject.utils.ids import new_id
from vgproject.utils.text import shorten
from vgproject.visits import visit_of

MAX_BAD_FRAMES = 100
PATIENCE = Rate(MAX_BAD_FRAMES / 60, MAX_BAD_FRAMES)
"""So many bad or refused frames at once, or in a minute, are answered: whoever goes on is closed."""
CHEAP = {"ping": 0.1, "hello": 0.1}
"""What these cost of a command."""
NOTICE_SECONDS = 1.0
"""What a client gets to take the word that the server stops."""
CLOSES = {"frame_too_large": 4413, "too_many_connections": 4430, "too_many_wrong_tokens": 4029}
"""Errors after which a connection is closed."""
HANDSHAKE_CLOSES = {"unauthenticated": 4401, "too_many_wrong_tokens": 4029, "rate_limited": 4029}

OwnCommand = c.Ping | c.Hello | c.Subscribe | c.Unsubscribe | c.SubscribeMemory | c.UnsubscribeMemory | c.SetPresence
"""Those of the connection, not of a session."""

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class ConnectionState:
    """What one connection holds; all of it goes away with it."""

    websocket: WebSocket
    outbox: Outbox
    caller: Caller | None = None
    id: str = field(default_factory=lambda: new_id("con"))
    subscriptions: Subscriptions = field(init=False)
    patience: TokenBucket = field(default_factory=lambda: TokenBucket(PATIENCE, time.monotonic()))
    let_go: Callable[[], None] = lambda: None
    """Ends the watch over its token."""


class WebSocketManager:
    def __init__(self, services: Services, authenticator: Authenticator) -> None:
        self._services = services
        self._authenticator = authenticator
        self._limits = services.loaded.config.limits
        self._connections: set[ConnectionState] = set()
        self._presence = Presence()
        self._feeds = SessionFeeds(
            services.event_log,
            services.broker,
            frame_bytes=self._limits.connection_bytes // 4,
            heartbeat_seconds=self._limits.heartbeat_seconds,
        )

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    @property
    def unsent_bytes(self) -> int:
        return sum(state.outbox.unsent_bytes for state in self._connections)

    @property
    def events_behind(self) -> int:
        """How far the subscription that is most behind its session's log is behind."""
        return max((state.subscriptions.events_behind for state in self._connections), default=0)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one WebSocket from its handshake to its end."""
        wanted = websocket.scope.get("subprotocols", [])
        await websocket.accept(subprotocol=f.PROTOCOL if f.PROTOCOL in wanted else None)
        state = ConnectionState(websocket, Outbox(websocket, self._limits))
        state.subscriptions = Subscriptions(state.outbox, partial(self._refuse, state, None))
        try:
            state.caller = await self._authenticator.identify(websocket)
            self._services.allowances.take_handshake(state.caller, address_of(websocket))
        except VgprojectError as error:
            await state.outbox.close(HANDSHAKE_CLOSES.get(error.code, 1013), error.message)
            return
        if self._is_one_too_many(state.caller):
            await state.outbox.close(4430, _TOO_MANY)
            return
        self._connections.add(state)
        self._watch(state)
        try:
            await self._welcome(state)
            await self._receive(state)
        except WebSocketDisconnect:
            pass  # The client is gone.
        except TimeoutError:
            await state.outbox.close(4401, "No hello with a token came in time.")
        finally:
            state.let_go()
            self._connections.discard(state)
            await state.subscriptions.drop_all()

    def _watch(self, state: ConnectionState) -> None:
        """Close the connection when its token ends."""
        state.let_go()
        visit_of(state.websocket.scope).user = state.caller.user_id if state.caller else ""
        if state.caller:
            state.let_go = self._services.live_access.hold(state.caller, state.outbox.close)

    def _is_one_too_many(self, caller: Caller | None) -> bool:
        users = Counter(other.caller.user_id for other in self._connections if other.caller)
        return caller is not None and users[caller.user_id] >= self._limits.connections_per_user

    async def _welcome(self, state: ConnectionState) -> None:
        caller = state.caller
        welcome = f.Welcome(
            server_version=__version__,
            user=caller.user_id if caller else None,
            role=caller.role if caller else None,
            limits=f.Limits.model_validate(self._limits.model_dump(include=set(f.Limits.model_fields))),
            sandbox=self._services.sandbox.text,
        )
        await state.outbox.send(welcome.model_dump_json().encode())

    async def _receive(self, state: ConnectionState) -> None:
        """Raises `TimeoutError` where the client does not say who it is in time."""
        deadline = asyncio.get_running_loop().time() + self._limits.hello_seconds
        while not state.outbox.closed:
            async with asyncio.timeout_at(None if state.caller else deadline):
                message = await state.websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await self._take_frame(state, message.get("text"))

    async def _take_frame(self, state: ConnectionState, frame: str | None) -> None:
        """``None`` is a binary frame."""
        command_id: str | None = None
        try:
            if frame is None:
                raise CommandError("The frame is binary: send JSON as text.", code="bad_frame")
            if len(frame.encode()) > self._limits.frame_bytes:
                raise CommandError(_TOO_LARGE, code="frame_too_large")
            fields = _parse_frame(frame)
            given_id = fields.get("id")
            command_id = given_id if isinstance(given_id, str) else None
            cost = CHEAP.get(str(fields.get("type")), 1.0)
            self._services.allowances.take_command(state.caller, address_of(state.websocket), cost=cost)
            command = _parse_command(fields)
            with log_ids(session_id=command.session_id):
                answer = await self._execute(state, command, hashlib.sha256(frame.encode()).hexdigest())
            if answer is not None:
                await state.outbox.send(answer.model_dump_json().encode())
        except VgprojectError as error:
            await self._refuse(state, command_id, error)
        except WebSocketDisconnect:
            raise
        except Exception:
            logger.exception("A command failed by a mistake of ours")
            await self._refuse(state, command_id, VgprojectError(_OUR_MISTAKE))

    async def _refuse(self, state: ConnectionState, command_id: str | None, error: VgprojectError) -> None:
        details = dict(error.details)
        data = f.ErrorAnswerData(
            code=error.code,
            message=error.message,
            retry_after_ms=details.pop("retry_after_ms", None),
            details=details,
        )
        await state.outbox.send(f.ErrorAnswer(id=command_id, data=data).model_dump_json().encode())
        is_abuse = error.code in ("bad_frame", "rate_limited") and state.patience.take(time.monotonic()) > 0
        if is_abuse:
            await state.outbox.close(4029 if error.code == "rate_limited" else 4400, error.message)
        elif isinstance(error, UnauthenticatedError):
            await state.outbox.close(4401, error.message)
        elif error.code in CLOSES:
            await state.outbox.close(CLOSES[error.code], error.message)

    async def _execute(self, state: ConnectionState, command: c.AnyCommand, digest: str) -> f.Ack | f.Pong | None:
        if state.caller is None and COMMANDS[command.type] != OPEN:
            self._authenticator.refuse(state.websocket)
            raise CommandError("Say hello with a token first.", code="unauthenticated")
        if isinstance(command, OwnCommand):
            with self._services.instruments.spans.open("command", {"type": command.type}):
                return await self._execute_own(state, command)
        assert state.caller is not None
        makes_session = isinstance(command, c.TaskCommand) and command.session_id is None
        if makes_session:
            self._expect_room(state)
        answer = await self._services.sessions.execute(command, state.caller, scope=_scope(state, command, digest))
        ack = f.Ack(id=command.id, duplicate=answer.get("duplicate", False), data=answer)
        await state.outbox.send(ack.model_dump_json().encode())
        if makes_session and answer["session_id"] not in state.subscriptions:
            await self._follow(state, answer["session_id"], after=0, deltas="all")
        return None

    async def _execute_own(self, state: ConnectionState, command: OwnCommand) -> f.Ack | f.Pong | None:
        if isinstance(command, c.Ping):
            return f.Pong(id=command.id, time=to_wire(utc_now()))
        if isinstance(command, c.Hello):
            return await self._hello(state, command)
        assert state.caller is not None
        match command:
            case c.Subscribe():
                await self._subscribe(state, state.caller, command)
                return None
            case c.SubscribeMemory():
                await self._subscribe_memory(state, state.caller, command)
                return None
            case c.Unsubscribe():
                await state.subscriptions.drop(command.session_id or "")
            case c.UnsubscribeMemory():
                await state.subscriptions.drop(_topic(await self._memory_of(command, state.caller)))
            case c.SetPresence():
                await self._services.members.allow(command, state.caller)
                self._presence.set_status(command.session_id or "", state.id, command.status)
        return f.Ack(id=command.id)

    async def _hello(self, state: ConnectionState, command: c.Hello) -> f.Ack:
        caller = (
            await self._authenticator.check(command.token, address_of(state.websocket))
            if command.token
            else state.caller
        )
        if caller is None:
            self._authenticator.refuse(state.websocket)
            raise UnauthenticatedError("The hello has no token.")
        is_another = state.caller is None or state.caller.user_id != caller.user_id
        if is_another and self._is_one_too_many(caller):
            raise RateLimitedError(_TOO_MANY, code="too_many_connections")
        if state.caller and (state.caller.user_id, state.caller.role) != (caller.user_id, caller.role):
            await state.subscriptions.drop_all()
        state.caller = replace(caller, client=command.client or "")
        self._watch(state)
        self._presence.renamed(state.id)
        return f.Ack(id=command.id, data={"user": caller.user_id, "role": caller.role})

    async def _subscribe(self, state: ConnectionState, caller: Caller, command: c.Subscribe) -> None:
        if command.session_id is None:
            raise CommandError("The command 'subscribe' needs a session_id.")
        async with self._admitting(command, caller):
            view = await self._services.sessions.get_session(command.session_id, caller)
        self._expect_room(state, view.session_id)
        recovered = bool(command.last) or (command.epoch in (None, view.epoch) and command.after <= view.head_seq)
        after = max(0, view.head_seq - command.last) if command.last else command.after if recovered else 0
        subscribed = f.Subscribed(
            id=command.id,
            session_id=view.session_id,
            recovered=recovered,
            head_seq=view.head_seq,
            epoch=view.epoch,
            from_seq=after + 1,
        )
        await state.subscriptions.drop(view.session_id)
        await state.outbox.send(subscribed.model_dump_json().encode())
        if not recovered:
            await state.outbox.send(f.Snapshot(session=view).model_dump_json().encode())
        elif command.last and after:
            await self._send_standing(state, view, before=after + 1)
        await self._follow(state, view.session_id, after=after, deltas=command.deltas)

    def _admitting(self, command: c.Subscribe | c.SubscribeMemory, caller: Caller) -> AbstractAsyncContextManager[None]:
        entry = entry_by(caller, command.type, session_id=command.session_id, command_id=command.id)
        return self._services.audit.admitting(entry)

    async def _send_standing(self, state: ConnectionState, view: f.SessionView, *, before: int) -> None:
        max_bytes = state.outbox.frame_bytes
        for frame in await read_snapshots(self._services.event_log, view, before=before, max_bytes=max_bytes):
            await state.outbox.send(frame)

    async def _follow(self, state: ConnectionState, session_id: str, *, after: int, deltas: Deltas) -> None:
        def caller() -> Caller:
            assert state.caller is not None
            return state.caller

        subscription = Subscription(
            self._feeds.open(session_id),
            LogCursor(self._services.event_log, session_id, after),
            deltas=deltas,
            outbox=state.outbox,
            may_read=partial(self._expect_reader, state, session_id),
            start=partial(state.subscriptions.start, session_id),
            left=self._presence.come(
                session_id, state.id, caller=caller, way=None if deltas == "none" else state.outbox
            ),
        )
        state.subscriptions.add(session_id, subscription)

    async def _subscribe_memory(self, state: ConnectionState, caller: Caller, command: c.SubscribeMemory) -> None:
        async with self._admitting(command, caller):
            namespace = await self._memory_of(command, caller)
        self._expect_room(state, _topic(namespace))
        head = await self._services.memory.begin(namespace)
        recovered = command.epoch in (None, head.epoch) and command.after <= head.memory_seq
        subscribed = f.MemorySubscribed(
            id=command.id,
            project="" if namespace.scope == "user" else namespace.owner,
            scope=namespace.scope,
            recovered=recovered,
            memory_seq=head.memory_seq,
            epoch=head.epoch,
        )
        await state.subscriptions.drop(_topic(namespace))
        await state.outbox.send(subscribed.model_dump_json().encode())
        subscription = MemorySubscription(
            namespace,
            head,
            after=command.after if recovered and command.after else None,
            memory=self._services.memory,
            outbox=state.outbox,
            poll_seconds=self._limits.heartbeat_seconds,
        )
        state.subscriptions.add(_topic(namespace), subscription)

    async def _memory_of(self, command: c.SubscribeMemory | c.UnsubscribeMemory, caller: Caller) -> Namespace:
        of_session = await self._services.sessions.project_of(command, caller)
        return self._services.memory_commands.namespace(
            caller, scope=command.scope, project=command.project, of_session=of_session
        )

    def _expect_room(self, state: ConnectionState, topic: str | None = None) -> None:
        """For another subscription, or for that of ``topic`` anew. Raises `RateLimitedError`."""
        others = state.subscriptions.count_beside(topic)
        if others >= self._limits.subscriptions_per_connection:
            raise RateLimitedError(
                f"This connection follows {others} sessions and memories, and may follow no more: unsubscribe from one.",
                code="too_many_subscriptions",
            )

    async def _expect_reader(self, state: ConnectionState, session_id: str) -> None:
        """Raises `ForbiddenError`: what is not to be known of any more was known."""
        assert state.caller is not None
        try:
            await self._services.members.expect(session_id, state.caller, SEE)
        except NotFoundError as error:
            raise ForbiddenError(_NO_MEMBER, session_id=session_id) from error

    async def drain(self, grace_seconds: float) -> None:
        """Tell everybody that the server stops; who does not read now misses it."""
        draining = f.ServerDraining(grace_ms=round(grace_seconds * 1000)).model_dump_json().encode()
        with suppress(TimeoutError):
            async with asyncio.timeout(NOTICE_SECONDS):
                notices = (state.outbox.send(draining) for state in self._connections)
                await asyncio.gather(*notices, return_exceptions=True)

    async def close_all(self, code: int, reason: str) -> None:
        closing = (state.outbox.close(code, reason) for state in tuple(self._connections))
        await asyncio.gather(*closing, return_exceptions=True)


def _topic(namespace: Namespace) -> str:
    return f"memory/{namespace.name}"


def _parse_frame(frame: str) -> dict[str, object]:
    try:
        fields = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise CommandError(f"The frame is not JSON: {error}", code="bad_frame") from error
    if not isinstance(fields, dict):
        raise CommandError("The frame is not a JSON object.", code="bad_frame")
    return fields


def _parse_command(fields: dict[str, object]) -> c.AnyCommand:
    if not isinstance(kind := fields.get("type"), str) or kind not in c.COMMAND_TYPES:
        known = ", ".join(sorted(c.COMMAND_TYPES))
        raise CommandError(
            f"There is no command {shorten(repr(kind), 200)}; the commands are {known}.", code="unknown_type"
        )
    try:
        return c.COMMANDS.validate_python(fields)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc'][1:]))}: {item['msg']}" for item in error.errors())
        raise CommandError(f"The command {fields['type']!r} is not right: {wrong}.") from error


def _scope(state: ConnectionState, command: c.AnyCommand, digest: str) -> str:
    """Who is the same client: named ones, and whoever speaks of the same session; else the same connection."""
    if command.id is None or state.caller is None:
        return ""
    client = state.caller.client
    place = command.session_id or ("" if client else state.id)
    return "/".join((state.caller.key, client, place, command.id, digest))


_NO_MEMBER = "You are no member of this session any more."
_TOO_MANY = "Too many connections."
_OUR_MISTAKE = "The server made a mistake with this command; its log says which."
_TOO_LARGE = "The frame is too large; the limit is in `welcome`."
