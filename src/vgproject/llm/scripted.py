"""A language model that reads its replies from a file: for the demo, tests, and trying things without a key.

It keeps no state between calls: the reply is chosen by the task's text, the phase and the number of the turn, so
a task that goes on after a crash gets the reply it would have had. `docs/scripted-models.md` has the format.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_ai.messages import ModelResponse, ModelResponsePart, TextPart, ThinkingPart, ToolCallPart, UserPromptPart
from pydantic_ai.usage import RequestUsage

from vgproject.errors import ModelChoiceError, ModelError
from vgproject.llm.base import ModelCall, ModelListener, ModelReply
from vgproject.schema.events import Usage


class ScriptPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScriptedCall(ScriptPart):
    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Failure(ScriptPart):
    status: Literal[429, 500, "timeout", "cut"]
    after_chunks: int = 0
    """How much of the reply is heard before."""


class Reply(ScriptPart):
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ScriptedCall] = Field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    chunk_size: int = Field(default=12, gt=0)
    token_delay_ms: float = Field(default=0, ge=0)
    fail: list[Failure] = Field(default_factory=list)
    """The first attempts fail, one in each of these ways."""
    repeat: bool = False
    """The reply to all further turns of the phase too."""


class ScriptedTask(ScriptPart):
    match: str = ""
    phases: dict[str, list[Reply]]


class Script(ScriptPart):
    """Either one set of ``phases``, or ``tasks`` whose ``match`` (a regular expression) finds the task's text."""

    calls_log: str | None = Field(default=None, pattern=r"^[\w-][\w.-]*$")
    """A file beside the script, to which each call adds a line; a plain name, so that it is nowhere else."""
    phases: dict[str, list[Reply]] | None = None
    tasks: list[ScriptedTask] = Field(default_factory=list)

    def reply(self, prompt: str, phase: str, turn: int) -> Reply:
        candidates = [task.phases for task in self.tasks if re.search(task.match, prompt)]
        phases = next(iter(candidates), self.phases or {})
        replies = phases.get(phase, [])
        if turn < len(replies):
            return replies[turn]
        if replies and replies[-1].repeat:
            return replies[-1]
        raise ModelError(
            f"The script has {len(replies)} replies for the phase {phase!r}, and turn {turn + 1} needs one more.",
            code="script_exhausted",
        )


def load_script(path: Path) -> Script:
    try:
        return Script.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelChoiceError(f"The script {path} cannot be read: {error.strerror}.", code="bad_script") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelChoiceError(
            f"The script {path} is not right at {place or 'its top'}: {first['msg']}.", code="bad_script"
        ) from error


class ScriptedBackend:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._script = load_script(path)

    async def request(self, call: ModelCall, listener: ModelListener, *, attempt: int) -> ModelReply:
        self._log(call, attempt)
        reply = self._script.reply(first_prompt(call), call.phase, call.turn)
        failure = reply.fail[attempt - 1] if attempt <= len(reply.fail) else None
        await self._speak(reply, listener, failure)
        usage = RequestUsage(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
        response = ModelResponse(parts=list(_parts(reply)), usage=usage, model_name=self._path.name)
        counted = Usage(
            input_tokens=reply.input_tokens, output_tokens=reply.output_tokens, requests=1, cost_usd=reply.cost_usd
        )
        return ModelReply(response, f"scripted:{self._path.name}", counted)

    def _log(self, call: ModelCall, attempt: int) -> None:
        if self._script.calls_log:
            line = orjson.dumps({"phase": call.phase, "turn": call.turn, "attempt": attempt}) + b"\n"
            with (self._path.parent / self._script.calls_log).open("ab") as log:
                log.write(line)

    async def _speak(self, reply: Reply, listener: ModelListener, failure: Failure | None) -> None:
        said = 0
        for text, say in _speech(reply, listener):
            for offset in range(0, len(text), reply.chunk_size):
                if failure and said >= failure.after_chunks:
                    raise _failed(failure)
                say(text[offset : offset + reply.chunk_size], offset)
                said += 1
                await asyncio.sleep(reply.token_delay_ms / 1000)
        if failure:
            raise _failed(failure)


def _speech(reply: Reply, listener: ModelListener) -> Iterator[tuple[str, Callable[[str, int], None]]]:
    """What is said, in order, and to whom: reasoning, text, then each call's arguments, as real models do."""
    yield reply.reasoning, listener.on_reasoning
    yield reply.text, listener.on_text
    for number, call in enumerate(reply.tool_calls, start=1):
        arguments = orjson.dumps(call.arguments).decode()
        yield arguments, partial(listener.on_tool_arguments, _call_id(number), call.tool)


def _call_id(number: int) -> str:
    return f"call_{number}"


def first_prompt(call: ModelCall) -> str:
    parts = (part for message in call.messages for part in message.parts)
    return next(
        (part.content for part in parts if isinstance(part, UserPromptPart) and isinstance(part.content, str)), ""
    )


def _parts(reply: Reply) -> list[ModelResponsePart]:
    parts: list[ModelResponsePart] = []
    if reply.reasoning:
        parts.append(ThinkingPart(reply.reasoning))
    if reply.text:
        parts.append(TextPart(reply.text))
    for number, call in enumerate(reply.tool_calls, start=1):
        parts.append(ToolCallPart(call.tool, call.arguments, tool_call_id=_call_id(number)))
    return parts


def _failed(failure: Failure) -> ModelError:
    match failure.status:
        case "timeout":
            return ModelError("The model said nothing.", code="model_timeout", retryable=True)
        case "cut":
            return ModelError("The stream was cut.", code="model_unreachable", retryable=True)
        case status:
            return ModelError(f"The model answered {status}.", code="model_unreachable", retryable=True)
