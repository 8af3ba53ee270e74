"""Who steers a session: while somebody holds control, only this user and the session's owners do; else all editors."""

from collections.abc import Sequence

from vgproject.access.admission import Ack, Admission, say
from vgproject.access.members import MemberChange, Members
from vgproject.access.permissions import EDIT, Caller, may, role_of
from vgproject.errors import ConflictError, ForbiddenError
from vgproject.event_log import EventLog, NewEvent
from vgproject.models.tables import MemberRow
from vgproject.repositories.event_store import Holders, refused_by
from vgproject.repositories.unit_of_work import Database
from vgproject.schema import commands as c
from vgproject.schema.access import EVERYBODY, Role
from vgproject.schema.events import ControlChanged, ControlRequested, MemberJoined, MemberLeft

STEERING = frozenset({"task", "message", "cancel", "pause", "resume", "retry", "rewind", "update_settings"})
"""Commands that are for who holds control. Approvals and answers are not: they stay with whoever may give them."""
ControlCommand = c.RequestControl | c.HandOver | c.ReleaseControl


class Control:
    """Changes of who holds control come one after the other, and none while members change.

    What another server process does at the same moment is answered as what it is by then: ``control_held``.
    """

    def __init__(self, database: Database, members: Members, event_log: EventLog) -> None:
        self._database = database
        self._members = members
        self._event_log = event_log

    async def expect(self, command: c.AnyCommand, caller: Caller) -> Holders:
        """Who may hold control for the command to be carried out. Raises `ConflictError` (``control_held``)."""
        if command.type not in STEERING or command.session_id is None or caller.role == "owner":
            return None
        async with self._database.unit_of_work() as work:
            if await self._members.manages(work, command.session_id, caller):
                return None
            holder = (await work.sessions.get(command.session_id)).holder
        allowed = (None, caller.user_id)
        if holder not in allowed:
            raise refused_by(holder)
        return allowed

    async def execute(self, command: ControlCommand, admission: Admission) -> Ack:
        """Raises `ConflictError` (``control_held``, ``not_in_control``, ``not_a_member``) and `ForbiddenError`."""
        assert command.session_id
        async with self._members.changes:
            async with self._database.unit_of_work() as work:
                holder = (await work.sessions.get(command.session_id)).holder
                is_owner = await self._members.manages(work, command.session_id, admission.caller)
                user = command.user if isinstance(command, c.HandOver) else admission.caller.user_id
                members = await work.members.list_for(command.session_id, user)
            change = _change(command, admission.caller, holder, is_owner=is_owner, members=members)
            answer = {"holder": change.holder}
            event = admission.event(change, answer)
            [stored] = await self._event_log.append(command.session_id, [event], holders=(holder,))
        if not stored.inserted:
            raise ConflictError("This command was taken already.", code="duplicate_command")
        return answer

    async def change_member(self, session_id: str, change: MemberChange, admission: Admission, answer: Ack) -> None:
        """Store the change, and that control ends where its holder may not steer any more."""
        async with self._database.unit_of_work() as work:
            holder = (await work.sessions.get(session_id)).holder
            members = await work.members.list_for(session_id, holder) if holder else ()
        then: list[NewEvent] = []
        if holder and _loses(holder, change, members):
            key = f"command/{admission.scope}/control" if admission.scope else None
            then.append(admission.event(ControlChanged(holder=None), key=key))
        await say(self._event_log, session_id, change, admission, answer, then=then)


def _change(
    command: ControlCommand, caller: Caller, holder: str | None, *, is_owner: bool, members: Sequence[MemberRow]
) -> ControlChanged | ControlRequested:
    """``members`` are the memberships by which who is to hold control is in the session."""
    mine = caller.user_id
    if isinstance(command, c.RequestControl):
        if holder == mine:
            raise ConflictError("You hold control already.", code="control_held", holder=mine)
        return ControlRequested(user=mine, holder=holder) if holder else ControlChanged(holder=mine)
    if holder != mine and not (is_owner and (holder or isinstance(command, c.HandOver))):
        raise refused_by(holder)
    if isinstance(command, c.ReleaseControl):
        return ControlChanged(holder=None)
    if command.user == holder:
        raise ConflictError(f"{holder!r} holds control already.", code="control_held", holder=holder)
    if command.user != mine:
        _expect_editor(command.user, members)
    return ControlChanged(holder=command.user)


def _expect_editor(user: str, members: Sequence[MemberRow]) -> None:
    if not members:
        raise ConflictError(f"{user!r} is no member of the session.", code="not_a_member")
    if not any(_may_steer(row.role) for row in members):
        raise ForbiddenError(f"Who holds control needs the role {EDIT.role!r} in the session, and {user!r} has less.")


def _loses(holder: str, change: MemberChange, members: Sequence[MemberRow]) -> bool:
    if isinstance(change, MemberJoined) or change.user not in (holder, EVERYBODY):
        return False
    roles = {row.user_id: row.role for row in members if row.user_id != change.user}
    if not isinstance(change, MemberLeft):
        roles[change.user] = change.role
    return not any(_may_steer(role) for role in roles.values())


def _may_steer(role: str | Role | None) -> bool:
    """Without a role it is as the member's token says, which is not known here."""
    return role is None or may(role_of(role), EDIT.role)
