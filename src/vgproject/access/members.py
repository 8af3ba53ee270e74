"""The members of a session, and what a caller may do in one. Who is no member does not learn that it is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vgproject.access.permissions import (
    COMMANDS,
    DECIDE,
    MANAGE,
    ROLES,
    Caller,
    Need,
    expect_role,
    may,
    role_of,
    weakens,
)
from vgproject.errors import CommandError, ConflictError, ForbiddenError
from vgproject.models.tables import MemberRow
from vgproject.repositories.event_store import no_such_session
from vgproject.repositories.unit_of_work import Database, UnitOfWork
from vgproject.schema import commands as c
from vgproject.schema.access import EVERYBODY, Role
from vgproject.schema.events import MemberJoined, MemberLeft, RoleChanged
from vgproject.schema.settings import SessionSettings

MemberCommand = c.AddMember | c.RemoveMember | c.SetRole
MemberChange = MemberJoined | MemberLeft | RoleChanged
ACCESS_EVENTS = frozenset({MemberLeft.type, RoleChanged.type})
"""After these somebody may see less than before."""


class Members:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.changes = asyncio.Lock()
        """Held while members change, or what depends on who is one."""

    async def allow(self, command: c.AnyCommand, caller: Caller) -> None:
        """Raises `ForbiddenError`, and `NotFoundError` (``no_such_session``) as for a session that is not there."""
        need = _leave_or(COMMANDS[command.type], command, caller)
        if need.place == "server" or (need.place == "either" and command.session_id is None):
            expect_role(caller, need.role)
        elif need.place != "open":
            if command.session_id is None:
                raise CommandError(f"The command {command.type!r} needs a session_id.")
            if caller.role != "owner":  # Who may do all need not be looked up; the command finds its session itself.
                await self.expect(command.session_id, caller, need)

    async def expect(self, session_id: str, caller: Caller, need: Need) -> None:
        """Raises `ForbiddenError`, and `NotFoundError` (``no_such_session``)."""
        async with self._database.unit_of_work() as work:
            await self.expect_within(work, session_id, caller, need)

    async def expect_within(self, work: UnitOfWork, session_id: str, caller: Caller, need: Need) -> None:
        """As `expect`, in a transaction that is open already."""
        role = await self._role(work, session_id, caller)
        if need.is_met(role, caller):
            return
        if may(role, need.role):
            expect_role(caller, need.token or need.role)
        raise ForbiddenError(
            f"This needs the role {need.role!r} in the session, and {caller.user_id!r} has the role {role!r}."
        )

    async def manages(self, work: UnitOfWork, session_id: str, caller: Caller) -> bool:
        """Whether the caller is an owner of the session. Raises `NotFoundError` (``no_such_session``)."""
        return MANAGE.is_met(await self._role(work, session_id, caller), caller)

    async def _role(self, work: UnitOfWork, session_id: str, caller: Caller) -> Role:
        """That in the session; the caller's token may allow less."""
        if caller.role == "owner":
            await work.sessions.get(session_id)
            return "owner"
        rows = await work.members.list_for(session_id, caller.user_id)
        if not rows:
            raise no_such_session(session_id)
        return max((role_of(row.role) if row.role else caller.role for row in rows), key=ROLES.index)

    async def allow_settings(
        self, wished: SessionSettings, present: SessionSettings, caller: Caller, session_id: str | None
    ) -> None:
        """Raises `ForbiddenError` where people would be asked less than now, for who may not answer for them."""
        if not weakens(wished, present):
            return
        if session_id is None:
            expect_role(caller, DECIDE.role)
        else:
            await self.expect(session_id, caller, DECIDE)

    @asynccontextmanager
    async def changing(self, command: MemberCommand) -> AsyncIterator[MemberChange]:
        """What is to be stored before this ends: no other change comes in between. Raises `ConflictError`."""
        assert command.session_id
        async with self.changes:
            async with self._database.unit_of_work() as work:
                members = await work.members.list_of(command.session_id)
            yield _change(command, {row.user_id: row for row in members})


def _leave_or(need: Need, command: c.AnyCommand, caller: Caller) -> Need:
    """Whoever is a member may leave."""
    leaves = isinstance(command, c.RemoveMember) and command.user == caller.user_id
    return Need("session", "viewer") if leaves else need


def _change(command: MemberCommand, members: dict[str, MemberRow]) -> MemberChange:
    user = command.user
    if isinstance(command, c.AddMember):
        if user in members:
            raise ConflictError(f"{user!r} is a member already: change the role.", code="already_member")
        _check_everybody(user, command.role)
        return MemberJoined(user=user, role=command.role)
    if user not in members:
        raise ConflictError(f"{user!r} is no member of the session.", code="not_a_member")
    owners = {name for name, row in members.items() if row.role == "owner"}
    stays_owner = isinstance(command, c.SetRole) and command.role == "owner"
    if owners == {user} and not stays_owner:
        raise ConflictError("The session's last owner stays: make somebody else an owner first.", code="last_owner")
    if isinstance(command, c.RemoveMember):
        return MemberLeft(user=user)
    _check_everybody(user, command.role)
    return RoleChanged(user=user, role=command.role)


def _check_everybody(user: str, role: Role | None) -> None:
    if user == EVERYBODY and role == "owner":
        raise CommandError("Not everybody can be the session's owner.")
