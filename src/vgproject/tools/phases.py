"""How an agent ends its phase, and tells how far it is. The loop takes these up; they are not run."""

from typing import Literal

from vgproject.schema.agent_outputs import Findings, ImplementationReport, Plan, ResearchNotes
from vgproject.tools.base import Arguments, Tool, ToolContext, ToolResult


class SubmitResearch(Tool):
    name = "submit_research"
    description = "End research: hand over what you found."
    arguments = ResearchNotes


class SubmitPlan(Tool):
    name = "submit_plan"
    description = "End planning: hand over the plan."
    arguments = Plan


class SubmitImplementation(Tool):
    name = "submit_implementation"
    description = "End implementation, when all steps are done and checked."
    arguments = ImplementationReport


class SubmitAnswer(Tool):
    name = "submit_answer"
    description = "End your work: answer what you were asked."
    arguments = Findings


class StepArguments(Arguments):
    step_id: str
    status: Literal["running", "done", "skipped"]


class UpdatePlanStep(Tool):
    name = "update_plan_step"
    description = "Say that a step of the plan is begun, done or skipped."
    arguments = StepArguments

    async def run(self, arguments: StepArguments, context: ToolContext) -> ToolResult:
        return ToolResult(f"Step {arguments.step_id} is {arguments.status}.", arguments.model_dump())
