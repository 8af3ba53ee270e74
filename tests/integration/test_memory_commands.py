"""Memory as its clients see it: commands, what is followed over a WebSocket, and HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection
from websockets.asyncio.client import ClientConnection, connect

from live_server import (
    HEADERS,
    TOKEN,
    figure,
    frames,
    open_websocket,
    receive,
    running_server,
    send,
    served,
    slow_socket,
)
from sample import make_project, script, write_script
from vgproject.access.permissions import Caller
from vgproject.bootstrap import open_services
from vgproject.broker.in_process import InProcessBroker
from vgproject.config import load_config
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.namespaces import of_project
from vgproject.knowledge.notes import Note
from vgproject.problems import answer_with_problems
from vgproject.repositories.database_url import sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.routes.memory import router
from vgproject.schema.base import Actor
from vgproject.schema.memory import MemoryOrigin
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id
from vgproject.websocket_manager import WebSocketManager

Frame = dict[str, Any]
CHANGES = ("memory_added", "memory_updated", "memory_forgotten")
TYPES = {"added": CHANGES[0], "superseded": CHANGES[2], "forgotten": CHANGES[2]}


async def ask(websocket: ClientConnection, heard: list[Frame] | None = None, /, **command: Any) -> Frame:
    """The answer's data; other frames that come before it go to ``heard``."""
    await send(websocket, id=new_id("cmd"), **command)
    *others, answer = await receive(websocket, "ack", "error")
    if heard is not None:
        heard += others
    data: Frame = answer["data"]
    return data


async def changes(websocket: ClientConnection, count: int) -> list[Frame]:
    found: list[Frame] = []
    async for frame in frames(websocket):
        found += [frame] if frame["type"] in CHANGES else []
        if len(found) == count:
            return found
    raise AssertionError(f"closed after {len(found)} changes")


async def change_log(http: httpx.AsyncClient, **where: str) -> list[Frame]:
    """What is stored of all entries, in order."""
    query: dict[str, Any] = {**where, "status": ["active", "superseded", "forgotten"], "limit": 1000}
    entries = (await http.get("/v1/memory", params=query)).json()
    log = [change for entry in entries for change in await history(http, entry["memory_id"])]
    return sorted(log, key=lambda change: int(change["memory_seq"]))


async def history(http: httpx.AsyncClient, memory_id: str) -> list[Frame]:
    found: list[Frame] = (await http.get(f"/v1/memory/{memory_id}/history")).json()
    return found


def as_change(frame: Frame) -> Frame:
    """The stored change that ``frame`` tells of."""
    assert frame["type"] == TYPES.get(frame["change"], CHANGES[1])
    assert frame["version"] == frame["entry"]["version"]
    return {name: frame[name] for name in frame if name not in ("type", "epoch", "project", "scope", "version")}


async def test_what_one_client_does_another_sees_in_order(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path) as url,
        open_websocket(url) as editor,
        open_websocket(url) as watcher,
        httpx.AsyncClient(base_url=url, headers=HEADERS) as http,
    ):
        await send(watcher, type="subscribe_memory", id="s")
        opened = await receive(watcher, "memory_snapshot")
        place = {"path": "calc.py", "start_line": 1, "end_line": 2}
        words = {"content": "The server listens on port 80.", "tags": ["net"], "confidence": "certain", "place": place}
        first = await ask(editor, type="remember", **words)
        edited = await ask(
            editor, type="update_memory", memory_id=first["memory_id"], version=1, tags=["net", "http"], kind="decision"
        )
        stale = await ask(editor, type="update_memory", memory_id=first["memory_id"], version=1, content="No.")
        empty = await ask(editor, type="update_memory", memory_id=first["memory_id"], version=2)
        second = await ask(editor, type="remember", kind="decision", content="The server listens on port 8080.")
        [conflict] = (await http.get("/v1/memory/conflicts")).json()
        settled = await ask(
            editor, type="settle_memory", conflict_id=conflict["conflict_id"], settlement="keep_second", reason="Newer."
        )
        again = await ask(editor, type="settle_memory", conflict_id=conflict["conflict_id"], settlement="keep_both")
        third = await ask(editor, type="remember", content="Use port 1.", replaces=[second["memory_id"]])
        await ask(editor, type="forget", memory_id=third["memory_id"], reason="A joke.")
        gone = await ask(editor, type="update_memory", memory_id=third["memory_id"], version=2, content="No.")
        back = await ask(editor, type="restore_memory", memory_id=first["memory_id"], to_version=1)
        seen = await changes(watcher, 11)
        log = await change_log(http)

    assert [frame["type"] for frame in opened] == ["welcome", "subscribed_memory", "memory_snapshot"]
    assert opened[1]["recovered"] is True
    assert (opened[2]["entries"], opened[2]["more"], opened[2]["memory_seq"]) == ([], False, 0)
    assert {name: first[name] for name in words} == {**words, "place": {**place, "sha256": None}}
    assert (first["source"], first["origin"]["actor"]) == ("user", "owner")
    assert (edited["tags"], edited["kind"], edited["content"]) == (["net", "http"], "decision", words["content"])
    assert (stale["code"], stale["details"]["current"]) == ("conflict", edited)
    assert empty["code"] == "invalid_command"
    assert (settled["status"], again["code"], gone["code"]) == ("settled", "already_resolved", "no_such_memory")
    assert (back["status"], back["kind"], back["tags"]) == ("active", "key_fact", ["net"])
    assert [as_change(frame) for frame in seen] == log
    assert [frame["change"] for frame in seen] == [
        "added",
        "updated",
        "added",
        "conflicting",
        "conflicting",
        "superseded",
        "settled",
        "superseded",
        "added",
        "forgotten",
        "restored",
    ]
    assert [frame["reason"] for frame in seen[5:7]] == ["Newer.", "Newer."]
    assert {frame["epoch"] for frame in seen} == {opened[1]["epoch"]}
    assert {frame["project"] for frame in seen} == {str((tmp_path / "project").resolve())}


@dataclass
class Follower:
    """A client that keeps what it is told, and comes back with its cursor after every loss of the connection."""

    url: str
    project: str
    seq: int = 0
    epoch: str | None = None
    state: dict[str, Frame] = field(default_factory=dict)
    told: list[Frame] = field(default_factory=list)
    began: int = 0

    async def follow(self, until: int) -> None:
        """Up to the change with this number, then the connection is lost."""
        cursor = {"after": self.seq, "epoch": self.epoch} if self.epoch else {}
        async with open_websocket(self.url) as websocket:
            await send(websocket, type="subscribe_memory", project=self.project, **cursor)
            async for frame in frames(websocket):
                self._take(frame)
                if self.epoch and not self._more and self.seq >= until:
                    websocket.transport.abort()
                    return

    _more = True

    def _take(self, frame: Frame) -> None:
        if frame["type"] == "subscribed_memory":
            assert frame["recovered"]
            self._more = self.seq == 0
        elif frame["type"] == "memory_snapshot":
            self._more = frame["more"]
            self.state |= {entry["memory_id"]: entry for entry in frame["entries"]}
            self.seq, self.epoch, self.began = frame["memory_seq"], frame["epoch"], frame["memory_seq"]
            self.told.clear()
        elif frame["type"] in CHANGES:
            self.told.append(frame)
            self.seq = frame["memory_seq"]
            self.state[frame["entry"]["memory_id"]] = frame["entry"]
            if frame["type"] == "memory_forgotten":
                del self.state[frame["entry"]["memory_id"]]


async def act(websocket: ClientConnection, project: str, actions: list[tuple[str, int]]) -> None:
    """What does not fit the entry's state is refused, and changes nothing."""
    ids: list[str] = []
    for number, (action, which) in enumerate(actions):
        memory_id = ids[which % len(ids)] if ids else "none"
        match action:
            case "remember":
                replaces = [memory_id] if ids and which % 3 == 0 else []
                content = f"{number} was done"
                answer = await ask(
                    websocket, type=action, project=project, kind="work_log", content=content, replaces=replaces
                )
                ids.append(answer["memory_id"])
            case "update_memory":
                await ask(websocket, type=action, memory_id=memory_id, version=which, tags=[f"t{number}"])
            case _:
                await ask(websocket, type=action, memory_id=memory_id)


ACTIONS = st.sampled_from(["remember", "remember", "update_memory", "forget", "restore_memory"])


async def test_however_often_it_is_cut_a_follower_gets_exactly_the_changes(tmp_path: Path) -> None:
    examples: list[tuple[list[tuple[str, int]], list[tuple[str, int]], set[int]]] = []
    actions = st.lists(st.tuples(ACTIONS, st.integers(1, 5)), min_size=1, max_size=12)

    @settings(max_examples=20, suppress_health_check=list(HealthCheck), database=None)
    @given(actions, actions, st.sets(st.integers(0, 20), max_size=5))
    def collect(before: list[tuple[str, int]], meanwhile: list[tuple[str, int]], cuts: set[int]) -> None:
        examples.append((before, meanwhile, cuts))

    collect()
    limits = {"command_burst": 10_000, "connections_per_user": 1000}
    async with (
        running_server(tmp_path, limits=limits) as url,
        open_websocket(url) as editor,
        httpx.AsyncClient(base_url=url, headers=HEADERS) as http,
    ):
        for number, (before, meanwhile, cuts) in enumerate(examples):
            project = str(tmp_path / f"p{number}")
            await act(editor, project, before)
            follower = Follower(url, project)
            acting = asyncio.create_task(act(editor, project, meanwhile))
            head = len(await change_log(http, project=project))
            for cut in sorted(cut for cut in cuts if cut <= head):
                await follower.follow(cut)
            await acting
            log = await change_log(http, project=project)
            await follower.follow(len(log))
            known = (await http.get("/v1/memory", params={"project": project, "limit": 1000})).json()

            assert [change["memory_seq"] for change in log] == list(range(1, len(log) + 1))
            assert [as_change(frame) for frame in follower.told] == log[follower.began :]
            assert sorted(follower.state.values(), key=lambda entry: str(entry["memory_id"])) == sorted(
                known, key=lambda entry: str(entry["memory_id"])
            )


@pytest.mark.parametrize("cursor", [{"after": 10_000}, {"after": 1, "epoch": "another"}])
async def test_a_cursor_that_cannot_be_used_is_answered_with_the_state(tmp_path: Path, cursor: Frame) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        entry = await ask(websocket, type="remember", content="Water is wet.")
        await send(websocket, type="subscribe_memory", **cursor)
        subscribed, snapshot = await receive(websocket, "memory_snapshot")
    assert (subscribed["type"], subscribed["recovered"], subscribed["memory_seq"]) == ("subscribed_memory", False, 1)
    assert snapshot["entries"] == [entry]


async def test_a_memory_is_followed_once_however_often_it_is_asked_for_until_it_is_not(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        session_id = (await ask(websocket, type="create_session"))["session_id"]
        await send(websocket, type="subscribe_memory")
        await send(websocket, type="subscribe_memory", session_id=session_id)
        await send(websocket, type="remember", content="Water is wet.", id="r")
        await send(websocket, type="ping")
        received = await receive(websocket, "pong")
        while [frame["type"] for frame in received].count("memory_added") == 0:
            received += await receive(websocket, "memory_added")
        await send(websocket, type="unsubscribe_memory", id="u")
        await receive(websocket, "ack")
        await send(websocket, type="remember", content="Fire is hot.", id="f")
        await send(websocket, type="ping")
        rest = await receive(websocket, "pong")
    kinds = [frame["type"] for frame in received]
    assert (kinds.count("subscribed_memory"), kinds.count("memory_added")) == (2, 1)
    assert [frame["type"] for frame in rest] == ["ack", "pong"]


async def test_a_large_state_comes_in_pages_and_a_slow_client_misses_nothing(tmp_path: Path) -> None:
    limits = {"connection_bytes": 256 * 1024, "command_burst": 1000}
    async with (
        running_server(tmp_path, limits=limits) as url,
        open_websocket(url) as editor,
        httpx.AsyncClient(base_url=url, headers=HEADERS) as http,
    ):
        for number in range(100):
            entry = await ask(editor, type="remember", kind="work_log", content=f"{number} ".ljust(7_000, "x"))
        async with open_websocket(url, sock=slow_socket(url), max_queue=1, compression=None) as slow:
            await send(slow, type="subscribe_memory")
            while await figure(http, "vgproject_unsent_bytes") < 16 * 1024:  # noqa: ASYNC110  (nobody tells of it)
                await asyncio.sleep(0)
            for number in range(100, 160):
                await ask(editor, type="remember", kind="work_log", content=f"{number} ".ljust(7_000, "x"))
            await ask(editor, type="forget", memory_id=entry["memory_id"])
            assert await figure(http, "vgproject_unsent_bytes") <= 256 * 1024
            pages: list[tuple[int, Frame]] = []
            seqs: list[int] = []
            while len(seqs) < 61:
                message = await slow.recv()
                received = json.loads(message)
                for frame in received if isinstance(received, list) else [received]:
                    pages += [(len(message), frame)] if frame["type"] == "memory_snapshot" else []
                    seqs += [frame["memory_seq"]] if frame["type"] in CHANGES else []
                assert len(message) <= 65 * 1024
    told = [entry["content"].split()[0] for _, page in pages for entry in page["entries"]]
    assert told == [str(number) for number in range(100)]
    assert [page["more"] for _, page in pages] == [True] * (len(pages) - 1) + [False]
    assert {page["memory_seq"] for _, page in pages} == {100}
    assert seqs == list(range(101, 162))


async def test_changes_of_another_process_are_found_too(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, limits={"heartbeat_seconds": 0.1}) as url,
        open_websocket(url) as websocket,
    ):
        await send(websocket, type="subscribe_memory")
        await receive(websocket, "memory_snapshot")
        database = Database(sqlite_file(tmp_path / "home" / "vgproject.db"))
        memory = Memory(database, InProcessBroker(), now=utc_now, new_id=new_id)
        project = of_project(str((tmp_path / "project").resolve()))
        actor = Actor(kind="agent", id="research")
        entry, _ = await memory.add(
            project, Note(content="Water is wet."), MemoryOrigin(actor="research", phase="research"), actor=actor
        )
        [seen] = await changes(websocket, 1)
        await database.close()
    assert seen["entry"] == entry.model_dump()
    assert seen["actor"] == {"kind": "agent", "id": "research"}


class TwoUsers:
    """Whoever has a user's name as token is that user."""

    async def identify(self, connection: HTTPConnection) -> Caller:
        return Caller(connection.headers["authorization"].removeprefix("Bearer "), "owner")


@asynccontextmanager
async def for_users(tmp_path: Path) -> AsyncIterator[str]:
    options = {
        "home": tmp_path / "home",
        "project": make_project(tmp_path / "project"),
        "token": TOKEN,
        "memory": {"embeddings": "none"},
    }
    loaded = load_config({**options, "model": write_script(tmp_path, script())}, {"PATH": "/usr/bin:/bin"})
    app = FastAPI()
    async with open_services(loaded) as services:
        app.state.services, app.state.authenticator = services, TwoUsers()
        app.include_router(router)
        answer_with_problems(app)
        manager = WebSocketManager(services, TwoUsers())  # type: ignore[arg-type]
        app.add_api_websocket_route("/v1/ws", manager.serve)
        async with served(app, ws="websockets-sansio") as url:
            yield url


def signed_in(url: str, user: str) -> connect:
    return connect(url.replace("http", "ws") + "/v1/ws", additional_headers=_token(user))


def _token(user: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {user}"}


async def test_a_users_own_memory_is_not_there_for_others(tmp_path: Path) -> None:
    async with (
        for_users(tmp_path) as url,
        signed_in(url, "ann") as ann,
        signed_in(url, "ann") as watcher,
        signed_in(url, "bob") as bob,
        httpx.AsyncClient(base_url=url, headers=_token("bob")) as http,
    ):
        for user in (watcher, bob):
            await send(user, type="subscribe_memory", scope="user")
            await receive(user, "memory_snapshot")
        first = await ask(ann, type="remember", scope="user", content="My editor is at port 80.")
        await ask(ann, type="remember", scope="user", content="My editor is at port 8080.")
        found = await http.get("/v1/memory/conflicts", params={"scope": "user"})
        async with httpx.AsyncClient(base_url=url, headers=_token("ann")) as of_ann:
            [conflict] = (await of_ann.get("/v1/memory/conflicts", params={"scope": "user"})).json()
            mine = (await of_ann.get("/v1/memory/search", params={"scope": "user", "q": "editor"})).json()
        memory_id, conflict_id = first["memory_id"], conflict["conflict_id"]
        heard: list[Frame] = []
        refused = [
            await ask(bob, heard, type="update_memory", memory_id=memory_id, version=1, content="Mine."),
            await ask(bob, heard, type="forget", memory_id=memory_id),
            await ask(bob, heard, type="restore_memory", memory_id=memory_id),
            await ask(bob, heard, type="remember", scope="user", content="Mine.", replaces=[memory_id]),
            await ask(bob, heard, type="settle_memory", conflict_id=conflict_id, settlement="keep_first"),
            (await http.get(f"/v1/memory/{memory_id}")).json(),
            (await http.get(f"/v1/memory/{memory_id}/history")).json(),
            (await http.get("/v1/memory", params={"after": memory_id})).json(),
            (await http.delete(f"/v1/memory/{memory_id}")).json(),
        ]
        listed = [
            (await http.get(path, params={"scope": "user", "q": "editor"})).json()
            for path in ("/v1/memory", "/v1/memory/search")
        ]
        told = await changes(watcher, 2)
        await send(bob, type="ping")
        heard += await receive(bob, "pong")

    assert (found.json(), listed) == ([], [[], []])
    assert [refusal["code"] for refusal in refused] == [
        *["no_such_memory"] * 4,
        "no_such_conflict",
        *["no_such_memory"] * 4,
    ]
    assert len(mine) == 2
    assert [(frame["scope"], frame["project"], frame["entry"]["user"]) for frame in told] == [("user", "", "ann")] * 2
    assert [frame["type"] for frame in heard] == ["pong"]


async def test_http_shows_memory_in_pages_and_what_was_is_undone(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as http:
        for number in range(5):
            body = {"kind": "work_log", "content": f"Number {number}", "tags": ["odd" if number % 2 else "even"]}
            assert (await http.post("/v1/memory", json=body)).status_code == 201
        await http.post("/v1/memory", json={"content": "Numbers are counted."})
        pages, following = [], "/v1/memory?limit=2&kind=work_log"
        while following:
            page = await http.get(following)
            pages.append([entry["content"] for entry in page.json()])
            following = page.links.get("next", {}).get("url", "")
        odd = (await http.get("/v1/memory", params={"tag": "odd"})).json()
        found = (await http.get("/v1/memory/search", params={"q": "numbers", "kind": "key_fact"})).json()
        path = f"/v1/memory/{odd[0]['memory_id']}"
        await http.patch(path, json={"version": 1, "content": "Number one"})
        stale = await http.patch(path, json={"version": 1, "confidence": "unsure"})
        nothing = await http.patch(path, json={"version": 2})
        await http.delete(path, params={"reason": "Not needed"})
        gone = (await http.get("/v1/memory", params={"tag": "odd"})).json()
        forgotten = (await http.get("/v1/memory", params={"status": "forgotten"})).json()
        restored = (await http.post(f"{path}/restore", json={"to_version": 1})).json()
        again = (await http.post(f"{path}/restore")).json()
        never = await http.post(f"{path}/restore", json={"to_version": 9})
        told = await history(http, odd[0]["memory_id"])
        too_long = await http.post("/v1/memory", json={"content": "x" * 8001})

    assert pages == [["Number 0", "Number 1"], ["Number 2", "Number 3"], ["Number 4"]]
    assert [entry["content"] for entry in odd] == ["Number 1", "Number 3"]
    assert [entry["content"] for entry in found] == ["Numbers are counted."]
    assert (stale.status_code, stale.json()["code"]) == (409, "conflict")
    assert stale.json()["details"]["current"]["content"] == "Number one"
    assert (nothing.status_code, too_long.status_code) == (422, 422)
    assert [entry["content"] for entry in gone] == ["Number 3"]
    assert [entry["memory_id"] for entry in forgotten] == [odd[0]["memory_id"]]
    assert (restored["content"], restored["status"], restored["version"]) == ("Number 1", "active", 4)
    assert again == restored
    assert (never.status_code, never.json()["code"]) == (404, "no_such_version")
    assert [(change["change"], change["entry"]["version"], change["reason"]) for change in told] == [
        ("added", 1, None),
        ("updated", 2, None),
        ("forgotten", 3, "Not needed"),
        ("restored", 4, None),
    ]


async def test_a_conflict_is_settled_over_http(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as http:
        for port in (80, 8080):
            await http.post("/v1/memory", json={"content": f"The server listens on port {port}."})
        [conflict] = (await http.get("/v1/memory/conflicts")).json()
        path = f"/v1/memory/conflicts/{conflict['conflict_id']}"
        without = await http.post(path, json={"settlement": "rewrite"})
        settled = await http.post(path, json={"settlement": "rewrite", "content": "The port is any free one."})
        again = await http.post(path, json={"settlement": "keep_first"})
        open_ones = (await http.get("/v1/memory/conflicts")).json()
        all_of_them = (await http.get("/v1/memory/conflicts", params={"settled": True})).json()
        known = (await http.get("/v1/memory")).json()
    assert (without.status_code, without.json()["code"]) == (400, "invalid_request")
    assert settled.json()["settlement"] == "rewrite"
    assert (again.status_code, again.json()["code"]) == (409, "already_resolved")
    assert (open_ones, all_of_them) == ([], [settled.json()])
    assert [entry["content"] for entry in known] == ["The port is any free one."]
