"""One model call as a durable step: what was steered goes in, tokens go out as deltas, the reply is kept."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ThinkingPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.tools import ToolDefinition

from vgproject.agents.base import Json, ids_of
from vgproject.agents.context import PhaseContext
from vgproject.knowledge.news import quote_news
from vgproject.llm.base import ModelCall, ModelReply
from vgproject.llm.messages import dump_messages, dump_response, load_response
from vgproject.memory import Heads, MemorySaver
from vgproject.models.tables import TurnRow
from vgproject.schema.base import EventData
from vgproject.schema.events import (
    AgentMessage,
    MemoryRecalled,
    ModelFellBack,
    ModelRetried,
    Reasoning,
    RecalledEntry,
    Usage,
)
from vgproject.telemetry.spans import Span
from vgproject.utils.ids import derived_id
from vgproject.utils.secrets import MaskedStream, SecretMask


@dataclass(frozen=True)
class Turn:
    """A finished model call. ``taken_seq`` is the log's seq up to which people's messages were taken up."""

    message_id: str
    request: ModelRequest
    response: ModelResponse
    model: str
    usage: Usage
    taken_seq: int
    news: list[RecalledEntry]
    """What others have changed in memory since the turn before."""
    heads: Heads | None
    """How far the changes of memory are known now."""
    to_approve: dict[str, str]
    """Why a tool call needs approval, by its id."""
    denied: dict[str, str]
    """Why a tool call is not run, by its id."""


class ModelTurns:
    """The model calls of one conversation, numbered from 0."""

    def __init__(
        self,
        context: PhaseContext,
        *,
        model: str,
        thread_id: str,
        instructions: str,
        tools: Sequence[ToolDefinition],
        memory: MemorySaver | None = None,
    ) -> None:
        """``memory`` is whose changes by others the model is told of."""
        self._context = context
        self._model = model
        self._thread_id = thread_id
        self._instructions = instructions
        self._tools = list(tools)
        self._memory = memory

    async def take(
        self,
        number: int,
        history: list[ModelMessage],
        parts: list[ModelRequestPart],
        after: int,
        heads: Heads | None = None,
    ) -> Turn:
        """Call the model with ``history``, then ``parts``, what was steered since the log's seq ``after``, and what
        was changed in memory since ``heads``."""
        context = self._context
        message_id = derived_id("msg", context.task.key, self._thread_id, str(number))
        parts = [_without_secrets(part, context.services.secrets) for part in parts]
        heard: list[ModelResponse] = []

        async def call() -> Json:
            with self._open_span(number, message_id) as span:
                reply, recorded = await self._call(number, message_id, history, parts, after, heads)
                span.attributes["model"] = recorded["model"]
            heard.append(reply)
            return recorded

        recorded = await context.steps.run(f"model/{self._thread_id}/{number}", call)
        news = [RecalledEntry.model_validate(entry) for entry in recorded.get("news", [])]
        known = recorded.get("heads")
        return Turn(
            message_id=message_id,
            request=_request(parts, recorded["steered"], news),
            # What is recorded has its secrets masked. A tool is called with what the model wrote, or not at all.
            response=heard[0] if heard else load_response(recorded["response"]),
            model=recorded["model"],
            usage=Usage.model_validate(recorded["usage"]),
            taken_seq=recorded["taken_seq"],
            news=news,
            heads=heads if known is None else {name: (epoch, seq) for name, (epoch, seq) in known.items()},
            to_approve=recorded["to_approve"],
            denied=recorded.get("denied", {}),
        )

    def _open_span(self, number: int, message_id: str) -> AbstractContextManager[Span]:
        context = self._context
        return context.services.spans.open(
            "turn",
            {"phase": context.phase, "thread_id": self._thread_id, "turn": number, **ids_of(context.task)},
            key=message_id,
            goes_on=context.control.goes_on,
        )

    async def _call(
        self,
        number: int,
        message_id: str,
        history: list[ModelMessage],
        parts: list[ModelRequestPart],
        after: int,
        heads: Heads | None,
    ) -> tuple[ModelResponse, Json]:
        """The reply, and what is recorded of it."""
        context = self._context
        thread_id = f"{context.task.attempt}/{self._thread_id}"
        await context.control.catch_up()
        messages = context.control.messages_after(after)
        secrets = context.services.secrets
        steered = [secrets.mask(message.text) for _, message in messages]
        news, reached = await self._news(heads, message_id)
        request = _request(parts, steered, news)
        call = ModelCall(
            model=context.current_settings().models.get(context.phase) or self._model,
            phase=context.phase,
            thread_id=thread_id,
            turn=number,
            messages=[*history, request],
            instructions=self._instructions,
            tools=self._tools,
        )
        began = time.monotonic()
        reply = await self._request(call, message_id)
        usage = reply.usage.model_copy(update={"seconds": round(time.monotonic() - began, 3)})
        response = secrets.mask_json(dump_response(reply.response))
        await context.control.catch_up()  # What is withdrawn before the calls are judged does not count for them.
        async with context.services.database.unit_of_work() as work:
            await work.turns.put(
                TurnRow(
                    session_id=context.task.session_id,
                    task_id=context.task.task_id,
                    phase=context.phase,
                    run=thread_id,
                    turn=number,
                    model=reply.model,
                    request=dump_messages([request]),
                    response=response,
                )
            )
            await work.commit()
        recorded = {
            "steered": steered,
            "taken_seq": messages[-1][0] if messages else after,
            "news": [entry.model_dump(mode="json") for entry in news],
            "heads": reached,
            "response": response,
            "model": reply.model,
            "usage": usage.model_dump(),
            **self._judged(reply.response),
        }
        return reply.response, recorded

    async def _news(self, heads: Heads | None, message_id: str) -> tuple[list[RecalledEntry], Heads | None]:
        if self._memory is None or heads is None:
            return [], heads
        news, reached = await self._memory.news(heads)
        await self._memory.note_recall(news, scope=message_id)
        return news, reached

    async def _request(self, call: ModelCall, message_id: str) -> ModelReply:
        listener = Listener(self._context, message_id)
        try:
            reply = await self._context.services.llm.request(call, listener)
        except BaseException:
            listener.withdraw()
            raise
        listener.finish()
        return reply

    def _judged(self, response: ModelResponse) -> dict[str, dict[str, str]]:
        """Decided once, in the recorded step, so that a later change of settings asks nobody again after a crash."""
        policy, find = self._context.approval_policy(), self._context.services.tools.find
        may_call = {tool.name for tool in self._tools}
        to_approve: dict[str, str] = {}
        denied: dict[str, str] = {}
        for call in response.tool_calls:
            if call.tool_name not in may_call or (tool := find(call.tool_name)) is None:
                continue
            arguments = call.args_as_dict()
            if reason := policy.reason_to_deny(arguments):
                denied[call.tool_call_id] = reason
            elif reason := policy.reason_to_ask(tool.name, arguments, tool.effect, is_contained=tool.is_contained):
                to_approve[call.tool_call_id] = reason
        return {"to_approve": to_approve, "denied": denied}


@dataclass
class MaskedText:
    """A text that is passed on: what each of its deltas has, and how many characters were said."""

    frame: dict[str, object]
    stream: MaskedStream
    said: int = 0


async def tell(context: PhaseContext, turn: Turn) -> None:
    """Store what the model said and what it took; its deltas are then not needed any more."""
    said: list[tuple[EventData, str]] = []
    if turn.news:
        said.append((MemoryRecalled(entries=turn.news), f"{turn.message_id}/news"))
    thinking = "".join(part.content for part in turn.response.parts if isinstance(part, ThinkingPart))
    if thinking:
        said.append((Reasoning(message_id=turn.message_id, text=thinking), f"{turn.message_id}/reasoning"))
    if text := turn.response.text:
        said.append((AgentMessage(message_id=turn.message_id, text=text), f"{turn.message_id}/text"))
    limit = context.phase_settings.context_tokens
    told = context.meter.count(context.phase, turn.model, turn.usage, context_tokens=limit)
    said.append((told, f"{turn.message_id}/usage"))
    await context.reporter.send_updates(said)
    context.services.broker.end_message(context.task.session_id, turn.message_id)


class Listener:
    """Passes on what a model says while it says it."""

    def __init__(self, context: PhaseContext, message_id: str) -> None:
        self._context = context
        self._message_id = message_id
        self._retries = 0
        self._streams: dict[str, MaskedText] = {}

    def on_text(self, text: str, offset: int) -> None:
        self._pass_on("text", text, {"type": "text_delta"})

    def on_reasoning(self, text: str, offset: int) -> None:
        self._pass_on("reasoning", text, {"type": "reasoning_delta"})

    def on_tool_arguments(self, tool_call_id: str, tool: str, text: str, offset: int) -> None:
        call_id = derived_id("call", self._message_id, tool_call_id)
        self._pass_on(call_id, text, {"type": "tool_arguments_delta", "tool_call_id": call_id, "tool": tool})

    def _pass_on(self, name: str, text: str, frame: dict[str, object]) -> None:
        if name not in self._streams:
            self._streams[name] = MaskedText(frame, MaskedStream(self._context.services.secrets))
        masked = self._streams[name]
        self._send(masked, masked.stream.feed(text))

    def _send(self, masked: MaskedText, text: str) -> None:
        if not text:
            return
        session_id = self._context.task.session_id
        about = {"session_id": session_id, "message_id": self._message_id, "offset": masked.said, "text": text}
        masked.said += len(text)
        self._context.services.broker.send_delta(session_id, masked.frame | about)

    def finish(self) -> None:
        """Pass on what was held back."""
        for masked in self._streams.values():
            self._send(masked, masked.stream.finish())

    def withdraw(self) -> None:
        """What was said of a reply that broke off does not count: nobody is given it any more."""
        self._streams.clear()
        self._context.services.broker.end_message(self._context.task.session_id, self._message_id)

    async def on_retry(self, attempt: int, delay_ms: int, reason: str) -> None:
        self.withdraw()
        self._retries += 1
        update = ModelRetried(message_id=self._message_id, attempt=attempt, delay_ms=delay_ms, reason=reason)
        await self._context.reporter.send_update(update, f"{self._message_id}/retried/{self._retries}")

    async def on_fallback(self, from_model: str, to_model: str, reason: str) -> None:
        self.withdraw()
        update = ModelFellBack(message_id=self._message_id, from_model=from_model, to_model=to_model, reason=reason)
        await self._context.reporter.send_update(update, f"{self._message_id}/fell_back/{to_model}")


def _request(parts: list[ModelRequestPart], steered: list[str], news: list[RecalledEntry]) -> ModelRequest:
    told = [quote_news(news)] if news else []
    return ModelRequest(parts=[*parts, *(UserPromptPart(text) for text in (*steered, *told))])


def _without_secrets(part: ModelRequestPart, secrets: SecretMask) -> ModelRequestPart:
    if isinstance(part, UserPromptPart) and isinstance(part.content, str):
        return replace(part, content=secrets.mask(part.content))
    if isinstance(part, ToolReturnPart) and isinstance(part.content, str):
        masked = secrets.mask(part.content)
        return ToolReturnPart(tool_name=part.tool_name, content=masked, tool_call_id=part.tool_call_id)
    return part
