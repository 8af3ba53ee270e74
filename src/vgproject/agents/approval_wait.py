"""Waiting for a person to approve a call: no longer than is configured, counted from when it was asked."""

import asyncio
from datetime import datetime

from vgproject.agents.context import PhaseContext
from vgproject.event_log import NewEvent
from vgproject.schema.base import Actor
from vgproject.schema.events import ApprovalResolved

NOBODY = "timeout"
"""Who has resolved an approval that nobody gave in time."""


async def wait_for_approval(
    context: PhaseContext, approval_id: str, tool_call_id: str, asked_at: str
) -> ApprovalResolved:
    """The first answer, where the deadline is one too. ``asked_at`` is the time of the stored request."""
    allowed = context.current_settings().approval_timeout_seconds
    if allowed is None:
        return await context.control.wait_for(approval_id, ApprovalResolved)
    waited = (context.services.now() - datetime.fromisoformat(asked_at)).total_seconds()
    try:
        async with asyncio.timeout(max(allowed - waited, 0)):
            return await context.control.wait_for(approval_id, ApprovalResolved)
    except TimeoutError:
        return await _deny(context, approval_id, tool_call_id, allowed)


async def _deny(context: PhaseContext, approval_id: str, tool_call_id: str, allowed: float) -> ApprovalResolved:
    """Under the key of an answer, so that a person who was faster still wins."""
    denied = ApprovalResolved(
        approval_id=approval_id,
        tool_call_id=tool_call_id,
        decision="deny",
        reason=f"Nobody answered within {allowed:g} seconds.",
        resolved_by=NOBODY,
    )
    task = context.task
    event = NewEvent(
        denied,
        Actor(kind="server", id=NOBODY),
        task_id=task.task_id,
        phase=context.phase,
        key=f"{approval_id}/resolved",
    )
    [stored] = await context.services.event_log.append(task.session_id, [event])
    first = stored.data()
    assert isinstance(first, ApprovalResolved)
    return first
