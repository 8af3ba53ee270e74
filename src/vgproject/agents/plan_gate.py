"""The gate between planning and implementation: nothing is changed before a person has seen the plan."""

from vgproject.agents.base import Json
from vgproject.agents.context import PhaseContext
from vgproject.errors import RejectedError
from vgproject.schema.agent_outputs import Plan
from vgproject.schema.events import PlanProposed, PlanResolved
from vgproject.utils.ids import derived_id


class PlanGate:
    """Looks at each plan that one conversation submits."""

    def __init__(self, context: PhaseContext, thread_id: str) -> None:
        self._context = context
        self._thread_id = thread_id
        self._plans = 0

    async def accept(self, plan: Plan) -> Plan | str:
        """The plan to follow, or what is wrong with it. Raises `RejectedError`."""
        if repeated := plan.repeated_ids():
            return f"Each step needs an id of its own; these stand more than once: {', '.join(repeated)}."
        self._plans += 1
        if not await self._context.steps.run(f"gate/{self._thread_id}/{self._plans}", self._is_wanted):
            return plan
        resolved = await self._ask(plan)
        match resolved.decision:
            case "approve":
                return resolved.plan or plan
            case "revise":
                return _wishes(resolved)
            case _:
                raise RejectedError(resolved.reason or "The plan was rejected.")

    async def _is_wanted(self) -> Json:
        """Recorded, so that a later change of settings opens or closes no gate that was passed before a crash."""
        return bool(self._context.current_settings().plan_gate) and not self._context.request.plan_only

    async def _ask(self, plan: Plan) -> PlanResolved:
        context = self._context
        approval_id = derived_id("apr", context.task.key, self._thread_id, "plan", str(self._plans))
        await context.reporter.send_update(PlanProposed(approval_id=approval_id, plan=plan), f"{approval_id}/proposed")
        with context.clock.stopped():
            return await context.control.wait_for(approval_id, PlanResolved)


def _wishes(resolved: PlanResolved) -> str:
    parts = ["A person has seen the plan and sends it back."]
    if resolved.reason:
        parts.append(f"Their reason: {resolved.reason}")
    if resolved.plan:
        parts.append(f"They would have it so:\n\n{resolved.plan.model_dump_json(indent=2)}")
    return "\n\n".join([*parts, "Change it, then submit it again."])
