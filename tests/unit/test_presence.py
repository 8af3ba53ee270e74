"""Who is here, apart from any server: the ways out to clients are ours."""

import asyncio
import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.websockets import WebSocketDisconnect

from vgproject.access.permissions import Caller
from vgproject.errors import ConflictError
from vgproject.presence import INTERVAL_SECONDS, MAX_PEOPLE, Presence
from vgproject.schema.presence import PresenceStatus


class Client:
    """Takes each frame at once; ``gone``: not at all; ``stuck``: never comes to the end of one."""

    def __init__(self, user: str = "ada", client: str = "", *, gone: bool = False, stuck: bool = False) -> None:
        self.caller = Caller(user, "editor", client=client)
        self.gone, self.stuck, self.held = gone, stuck, 0
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def send(self, frame: bytes) -> None:
        if self.gone:
            raise WebSocketDisconnect(1006)
        self.frames.put_nowait(json.loads(frame))
        if self.stuck:
            self.held += 1
            await asyncio.Event().wait()

    async def told(self, *statuses: tuple[str, str, int]) -> None:
        """Wait until it is told of exactly these people: user, status, connections."""
        async with asyncio.timeout(5):
            while seen(await self.frames.get()) != list(statuses):
                pass


def seen(frame: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(person["user"], person["status"], person["connections"]) for person in frame["people"]]


def enter(stack: ExitStack, presence: Presence, client: Client, session_id: str = "s") -> str:
    connection_id = f"con {id(client)}"
    stack.callback(presence.come(session_id, connection_id, caller=lambda: client.caller, way=client))
    return connection_id


async def test_who_comes_is_told_first_who_is_here_and_one_person_counts_once() -> None:
    presence, first = Presence(), Client("bob", "page")
    with ExitStack() as stack:
        enter(stack, presence, first)
        assert seen(await first.frames.get()) == [("bob", "watching", 1)]
        for client in (Client("ada", "page"), Client("ada", "cli"), newest := Client("ada", "page")):
            enter(stack, presence, client)
        [ada, bob] = (await newest.frames.get())["people"]
        assert (ada["connections"], ada["clients"], bob["clients"]) == (3, ["cli", "page"], ["page"])
        assert ada["since"] >= bob["since"]
        await first.told(("ada", "watching", 3), ("bob", "watching", 1))


async def test_who_types_comes_first_until_it_is_said_no_more() -> None:
    presence, ada, bob = Presence(typing_seconds=0.05), Client("ada"), Client("bob")
    with ExitStack() as stack:
        enter(stack, presence, ada)
        connection_id = enter(stack, presence, bob)
        presence.set_status("s", connection_id, "typing")
        await ada.told(("bob", "typing", 1), ("ada", "watching", 1))
        await ada.told(("ada", "watching", 1), ("bob", "watching", 1))
        presence.set_status("s", connection_id, "away")
        await ada.told(("ada", "watching", 1), ("bob", "away", 1))
    with pytest.raises(ConflictError, match="Subscribe"):
        presence.set_status("s", connection_id, "away")


async def test_changes_at_once_are_told_together_and_a_stuck_client_holds_up_nobody() -> None:
    presence, stuck, ada = Presence(), Client("stuck"), Client("ada")
    with ExitStack() as stack:
        enter(stack, presence, stuck)
        connection_id = enter(stack, presence, ada)
        await asyncio.gather(stuck.frames.get(), ada.frames.get())
        stuck.stuck = True
        began = asyncio.get_running_loop().time()
        for _ in range(50):
            for status in ("away", "watching", "typing"):
                presence.set_status("s", connection_id, status)
        await ada.told(("ada", "typing", 1), ("stuck", "watching", 1))
        others: tuple[PresenceStatus, ...] = ("away", "watching")
        for status in others:
            presence.set_status("s", connection_id, status)
            await ada.told(("ada", status, 1), ("stuck", "watching", 1))
        assert asyncio.get_running_loop().time() - began >= 2 * INTERVAL_SECONDS
        assert ada.frames.empty()
        assert stuck.held == 1


async def test_of_very_many_people_only_the_first_are_named() -> None:
    presence, last = Presence(), Client("zoe")
    with ExitStack() as stack:
        for number in range(MAX_PEOPLE):
            enter(stack, presence, Client(f"user{number:03}"))
        presence.set_status("s", enter(stack, presence, last), "typing")
        while (frame := await last.frames.get())["people"][0]["user"] != "zoe":
            pass
        assert (len(frame["people"]), frame["more"]) == (MAX_PEOPLE, 1)


steps = st.lists(
    st.tuples(
        st.sampled_from(["come", "go", "break", "typing", "away"]),
        st.integers(0, 3),
        st.sampled_from(["s1", "s2"]),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(steps)
def test_whoever_comes_and_goes_in_whatever_order_is_here_exactly_meanwhile(
    steps: list[tuple[str, int, str]],
) -> None:
    async def run() -> None:
        presence = Presence()
        clients = [Client(f"user{number % 2}", gone=number == 3) for number in range(4)]
        visits: dict[tuple[int, str], Callable[[], None]] = {}
        for what, number, session_id in steps:
            await _step(presence, clients[number], what, visits, (number, session_id))
            for session in ("s1", "s2"):
                expected = [key for key in visits if key[1] == session]
                assert sum(person.connections for person in presence.people(session)) == len(expected)
        for leave in visits.values():
            leave()
            leave()
        await asyncio.sleep(0)
        assert presence.people("s1") == presence.people("s2") == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


async def _step(
    presence: Presence,
    client: Client,
    what: str,
    visits: dict[tuple[int, str], Callable[[], None]],
    key: tuple[int, str],
) -> None:
    if what == "come":
        visits[key] = presence.come(key[1], str(key), caller=lambda: client.caller, way=client)
    elif what == "go" and key in visits:
        visits.pop(key)()
    elif what == "break":
        client.gone = True
    elif what in ("typing", "away") and key in visits:
        presence.set_status(key[1], str(key), what)  # type: ignore[arg-type]
    await asyncio.sleep(0)
