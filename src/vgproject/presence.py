"""Who follows which session just now. It is told to who follows it too, kept in this process only, and stored nowhere."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from starlette.websockets import WebSocketDisconnect

from vgproject.access.permissions import Caller
from vgproject.errors import ConflictError
from vgproject.schema import presence as p
from vgproject.utils.clock import Clock, to_wire, utc_now

INTERVAL_SECONDS = 0.25
"""Between two frames of one session; changes in between are told together."""
SECONDS_PER_CONNECTION = 0.005
"""A session that many follow is told of less often: each frame goes to all of them."""
TYPING_SECONDS = 6.0
"""Who does not say so again types no more."""
MAX_PEOPLE = 100
MAX_CLIENTS = 10
CLIENT_CHARACTERS = 60
ORDER: tuple[p.PresenceStatus, ...] = ("typing", "watching", "away")


class Way(Protocol):
    """The way out to one client, at its own pace."""

    async def send(self, frame: bytes) -> None:
        """Raises `WebSocketDisconnect`."""


@dataclass(eq=False)
class Attendance:
    """One connection in one session. What it is told is always the newest: nothing queues up for a slow one.

    Without a ``way`` it is not told.
    """

    caller: Callable[[], Caller]
    way: Way | None
    since: datetime
    status: p.PresenceStatus = "watching"
    falls_back: asyncio.TimerHandle | None = None
    told: bytes = b""
    news: bytes | None = None
    telling: asyncio.Task[None] | None = None

    def tell(self, frame: bytes) -> None:
        """Nothing, where it is what was told last."""
        if frame == self.told:
            return
        self.told = self.news = frame
        if self.way and (self.telling is None or self.telling.done()):
            self.telling = asyncio.create_task(self._tell(self.way), name="presence")

    async def _tell(self, way: Way) -> None:
        with suppress(WebSocketDisconnect):
            while frame := self.news:
                self.news = None
                await way.send(frame)

    def settle(self) -> None:
        if self.falls_back:
            self.falls_back.cancel()
            self.falls_back = None

    def end(self) -> None:
        self.settle()
        if self.telling:
            self.telling.cancel()


@dataclass(eq=False)
class Room:
    """The attendances of one session, by connection."""

    attendances: dict[str, Attendance] = field(default_factory=dict)
    told_at: float = 0.0
    telling: asyncio.TimerHandle | None = None


class Presence:
    def __init__(self, *, now: Clock = utc_now, typing_seconds: float = TYPING_SECONDS) -> None:
        self._now = now
        self._typing_seconds = typing_seconds
        self._rooms: dict[str, Room] = {}

    def come(
        self, session_id: str, connection_id: str, *, caller: Callable[[], Caller], way: Way | None
    ) -> Callable[[], None]:
        """The connection is in the session until what this returns is called, for the first time. It is told at once
        who is here; then all are of changes."""
        room = self._rooms.setdefault(session_id, Room())
        if before := room.attendances.get(connection_id):
            before.end()
        attendance = room.attendances[connection_id] = Attendance(caller, way, self._now())
        self._changed(session_id)
        attendance.tell(self._frame(session_id))

        def leave() -> None:
            attendance.end()
            if room.attendances.get(connection_id) is attendance:
                del room.attendances[connection_id]
                self._changed(session_id)

        return leave

    def set_status(self, session_id: str, connection_id: str, status: p.PresenceStatus) -> None:
        """Raises `ConflictError` (``not_subscribed``)."""
        attendance = self._rooms.get(session_id, Room()).attendances.get(connection_id)
        if attendance is None:
            raise ConflictError("Subscribe to the session first: then you are here.", code="not_subscribed")
        attendance.settle()
        if status == "typing":
            loop = asyncio.get_running_loop()
            attendance.falls_back = loop.call_later(
                self._typing_seconds, self._turn, session_id, attendance, "watching"
            )
        self._turn(session_id, attendance, status)

    def renamed(self, connection_id: str) -> None:
        """The connection's caller is another, or named otherwise."""
        for session_id, room in self._rooms.items():
            if connection_id in room.attendances:
                self._changed(session_id)

    def people(self, session_id: str) -> list[p.PersonHere]:
        """Who types first, then by name."""
        attendances: dict[str, list[Attendance]] = {}
        for attendance in self._rooms.get(session_id, Room()).attendances.values():
            attendances.setdefault(attendance.caller().user_id, []).append(attendance)
        people = [_person(user, theirs) for user, theirs in attendances.items()]
        return sorted(people, key=lambda person: (person.status != "typing", person.user))

    def _turn(self, session_id: str, attendance: Attendance, status: p.PresenceStatus) -> None:
        if attendance.status != status:
            attendance.status, attendance.since = status, self._now()
            self._changed(session_id)

    def _changed(self, session_id: str) -> None:
        room = self._rooms[session_id]
        if not room.attendances:
            if room.telling:
                room.telling.cancel()
            del self._rooms[session_id]
        elif room.telling is None:
            loop = asyncio.get_running_loop()
            interval = max(INTERVAL_SECONDS, SECONDS_PER_CONNECTION * len(room.attendances))
            room.telling = loop.call_at(max(loop.time(), room.told_at + interval), self._tell, session_id, room)

    def _tell(self, session_id: str, room: Room) -> None:
        room.telling, room.told_at = None, asyncio.get_running_loop().time()
        frame = self._frame(session_id)
        for attendance in room.attendances.values():
            attendance.tell(frame)

    def _frame(self, session_id: str) -> bytes:
        people = self.people(session_id)
        named, more = people[:MAX_PEOPLE], len(people[MAX_PEOPLE:])
        return p.Presence(type="presence", session_id=session_id, people=named, more=more).model_dump_json().encode()


def _person(user: str, attendances: list[Attendance]) -> p.PersonHere:
    status = min((attendance.status for attendance in attendances), key=ORDER.index)
    names = sorted({name[:CLIENT_CHARACTERS] for attendance in attendances if (name := attendance.caller().client)})
    return p.PersonHere(
        user=user,
        status=status,
        since=to_wire(min(attendance.since for attendance in attendances if attendance.status == status)),
        connections=len(attendances),
        clients=names[:MAX_CLIENTS],
    )
