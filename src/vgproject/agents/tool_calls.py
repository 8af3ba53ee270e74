"""The tool calls of a turn: asked for, approved, run once, answered.

Calls that change something run one after the other in the order the model wrote them; calls that only read and
stand side by side run together. Each has its step reserved before anything is waited for.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from itertools import count, groupby

from pydantic_ai.messages import ToolCallPart, ToolReturnPart

from vgproject.agents.approval_wait import NOBODY, wait_for_approval
from vgproject.agents.base import Json, ids_of
from vgproject.agents.calls import Call, Consult, Outcome
from vgproject.agents.consultations import Consultations
from vgproject.agents.context import PhaseContext
from vgproject.agents.model_turn import Turn
from vgproject.agents.tool_output import open_output
from vgproject.errors import StorageError, VgprojectError
from vgproject.memory import MemorySaver
from vgproject.schema.base import EventData, JsonObject
from vgproject.schema.events import (
    ApprovalRequested,
    CheckpointCreated,
    FileChanged,
    RecoveryDecisionRequested,
    RecoveryDecisionResolved,
    ToolCompleted,
    ToolFailed,
    ToolRequested,
    ToolStarted,
)
from vgproject.telemetry.spans import Span
from vgproject.tools.base import Tool, ToolContext, ToolFailure, ToolResult
from vgproject.tools.registry import parse_arguments
from vgproject.utils.ids import derived_id


class ToolCalls:
    def __init__(
        self,
        context: PhaseContext,
        memory: MemorySaver,
        thread_id: str,
        tools: Sequence[str],
        consultations: Consultations,
        after: Callable[[Call, Outcome], Awaitable[None]],
    ) -> None:
        """``tools`` are those that may be run; ``after`` is told of each call's end, also of one before a crash."""
        self._context = context
        self._memory = memory
        self._thread_id = thread_id
        find = context.services.tools.find
        self._tools = {name: tool for name in tools if (tool := find(name))}
        self._consultations = consultations
        self._after = after
        self._seen: dict[str, str] = {}

    async def answer(self, turn: Turn, parts: list[ToolCallPart]) -> list[ToolReturnPart]:
        """Run the calls; the model's answers in the order of the calls."""
        calls = [self._prepare(turn, part) for part in parts]
        await self._announce(calls)
        for call in calls:
            if call.tool and not call.problem:
                call.consult = self._consultations.prepare(call.tool.name, call.id)
            if call.consult is None:
                # Also for a call that cannot be run: whether it can may change with the answers of an MCP server, and
                # after a crash the steps must come in the same order.
                call.step = self._context.steps.reserve(f"tool/{self._thread_id}/{call.id}")
        answers: list[ToolReturnPart] = []
        for side_by_side, group in groupby(calls, key=lambda call: call.only_reads):
            if side_by_side:
                answers += await self._settle_side_by_side(list(group))
            else:
                answers += [await self._settle(call) for call in group]
        return answers

    async def _settle_side_by_side(self, calls: list[Call]) -> list[ToolReturnPart]:
        """None of them goes on alone where another could not be settled."""
        try:
            async with asyncio.TaskGroup() as group:
                settling = [group.create_task(self._settle(call)) for call in calls]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return [settled.result() for settled in settling]

    def _prepare(self, turn: Turn, part: ToolCallPart) -> Call:
        tool = self._tools.get(part.tool_name)
        problem: ToolFailure | None = None
        arguments: JsonObject = {}
        try:
            if tool is None:
                raise ToolFailure(
                    f"There is no tool {part.tool_name!r} here: the tools are {', '.join(self._tools)}.",
                    code="unknown_tool",
                )
            arguments = parse_arguments(tool, part.args).model_dump(exclude_unset=True)
            if reason := turn.denied.get(part.tool_call_id):
                raise ToolFailure(reason, code="denied")
        except ToolFailure as failure:
            problem = failure
        return Call(
            id=derived_id("call", turn.message_id, part.tool_call_id),
            part=part,
            tool=tool,
            arguments=arguments,
            problem=problem,
            approval_reason=turn.to_approve.get(part.tool_call_id),
            message_id=turn.message_id,
        )

    async def _announce(self, calls: list[Call]) -> None:
        for call in calls:
            requested = ToolRequested(tool_call_id=call.id, tool=call.part.tool_name, arguments=call.arguments)
            await self._context.reporter.send_update(requested, f"{call.id}/requested")
            if call.approval_reason:
                await self._request_approval(call, call.approval_reason)

    async def _request_approval(self, call: Call, reason: str) -> None:
        request = ApprovalRequested(
            approval_id=approval_id(call),
            tool_call_id=call.id,
            tool=call.part.tool_name,
            arguments=call.arguments,
            reason=reason,
        )
        call.asked_at = (await self._context.reporter.send_update(request, f"{call.id}/approval")).frame().time

    async def _settle(self, call: Call) -> ToolReturnPart:
        outcome = await self._outcome(call)
        self._seen.update(outcome.details.get("seen", {}))
        if command_id := outcome.details.get("command_id"):
            self._context.background.expect(command_id)
        await self._tell(call, outcome)
        await self._after(call, outcome)
        return ToolReturnPart(tool_name=call.part.tool_name, content=outcome.text, tool_call_id=call.part.tool_call_id)

    async def _outcome(self, call: Call) -> Outcome:
        if call.consult:
            return await self._consult(call, call.consult)
        if call.approval_reason and not call.problem and (denial := await self._denial(call)):
            return denial

        async def run() -> Json:
            with self._open_span(call) as span:
                outcome = await self._begin(call)
                span.error = outcome.code or None
            return outcome.model_dump()

        assert call.step is not None
        return Outcome.model_validate(await call.step(run))

    def _open_span(self, call: Call) -> AbstractContextManager[Span]:
        """Under the turn in which the model asked for it, which may have been one of a process before."""
        context, tool = self._context, call.tool.name if call.tool else "unknown"
        return context.services.spans.open(
            "tool call",
            {"tool": tool, "phase": context.phase, "tool_call_id": call.id, **ids_of(context.task)},
            key=call.id,
            parent_key=call.message_id,
            goes_on=context.control.goes_on,
        )

    async def _begin(self, call: Call) -> Outcome:
        if call.tool is None and await self._was_started(call):
            text = "The server was interrupted during this call, and now the tool is not there: its outcome is unknown."
            return Outcome(ok=False, code="outcome_unknown", text=text)
        if call.problem or call.tool is None:
            problem = call.problem or ToolFailure("The call cannot be run.", code="unknown_tool")
            return Outcome(ok=False, text=problem.message, code=problem.code)
        outcome = await self._run(call, call.tool)
        await self._keep(call, call.tool, outcome)
        return outcome

    async def _consult(self, call: Call, consult: Consult) -> Outcome:
        started = ToolStarted(tool_call_id=call.id, tool=call.part.tool_name)
        await self._context.reporter.send_update(started, f"{call.id}/started")
        assert call.tool is not None
        arguments = parse_arguments(call.tool, call.arguments)
        with self._open_span(call) as span:
            outcome = await self._outcome_of(lambda: consult(arguments))
            span.error = outcome.code or None
        return outcome

    async def _denial(self, call: Call) -> Outcome | None:
        """Wait for the person's word. ``None`` if the call may run, perhaps with other arguments."""
        with self._context.clock.stopped():
            answer = await wait_for_approval(self._context, approval_id(call), call.id, call.asked_at)
        if answer.resolved_by == NOBODY:
            return Outcome(ok=False, code="approval_timeout", text=f"The call was not run. {answer.reason}")
        if answer.decision == "deny":
            reason = f" Their reason: {answer.reason}" if answer.reason else ""
            return Outcome(ok=False, code="denied", text=f"A person has denied this call.{reason}")
        if answer.arguments is not None:
            if denied := self._context.approval_policy().reason_to_deny(answer.arguments):
                return Outcome(ok=False, code="denied", text=denied)
            call.arguments, call.edited = answer.arguments, True
        return None

    async def _run(self, call: Call, tool: Tool) -> Outcome:
        for interruption in count():
            key = f"{call.id}/started/{interruption}" if interruption else f"{call.id}/started"
            edited = call.arguments if call.edited else None
            update = ToolStarted(tool_call_id=call.id, tool=tool.name, arguments=edited)
            started = await self._context.reporter.send_update(update, key)
            if started.inserted:
                break
            if settled := await self._recover(call, tool, interruption):
                return settled
            if tool.effect != "unknown":
                break
        return await self._execute(call, tool)

    async def _was_started(self, call: Call) -> bool:
        task = self._context.task
        found = await self._context.services.event_log.find(task.session_id, f"{task.key}/{call.id}/started")
        return found is not None

    async def _keep(self, call: Call, tool: Tool, outcome: Outcome) -> None:
        """Make a checkpoint of what the call changed. Of a command, only git can say what that is."""
        if outcome.changes:
            known = [change.path for change in outcome.changes] if tool.effect == "checkable" else None
            made = await self._context.workspace.checkpoint(call.id, known)
            outcome.checkpoint_id, outcome.skipped = made.id, list(made.skipped)

    async def _execute(self, call: Call, tool: Tool) -> Outcome:
        with open_output(self._context, call.id) as output:
            context = self._tool_context(call, output)
            return await self._outcome_of(lambda: tool.run(parse_arguments(tool, call.arguments), context))

    def _tool_context(self, call: Call, output: Callable[[str], None]) -> ToolContext:
        async def keep(content: bytes) -> JsonObject:
            return await self._context.services.event_log.keep_blob(self._context.task.session_id, content)

        return ToolContext(
            workspace=self._context.workspace,
            memory=self._memory,
            output=output,
            keep=keep,
            background=self._context.background,
            call_id=call.id,
            seen=self._seen,
            mask=self._context.services.secrets.mask,
            message_id=call.message_id,
        )

    async def _recover(self, call: Call, tool: Tool, interruption: int) -> Outcome | None:
        """A process began this call and ended before its result was recorded. ``None``: it may be run again.

        Each ``interruption`` asks for a decision of its own.
        """
        if tool.effect == "none":
            return None
        if tool.effect == "checkable":
            return await self._find_done(call, tool)
        match await self._recovery_decision(call, tool, interruption):
            case "run_again":
                return None
            case "skip":
                text = "The server was interrupted during this call and its outcome is unknown. A person said: skip it."
                return Outcome(ok=False, code="skipped", text=text)
            case _:
                text = "The server was interrupted during this call. A person has looked and says that it was done."
                return Outcome(ok=True, text=text)

    async def _outcome_of(self, work: Callable[[], Awaitable[ToolResult]]) -> Outcome:
        """How ``work`` ended, without the secrets that came to light."""
        began = time.monotonic()
        try:
            result = await work()
            outcome = Outcome(ok=True, text=result.text, details=result.details, changes=list(result.changes))
        except StorageError:
            raise
        except VgprojectError as failure:
            outcome = Outcome(ok=False, text=failure.message, code=failure.code, details=failure.details)
        outcome.text = self._context.services.secrets.mask(outcome.text)
        outcome.duration_ms = round((time.monotonic() - began) * 1000)
        return outcome

    async def _find_done(self, call: Call, tool: Tool) -> Outcome | None:
        try:
            context = self._tool_context(call, output=lambda text: None)
            done = await tool.find_done(parse_arguments(tool, call.arguments), context)
        except StorageError:
            raise
        except VgprojectError as failure:
            return Outcome(ok=False, text=failure.message, code=failure.code)
        return Outcome(ok=True, text=done.text, details=done.details, changes=list(done.changes)) if done else None

    async def _recovery_decision(self, call: Call, tool: Tool, interruption: int) -> str:
        recovery_id = derived_id("rec", call.id, str(interruption))
        request = RecoveryDecisionRequested(
            recovery_id=recovery_id,
            tool_call_id=call.id,
            tool=tool.name,
            arguments=call.arguments,
            unknown="The server ended while this ran. Whether it finished is not known.",
        )
        await self._context.reporter.send_update(request, f"{recovery_id}/asked")
        with self._context.clock.stopped():
            return (await self._context.control.wait_for(recovery_id, RecoveryDecisionResolved)).decision

    async def _tell(self, call: Call, outcome: Outcome) -> None:
        name = call.part.tool_name
        if outcome.ok:
            end: ToolCompleted | ToolFailed = ToolCompleted(
                tool_call_id=call.id,
                tool=name,
                result=outcome.text,
                duration_ms=outcome.duration_ms,
                details=outcome.details,
            )
        else:
            end = ToolFailed(
                tool_call_id=call.id,
                tool=name,
                code=outcome.code,
                message=outcome.text,
                duration_ms=outcome.duration_ms,
            )
        changes: list[tuple[EventData, str]] = [
            (FileChanged(**change.model_dump(exclude={"binary"}), tool_call_id=call.id), f"{call.id}/{change.path}")
            for change in outcome.changes
        ]
        if outcome.checkpoint_id:
            kept = CheckpointCreated(
                checkpoint_id=outcome.checkpoint_id,
                files=[change.path for change in outcome.changes],
                skipped=outcome.skipped,
                tool_call_id=call.id,
            )
            changes.append((kept, f"{call.id}/checkpoint"))
        await self._context.reporter.send_updates([(end, f"{call.id}/ended"), *changes])
        self._context.services.broker.end_message(self._context.task.session_id, call.id)


def approval_id(call: Call) -> str:
    return derived_id("apr", call.id)
