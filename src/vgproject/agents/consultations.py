"""What an agent asks others: the user, a second model, a colleague who only reads.

None of these is one recorded step, as the call of another tool is: a person's answer is in the log, and what a model
says is recorded turn by turn, in steps that are reserved before anything is waited for.
"""

import sys
from dataclasses import replace
from typing import Any, Protocol

from pydantic_ai.messages import UserPromptPart

from vgproject.agents.base import PhaseSettings, ReservedSteps
from vgproject.agents.calls import Consult
from vgproject.agents.context import DELEGATE, EXPERT, PhaseContext
from vgproject.agents.job import Job, Submission
from vgproject.agents.model_turn import ModelTurns, tell
from vgproject.agents.prompts import load_prompt
from vgproject.schema.agent_outputs import Findings
from vgproject.schema.events import QuestionAnswered, QuestionAsked
from vgproject.tools.base import ToolFailure, ToolResult
from vgproject.tools.consult import AskExpert, AskUser, Delegate, DelegatedTask, ExpertQuestion, UserQuestion
from vgproject.utils.ids import derived_id

DELEGATE_TOOLS = ["list_files", "read_file", "search_files", "recall"]
DELEGATE_TURNS = 30
DELEGATE_STEPS = 300


class RunJob(Protocol):
    async def __call__(self, context: PhaseContext, job: Job[Submission]) -> Submission: ...


class Consultations:
    def __init__(self, context: PhaseContext, job: Job[Any], run_job: RunJob) -> None:
        """``job`` is that of the agent who asks."""
        self._context = context
        self._job = job
        self._run_job = run_job

    def prepare(self, tool: str, call_id: str) -> Consult | None:
        """What answers a call of ``tool``; ``None`` where that is a tool like others. To be called in the same order each time."""
        match tool:
            case AskUser.name:
                return lambda question: self._ask_user(question, call_id)
            case AskExpert.name:
                beside = self._beside(EXPERT, call_id, steps=1)
                return lambda question: self._ask_expert(question, beside, call_id)
            case Delegate.name:
                beside = self._beside(DELEGATE, call_id, steps=DELEGATE_STEPS)
                return lambda task: self._delegate(task, beside, call_id)
            case _:
                return None

    def _beside(self, role: str, call_id: str, *, steps: int) -> PhaseContext:
        """A context for somebody who works beside the agent: within the same budget and time, and seen in the log."""
        context = self._context
        return replace(
            context,
            phase=role,
            phase_settings=PhaseSettings(max_turns=DELEGATE_TURNS),
            steps=ReservedSteps(context.steps, f"{role}/{call_id}", steps),
            reporter=context.reporter.as_agent(f"{role}:{call_id}"),
        )

    async def _ask_user(self, question: UserQuestion, call_id: str) -> ToolResult:
        question_id = derived_id("qst", call_id)
        asked = QuestionAsked(
            question_id=question_id, tool_call_id=call_id, question=question.question, choices=question.choices
        )
        await self._context.reporter.send_update(asked, f"{call_id}/question")
        with self._context.clock.stopped():
            answer = await self._context.control.wait_for(question_id, QuestionAnswered)
        return ToolResult(answer.content, {"question_id": question_id, "answered_by": answer.answered_by})

    async def _ask_expert(self, question: ExpertQuestion, beside: PhaseContext, call_id: str) -> ToolResult:
        turns = ModelTurns(
            beside,
            model=beside.role_models[EXPERT],
            thread_id=f"{self._job.thread_id}/{call_id}",
            instructions=load_prompt(EXPERT),
            tools=[],
        )
        prompt = f"{question.question}\n\n{question.context}".strip()
        turn = await turns.take(0, [], [UserPromptPart(prompt)], sys.maxsize)
        await tell(beside, turn)
        if not turn.response.text:
            raise ToolFailure("The expert said nothing. Ask again in other words, or go on without.", code="no_answer")
        return ToolResult(turn.response.text, {"model": turn.model})

    async def _delegate(self, task: DelegatedTask, beside: PhaseContext, call_id: str) -> ToolResult:
        job = Job(
            model=beside.role_models.get(DELEGATE) or self._job.model,
            memory=self._job.memory,
            thread_id=f"{self._job.thread_id}/{call_id}",
            instructions=load_prompt(DELEGATE),
            prompt=f"# Task\n\n{task.task}",
            tools=DELEGATE_TOOLS,
            submit="submit_answer",
            output=Findings,
            is_beside=True,
        )
        return ToolResult((await self._run_job(beside, job)).answer)
