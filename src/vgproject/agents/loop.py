"""The turns of a phase: the model speaks, its tools are run, until it submits the phase's result."""

import json
import sys
from typing import Generic

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequestPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from vgproject.agents.bounds import Bounds
from vgproject.agents.calls import Call, Outcome
from vgproject.agents.compaction import compact
from vgproject.agents.consultations import Consultations
from vgproject.agents.context import PhaseContext
from vgproject.agents.job import Job, Submission
from vgproject.agents.loop_watch import Done, LoopWatch
from vgproject.agents.model_turn import ModelTurns, Turn, tell
from vgproject.agents.tool_calls import ToolCalls
from vgproject.errors import PhaseError
from vgproject.knowledge.notes import Note
from vgproject.schema.events import ContextCompacted, LoopNoticed, RecalledEntry
from vgproject.tools.base import ToolFailure
from vgproject.tools.mcp import PREFIX as MCP_PREFIX
from vgproject.tools.memory import RecallMemory, Remember
from vgproject.tools.registry import TOOLS, parse_arguments

MAX_TURNS_WITHOUT_CALL = 3
WEB_PREFIX = "web_"


class AgentLoop(Generic[Submission]):
    def __init__(self, context: PhaseContext, job: Job[Submission]) -> None:
        self._context = context
        self._job = job
        self._turns = ModelTurns(
            context,
            model=job.model,
            thread_id=job.thread_id,
            instructions=job.instructions,
            tools=context.services.tools.definitions([*job.tools, job.submit]),
            memory=None if job.is_beside else job.memory,
        )
        consultations = Consultations(context, job, run_job)
        self._calls = ToolCalls(context, job.memory, job.thread_id, job.tools, consultations, self._after_tool)
        self._bounds = Bounds(context, job.model, job.thread_id)
        self._watch = LoopWatch(
            repeated_calls=context.phase_settings.repeated_calls, idle_turns=context.phase_settings.idle_turns
        )
        self._done: list[Done] = []
        self._taken_seq = sys.maxsize if job.is_beside else 0
        self._heads = job.memory.heads
        self._silent_turns = 0

    async def run(self) -> Submission:
        """Take turns until a valid submission. Raises `PhaseError` where the model does not come to one."""
        history: list[ModelMessage] = []
        parts: list[ModelRequestPart] = [UserPromptPart(self._job.prompt)]
        number = 0
        while True:
            await self._bounds.hold(number)
            history = await self._fit(history, number)
            turn = await self._turns.take(number, history, parts, self._taken_seq, self._heads)
            self._taken_seq, self._heads = turn.taken_seq, turn.heads
            self._job.memory.tell(turn.news)
            history += [turn.request, turn.response]
            await self._say(turn, number)
            submission, parts = await self._answer(turn)
            if submission is not None:
                return submission
            parts += await self._break_loop(number)
            number += 1

    async def _break_loop(self, number: int) -> list[ModelRequestPart]:
        """What the model is told where it gets nowhere; where it was told before, the user is asked."""
        done, self._done = self._done, []
        notice = self._watch.take_turn(done)
        if notice is None:
            return []
        key = f"{self._job.thread_id}/loop/{number}"
        if notice.again:
            await self._bounds.hold_for_loop(notice, key)
        else:
            told = LoopNoticed(kind=notice.kind, times=notice.times, message=notice.message)
            await self._context.reporter.send_update(told, key)
        return [UserPromptPart(notice.message)]

    async def _fit(self, history: list[ModelMessage], number: int) -> list[ModelMessage]:
        limit = self._context.phase_settings.context_tokens
        compacted = compact(history, limit)
        if compacted is None:
            return history
        told = ContextCompacted(
            reason=f"The conversation had grown beyond {limit} tokens.",
            tokens_before=compacted.tokens_before,
            tokens_after=compacted.tokens_after,
            dropped=compacted.dropped,
        )
        await self._context.reporter.send_update(told, f"{self._job.thread_id}/compacted/{number}")
        return compacted.history

    async def _say(self, turn: Turn, number: int) -> None:
        context = self._context
        await tell(context, turn)
        if self._job.is_beside:
            return
        share = 1 - 1 / (1 + (number + 1) / 8)
        await context.reporter.send_progress(
            context.span.at(0.9 * share), f"{context.phase.capitalize()}, turn {number + 1}", turn.message_id
        )

    async def _answer(self, turn: Turn) -> tuple[Submission | None, list[ModelRequestPart]]:
        calls = turn.response.tool_calls
        if not calls:
            return None, [self._nudge()]
        self._silent_turns = 0
        answers = await self._calls.answer(turn, [call for call in calls if call.tool_name != self._job.submit])
        submission: Submission | None = None
        parts: list[ModelRequestPart] = list(answers)
        for call in calls:
            if call.tool_name == self._job.submit and submission is None:
                submission, complaint = await self._submitted(call)
                parts.append(ToolReturnPart(call.tool_name, complaint or "Accepted.", tool_call_id=call.tool_call_id))
        return submission, parts

    async def _submitted(self, call: ToolCallPart) -> tuple[Submission | None, str | None]:
        try:
            submission = parse_arguments(TOOLS[self._job.submit], call.args)
        except ToolFailure as failure:
            return None, failure.message
        assert isinstance(submission, self._job.output)
        accepted = await self._job.accept(submission) if self._job.accept else submission
        return (None, accepted) if isinstance(accepted, str) else (accepted, None)

    def _nudge(self) -> UserPromptPart:
        self._silent_turns += 1
        if self._silent_turns >= MAX_TURNS_WITHOUT_CALL:
            raise PhaseError(
                f"The model spoke {MAX_TURNS_WITHOUT_CALL} times in a row without calling a tool or {self._job.submit}.",
                code="invalid_output",
                retryable=True,
            )
        return UserPromptPart(f"Go on with your tools. When you are done, call `{self._job.submit}`.")

    async def _after_tool(self, call: Call, outcome: Outcome) -> None:
        if call.consult is None:
            # What others did is counted by them; a person's time is not counted.
            self._context.meter.work(self._context.phase, outcome.duration_ms / 1000)
        arguments = json.dumps(call.arguments, sort_keys=True)
        is_running = bool(outcome.details.get("running"))
        self._done.append(Done(call.part.tool_name, arguments, outcome.text, bool(outcome.changes), is_running))
        self._remember(call, outcome)
        if self._job.after_tool:
            await self._job.after_tool(call, outcome)

    def _remember(self, call: Call, outcome: Outcome) -> None:
        memory, name = self._job.memory, call.part.tool_name
        if name == Remember.name and (note := outcome.details.get("note")):
            memory.take(Note.model_validate(note))
        if name == RecallMemory.name:
            memory.tell(RecalledEntry.model_validate(entry) for entry in outcome.details.get("recalled", []))
        if name.startswith(WEB_PREFIX):
            memory.see("web", outcome.text)
        elif name.startswith(MCP_PREFIX):
            memory.see("tool", outcome.text)


async def run_job(context: PhaseContext, job: Job[Submission]) -> Submission:
    """Raises `PhaseError` where the model does not come to a valid submission."""
    return await AgentLoop(context, job).run()
