"""What can be done with the files of a session: shown, applied, set back, forked.

Who may do so is decided above. What a crash interrupts is finished at the next start, and told of.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel

from vgproject.conversation import in_force
from vgproject.errors import ConflictError, NotFoundError, VgprojectError
from vgproject.event_log import EventLog, NewEvent
from vgproject.repositories.event_store import Answer
from vgproject.schema.base import Actor
from vgproject.schema.events import (
    CheckpointCreated,
    FileChange,
    SessionForked,
    WorkspaceApplied,
    WorkspaceCreated,
    WorkspaceRewound,
)
from vgproject.schema.frames import SessionView, WorkspaceView
from vgproject.utils.clock import to_wire
from vgproject.utils.ids import new_id
from vgproject.workspace.branch import create_branch
from vgproject.workspace.workspace import Workspace
from vgproject.workspace.workspaces import Workspaces

logger = logging.getLogger(__name__)

RECOVERY = Actor(kind="server", id="recovery")


class BegunRewind(BaseModel):
    """Noted in the workspace before its files are touched. ``scope`` is that of the command, empty if it has none."""

    key: str
    rewound: WorkspaceRewound
    actor: Actor
    scope: str


class SessionFiles:
    def __init__(self, event_log: EventLog, workspaces: Workspaces) -> None:
        self._event_log = event_log
        self._workspaces = workspaces

    async def diff(self, session_id: str) -> str:
        return await (await self._workspaces.open(session_id)).diff()

    async def create_branch(self, session_id: str) -> str:
        """Write the session's changes as a branch of the project's repository; its name."""
        return await create_branch(await self._workspaces.open(session_id), session_id)

    async def apply(self, session_id: str, actor: Actor) -> list[FileChange]:
        """Put the session's changes into the project. Raises `ConflictError` (``apply_conflict``)."""
        workspace = await self._workspaces.open(session_id)
        changes = await workspace.apply()
        if changes:
            await self._tell_applied(session_id, workspace, changes, actor)
        return changes

    async def _tell_applied(
        self, session_id: str, workspace: Workspace, changes: list[FileChange], actor: Actor
    ) -> None:
        applied = WorkspaceApplied(files=changes, applied_by=actor.id)
        await self._event_log.append(session_id, [NewEvent(applied, actor, key=workspace.apply_id())])
        workspace.end_apply()

    async def finish_interrupted(self) -> None:
        """Finish the applies and rewinds that a crash interrupted, and tell of them."""
        for session_id in self._workspaces.list_ids():
            try:
                workspace = await self._workspaces.open(session_id)
                if changes := await workspace.finish_apply():
                    await self._tell_applied(session_id, workspace, changes, RECOVERY)
                if note := workspace.begun_rewind():
                    await self._finish_rewind(session_id, workspace, BegunRewind.model_validate(note))
            except VgprojectError:
                logger.exception("What was interrupted in session %s cannot be finished", session_id)

    async def rewind(self, view: SessionView, to_seq: int, actor: Actor, *, scope: str) -> WorkspaceRewound:
        """Files as they were at ``to_seq``; the event that tells of it. Raises `ConflictError`."""
        seq, checkpoint_id = await self._checkpoint_at(view, to_seq)
        workspace = await self._workspaces.open(view.session_id)
        before = await workspace.checkpoint("before rewind")
        rewound = WorkspaceRewound(
            to_seq=to_seq, checkpoint_seq=seq, checkpoint_id=checkpoint_id, safety_checkpoint_id=before.id
        )
        key = f"command/{scope}" if scope else new_id("rew")
        begun = BegunRewind(key=key, rewound=rewound, actor=actor, scope=scope)
        workspace.begin_rewind(begun.model_dump())
        await self._finish_rewind(view.session_id, workspace, begun)
        return rewound

    async def _finish_rewind(self, session_id: str, workspace: Workspace, begun: BegunRewind) -> None:
        await workspace.rewind(begun.rewound.checkpoint_id)
        answer = Answer(begun.scope, json.dumps(begun.rewound.model_dump())) if begun.scope else None
        event = NewEvent(begun.rewound, begun.actor, key=begun.key, answer=answer)
        await self._event_log.append(session_id, [event])
        workspace.end_rewind()

    async def fork(self, view: SessionView, to_seq: int | None, fork_id: str) -> SessionForked:
        """The files of a session that begins as ``view`` was at ``to_seq``, by default now; how it began."""
        seq = view.head_seq if to_seq is None else to_seq
        try:
            _, checkpoint_id = await self._checkpoint_at(view, seq)
            await self._workspaces.fork(view.session_id, fork_id, checkpoint_id)
        except ConflictError as error:
            if error.code != "no_checkpoint" or to_seq is not None:
                raise
            return SessionForked(from_session=view.session_id, from_seq=seq, checkpoint_id=None)
        return SessionForked(from_session=view.session_id, from_seq=seq, checkpoint_id=checkpoint_id)

    async def _checkpoint_at(self, view: SessionView, to_seq: int) -> tuple[int, str]:
        """The nearest checkpoint at or before ``to_seq``, and where it stands. Raises `ConflictError`."""
        if to_seq > view.head_seq:
            raise ConflictError(f"The session has only {view.head_seq} events.", code="no_such_seq")
        types = {kind.type for kind in (WorkspaceCreated, CheckpointCreated, WorkspaceRewound, SessionForked)}
        events = [event for event in await self._event_log.read_types(view.session_id, types) if event.seq <= to_seq]
        found = [(event.seq, event.frame().data.get("checkpoint_id")) for event in in_force(events)]
        if not found or found[-1][1] is None:
            raise ConflictError(f"There is no checkpoint at or before {to_seq}.", code="no_checkpoint")
        return found[-1][0], str(found[-1][1])

    async def list_workspaces(self, sessions: Sequence[SessionView]) -> list[WorkspaceView]:
        """Those of these sessions, the largest first."""
        views: Mapping[str, SessionView] = {view.session_id: view for view in sessions}
        found = [await self._workspaces.measure(name) for name in self._workspaces.list_ids() if name in views]
        return [
            WorkspaceView(
                session_id=use.session_id,
                title=views[use.session_id].title,
                project=use.project,
                bytes=use.bytes,
                used_at=to_wire(datetime.fromtimestamp(use.used_at, UTC)),
                unapplied=len(await (await self._workspaces.open(use.session_id)).unapplied_changes()),
            )
            for use in sorted(found, key=lambda use: -use.bytes)
        ]

    async def expect_applied(self, session_id: str) -> None:
        """Raises `ConflictError` (``unapplied_changes``)."""
        try:
            unapplied = await (await self._workspaces.open(session_id)).unapplied_changes()
        except NotFoundError:
            return
        if unapplied:
            raise ConflictError(
                f"The session has {len(unapplied)} changed files that are not applied, {unapplied[0].path!r} among them:"
                " apply them, or delete the session by force.",
                code="unapplied_changes",
                files=[change.path for change in unapplied],
            )

    async def delete(self, session_id: str) -> None:
        await self._workspaces.delete(session_id)
