"""What people remark on a session among themselves. It reaches no model, and a rewind leaves it where it is."""

from vgproject.access.admission import Ack, Admission, say
from vgproject.errors import ConflictError, NotFoundError
from vgproject.event_log import EventLog
from vgproject.schema import commands as c
from vgproject.schema.events import CommentAdded, CommentResolved, PlanningComplete, PlanProposed, PlanResolved
from vgproject.schema.frames import SessionView

PLANS = frozenset({PlanProposed.type, PlanningComplete.type, PlanResolved.type})


class SessionComments:
    def __init__(self, event_log: EventLog) -> None:
        self._event_log = event_log

    async def add(self, view: SessionView, command: c.Comment, admission: Admission) -> Ack:
        """Raises `ConflictError` (``no_such_seq``) and `NotFoundError` (``no_such_step``)."""
        if command.seq is not None and command.seq > view.head_seq:
            raise ConflictError(f"The session has only {view.head_seq} events.", code="no_such_seq")
        task_id = await self._task_with(view.session_id, command.step_id) if command.step_id else None
        added = CommentAdded(
            comment_id=admission.make_id("com"), content=command.content, seq=command.seq, step_id=command.step_id
        )
        answer, key = {"comment_id": added.comment_id}, _key(added.comment_id)
        stored = await say(self._event_log, view.session_id, added, admission, answer, key=key, task_id=task_id)
        if not stored.inserted:
            raise ConflictError("This command was taken already.", code="duplicate_command")
        return answer

    async def resolve(self, view: SessionView, command: c.ResolveComment, admission: Admission) -> Ack:
        """Raises `NotFoundError` (``no_such_comment``) and `ConflictError` (``already_resolved``)."""
        comment = await self._event_log.find(view.session_id, _key(command.comment_id))
        if comment is None:
            raise NotFoundError(f"The session has no comment {command.comment_id!r}.", code="no_such_comment")
        resolved = CommentResolved(comment_id=command.comment_id, resolved_by=admission.caller.user_id)
        answer, key = {"comment_id": command.comment_id}, f"{_key(command.comment_id)}/resolved"
        task_id = comment.frame().task_id
        stored = await say(self._event_log, view.session_id, resolved, admission, answer, key=key, task_id=task_id)
        if not stored.inserted:
            first = stored.frame()
            raise ConflictError(
                f"This comment was resolved already by {first.actor.id}.",
                code="already_resolved",
                decision="resolved",
                resolved_by=first.actor.id,
                resolved_at=first.time,
            )
        return answer

    async def _task_with(self, session_id: str, step_id: str) -> str | None:
        """The task with the newest plan that has the step."""
        for event in reversed(await self._event_log.read_types(session_id, PLANS)):
            data = event.data()
            assert isinstance(data, PlanProposed | PlanningComplete | PlanResolved)
            if data.plan and any(step.id == step_id for step in data.plan.steps):
                return event.frame().task_id
        raise NotFoundError(f"No plan of the session has a step {step_id!r}.", code="no_such_step")


def _key(comment_id: str) -> str:
    return f"comment/{comment_id}"
