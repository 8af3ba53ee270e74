import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.websockets import WebSocket, WebSocketDisconnect

from databases import make_session
from vgproject.broker.base import Listener, TextKey, text_key
from vgproject.broker.in_process import InProcessBroker
from vgproject.config import Limits
from vgproject.errors import ForbiddenError, VgprojectError
from vgproject.event_log import EventLog, EventLogSettings, LogCursor, NewEvent, open_event_log
from vgproject.follower import Deltas
from vgproject.outbox import Outbox
from vgproject.repositories.database_url import sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Actor
from vgproject.schema.events import AgentMessage, MemberLeft, ModelRetried, UserMessage
from vgproject.session_feeds import SessionFeeds
from vgproject.subscription import Subscription
from vgproject.subscriptions import Subscriptions
from vgproject.text_frame import TextFrame
from vgproject.texts import ended_texts, withdrawn_texts
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id
from vgproject.websocket_protocol import EXTENSION

SERVER = Actor(kind="server", id="server")
LIMITS = Limits(connection_bytes=256 * 1024, stalled_seconds=60, heartbeat_seconds=60)
WINDOWS: dict[Deltas, float] = {"all": 0.001, "coalesced": 0.005}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(sqlite_file(tmp_path / "vgproject.db"))
    await database.upgrade()
    yield database
    await database.close()


class CountingBroker(InProcessBroker):
    listening = 0

    def listen(self, session_id: str, listener: Listener) -> Callable[[], None]:
        stop = super().listen(session_id, listener)
        self.listening += 1

        def end() -> None:
            stop()
            self.listening -= 1

        return end


class FakeConnection:
    """Takes frames while it has room."""

    unsent_bytes = 0

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.gone = False
        self.room = asyncio.Event()
        self.room.set()
        self.news = asyncio.Event()

    def write_now(self, frame: TextFrame) -> bool:
        return self.room.is_set() and self._take(frame)

    def _take(self, frame: TextFrame) -> bool:
        if self.gone:
            return False
        parsed = json.loads(frame.payload)
        self.received += parsed if isinstance(parsed, list) else [parsed]
        self.news.set()
        return True

    async def has_room(self, seconds: float) -> bool:
        return await self.room.wait()

    async def send_frame(self, frame: TextFrame) -> None:
        """As the real one, whose room may have gone since somebody looked."""
        if not self._take(frame):
            raise WebSocketDisconnect(1006)

    async def close(self, code: int, reason: str) -> None:
        self.leave()

    def leave(self) -> None:
        self.gone = True
        self.room.set()


@dataclass
class World:
    """One session, its feed, and the clients that come and go."""

    event_log: EventLog
    broker: CountingBroker
    session_id: str
    feeds: SessionFeeds
    clients: "list[Client]" = field(default_factory=list)
    said: dict[int, str] = field(default_factory=dict)
    generation: int = 0

    def message_id(self, text: int) -> str:
        return f"m{text}/{self.generation}"

    async def append(self, *data: Any) -> int:
        return (await self.event_log.append(self.session_id, [NewEvent(one, SERVER) for one in data]))[-1].seq

    def say(self, text: int, words: str) -> None:
        self.delta(self.message_id(text), len(self.said.get(text, "")), words)
        self.said[text] = self.said.get(text, "") + words

    def delta(self, message_id: str, offset: int, words: str) -> None:
        about = {"session_id": self.session_id, "message_id": message_id, "offset": offset, "text": words}
        self.broker.send_delta(self.session_id, {"type": "text_delta", **about})

    async def end(self, text: int) -> str:
        """The id of the message that is in the log then."""
        ended = self.message_id(text)
        await self.append(AgentMessage(message_id=ended, text=self.said.get(text, "")))
        self.broker.end_message(self.session_id, ended)
        self.said.clear()
        self.generation += 1
        return ended

    async def withdraw(self, text: int) -> None:
        self.broker.end_message(self.session_id, self.message_id(text))
        self.said.pop(text, None)
        await self.append(ModelRetried(message_id=self.message_id(text), attempt=1, delay_ms=0, reason="overloaded"))

    def join(self, after: int, deltas: Deltas) -> "Client":
        client = Client(self, after, deltas)
        self.clients.append(client)
        return client

    async def settle(self, client: "Client") -> None:
        """Until ``client`` has all that there is to have."""
        head = (await self.event_log.head(self.session_id)).seq
        texts = {self.message_id(text): words for text, words in self.said.items()}
        async with asyncio.timeout(60):
            while not client.has(head, texts):
                client.connection.news.clear()
                await client.connection.news.wait()


class Client:
    def __init__(self, world: World, after: int, deltas: Deltas) -> None:
        self.after, self.deltas, self.allowed, self.left = after, deltas, True, False
        self.connection = FakeConnection()
        self.errors: list[str] = []
        websocket = SimpleNamespace(scope={"extensions": {EXTENSION: self.connection}})
        outbox = Outbox(cast("WebSocket", websocket), LIMITS)
        self.subscriptions = Subscriptions(outbox, self._refuse)
        session_id = world.session_id
        subscription = Subscription(
            world.feeds.open(session_id),
            LogCursor(world.event_log, session_id, after),
            deltas=deltas,
            outbox=outbox,
            may_read=self._may_read,
            start=lambda: self.subscriptions.start(session_id),
        )
        self.subscriptions.add(session_id, subscription)

    async def _refuse(self, error: VgprojectError) -> None:
        self.errors.append(error.code)

    async def _may_read(self) -> None:
        if not self.allowed:
            raise ForbiddenError("No member any more.")

    async def leave(self) -> None:
        self.left = True
        await self.subscriptions.drop_all()

    async def disconnect(self) -> None:
        self.connection.leave()
        await self.leave()

    def texts(self) -> dict[str, str]:
        """As the client has put them together; a hole, or a delta after the message itself, is an error."""
        texts: dict[str, str] = {}
        ended: set[TextKey] = set()
        for frame in self.connection.received:
            if "seq" in frame:
                for key in ended_texts(frame["type"], json.dumps(frame).encode()):
                    ended.add(key)
                    assert frame["data"]["text"].startswith(texts.pop(key[1], ""))
                for key in withdrawn_texts(frame["type"], json.dumps(frame).encode()):
                    texts.pop(key[1], None)
                continue
            assert text_key(frame) not in ended
            so_far = texts.get(frame["message_id"], "") if frame["offset"] else ""
            assert frame["offset"] == len(so_far)
            texts[frame["message_id"]] = so_far + frame["text"]
        return texts

    def seqs(self) -> list[int]:
        return [frame["seq"] for frame in self.connection.received if "seq" in frame]

    def has(self, head: int, texts: dict[str, str]) -> bool:
        told = self.texts()
        is_told = self.deltas == "none" or all(told.get(text) == words for text, words in texts.items())
        return [self.after, *self.seqs()][-1] >= head and is_told


TEXTS = st.integers(0, 1)
WHO = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 4)),
    st.tuples(st.just("say"), TEXTS, st.text(max_size=6)),
    st.tuples(st.just("say"), TEXTS, st.text(min_size=1, max_size=6)),
    st.tuples(st.sampled_from(["end", "withdraw"]), TEXTS),
    st.tuples(st.just("join"), st.integers(0, 8), st.sampled_from(["all", "all", "coalesced", "none"])),
    st.tuples(st.sampled_from(["stall", "drain", "leave", "disconnect", "remove"]), WHO),
    st.tuples(st.just("turn"), st.integers(1, 4)),
    st.tuples(st.just("window")),
)


class Play:
    """Does what is drawn, and knows what each client must have at the end."""

    def __init__(self, world: World, *, watched: bool) -> None:
        self.world = world
        self.writes: list[asyncio.Task[int]] = []
        self.watched = watched
        self.silenced: dict[int, int] = {}
        if watched:
            world.join(0, "all")

    async def do(self, name: str, *arguments: Any) -> None:
        await getattr(self, name)(*arguments)

    def _client(self, who: int) -> Client | None:
        """One that is there; the watcher stays."""
        clients = [client for client in self.world.clients[self.watched :] if not client.left]
        return clients[who % len(clients)] if clients else None

    async def append(self, number: int) -> None:
        events = [UserMessage(message_id=new_id("msg"), text=str(one)) for one in range(number)]
        self.writes.append(asyncio.create_task(self.world.append(*events)))

    async def say(self, text: int, words: str) -> None:
        if words:
            self.world.say(text, words)

    async def end(self, text: int) -> None:
        """What was said of it comes once more, late, where there is somebody for sure who could be told."""
        words = self.world.said.get(text, "")
        ended = await self.world.end(text)
        if self.watched and words:
            self.world.delta(ended, len(words) - 1, words[-1])
            self.world.delta(ended, 0, words)
            self.world.broker.end_message(self.world.session_id, ended)

    async def withdraw(self, text: int) -> None:
        await self.world.withdraw(text)

    async def join(self, after: int, deltas: Deltas) -> None:
        head = (await self.world.event_log.head(self.world.session_id)).seq
        self.world.join(min(after, head), deltas)

    async def stall(self, who: int) -> None:
        if client := self._client(who):
            client.connection.room.clear()

    async def drain(self, who: int) -> None:
        if client := self._client(who):
            client.connection.room.set()

    async def leave(self, who: int) -> None:
        if client := self._client(who):
            await client.leave()

    async def disconnect(self, who: int) -> None:
        if client := self._client(who):
            await client.disconnect()

    async def remove(self, who: int) -> None:
        if (client := self._client(who)) and client.allowed:
            client.allowed = False
            seq = await self.world.append(MemberLeft(user=str(who)))
            client.connection.received.append({"removed": seq})

    async def turn(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    async def window(self) -> None:
        await asyncio.sleep(2 * WINDOWS["all"])


@asynccontextmanager
async def open_world(database: Database, session_id: str, ring_bytes: int = 1024 * 1024) -> AsyncIterator[World]:
    broker, options = CountingBroker(), EventLogSettings(ring_bytes=ring_bytes)
    async with open_event_log(database.url, broker, settings=options, now=utc_now, new_id=new_id) as event_log:
        feeds = SessionFeeds(
            event_log,
            broker,
            frame_bytes=LIMITS.connection_bytes // 4,
            heartbeat_seconds=LIMITS.heartbeat_seconds,
            windows=WINDOWS,
        )
        yield World(event_log, broker, session_id, feeds)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(STEPS, max_size=25), ring_bytes=st.sampled_from([0, 900, 1024 * 1024]), watched=st.booleans())
async def test_in_any_order_each_client_has_the_log_in_order_and_texts_without_a_hole(
    database: Database, steps: list[tuple[Any, ...]], ring_bytes: int, watched: bool
) -> None:
    before = asyncio.all_tasks()
    session_id = await make_session(database)
    async with open_world(database, session_id, ring_bytes) as world:
        play = Play(world, watched=watched)
        for step in steps:
            await play.do(*step)
        await asyncio.gather(*play.writes)
        for client in world.clients:
            client.connection.room.set()
            if client.allowed and not client.left:
                await world.settle(client)
        log = {event.seq: json.loads(event.payload) for event in await world.event_log.read(session_id, after=0)}
        for client in world.clients:
            check(client, log)
            await client.leave()
        assert (len(world.feeds), world.broker.listening) == (0, 0)
    assert asyncio.all_tasks() == before


async def test_a_reply_that_speaks_before_the_retry_is_read_from_the_log_is_told(database: Database) -> None:
    session_id = await make_session(database)
    async with open_world(database, session_id, ring_bytes=0) as world:
        client = world.join(0, "all")
        await world.settle(client)
        world.say(0, "This broke")
        await world.settle(client)
        await world.withdraw(0)
        world.say(0, "This is another reply.")
        await world.settle(client)
        await client.leave()


def check(client: Client, log: dict[int, dict[str, Any]]) -> None:
    removed = [index for index, frame in enumerate(client.connection.received) if "removed" in frame]
    if removed:
        [at] = removed
        assert not client.connection.received[at + 1 :]
        seq = client.connection.received.pop()["removed"]
        assert all(number < seq for number in client.seqs())
    client.texts()
    events = [frame for frame in client.connection.received if "seq" in frame]
    assert events == [log[client.after + number] for number in range(1, len(events) + 1)]
    if client.allowed and not client.left:
        assert len(events) == len(log) - client.after
        assert not client.errors
