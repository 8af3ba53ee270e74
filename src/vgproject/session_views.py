"""A session as clients are shown it, made of its rows."""

import json
from collections.abc import Sequence

from vgproject.models.tables import MemberRow, SessionRow, TaskRow
from vgproject.schema.frames import SessionView
from vgproject.utils.clock import to_wire


def session_view(row: SessionRow, tasks: Sequence[TaskRow], members: Sequence[MemberRow], sandbox: str) -> SessionView:
    statuses = {task.status for task in tasks}
    running = next((status for status in ("running", "paused", "queued") if status in statuses), "idle")
    return SessionView.model_validate(
        {
            "session_id": row.id,
            "project": row.project,
            "title": row.title,
            "status": "needs_you" if row.waiting != "[]" else running,
            "owner": row.owner,
            "settings": row.settings,
            "head_seq": row.head_seq,
            "epoch": row.epoch,
            "created_at": to_wire(row.created_at),
            "updated_at": to_wire(row.updated_at),
            "sandbox": sandbox,
            "waiting_for": [question.partition("/")[2] for question in json.loads(row.waiting)],
            "holder": row.holder,
            "members": [{"user": member.user_id, "role": member.role} for member in members],
            "tasks": [
                {
                    "task_id": task.id,
                    "session_id": task.session_id,
                    "status": task.status,
                    "content": task.content,
                    "created_at": to_wire(task.created_at),
                    "ended_at": to_wire(task.ended_at) if task.ended_at else None,
                }
                for task in tasks
            ],
        }
    )
