"""The same reply in the format of each provider: it thinks, says "Hello", and calls a tool."""

import binascii
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from provider_server import chat, chunked, stream

KEY = "sk-very-secret-0123456789"
ARGUMENTS = ['{"path"', ': "a.py"}']


@dataclass(frozen=True)
class Format:
    """``cost_usd`` is for 1,000 tokens in and 100 out; ``variables`` are the key's, then the address's."""

    model: str
    key: str
    url: str
    events: Sequence[Any]
    cost_usd: float | None
    secret_header: str
    reasons: bool = True
    whole_arguments: bool = False
    """The arguments come in one piece."""

    def environment(self, url: str) -> dict[str, str]:
        aws = {"AWS_ACCESS_KEY_ID": "AKIA0123456789", "AWS_REGION": "eu-west-1"}
        return {self.key: KEY, self.url: url} | (aws if self.key.startswith("AWS") else {})

    def reply(self, *, cut: bool = False, events: int | None = None) -> bytes:
        """With ``cut`` the connection ends before the body does; with ``events`` only the first so many are said."""
        said = self.events[:events]
        if isinstance(said[0], bytes):
            return chunked("application/vnd.amazon.eventstream", *said, cut=cut)
        return stream(*said, cut=cut)


def _anthropic() -> list[dict[str, Any]]:
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1000, "output_tokens": 1},
    }
    blocks = [
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [{"type": "thinking_delta", "thinking": "Hm"}, {"type": "signature_delta", "signature": "c2ln"}],
        ),
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in ("Hel", "lo")]),
        (
            {"type": "tool_use", "id": "call_1", "name": "read_file", "input": {}},
            [{"type": "input_json_delta", "partial_json": text} for text in ARGUMENTS],
        ),
    ]
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": "tool_use", "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": end, "usage": {"output_tokens": 100}}, {"type": "message_stop"}]


def _responses() -> list[dict[str, Any]]:
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-4o",
        "status": "in_progress",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    usage = {
        "input_tokens": 1000,
        "output_tokens": 100,
        "total_tokens": 1100,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    thought = {"type": "reasoning", "id": "rs_1", "summary": []}
    message = {"type": "message", "id": "m_1", "role": "assistant", "status": "in_progress", "content": []}
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "read_file", "arguments": ""}
    part = {"type": "output_text", "text": "", "annotations": []}
    text = {"item_id": "m_1", "output_index": 1, "content_index": 0}
    done = [
        thought | {"summary": [{"type": "summary_text", "text": "Hm"}]},
        message | {"status": "completed", "content": [part | {"text": "Hello"}]},
        call | {"arguments": "".join(ARGUMENTS), "status": "completed"},
    ]
    summary = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": thought},
        {"type": "response.reasoning_summary_part.added", **summary, "part": {"type": "summary_text", "text": ""}},
        {"type": "response.reasoning_summary_text.delta", **summary, "delta": "Hm"},
        {"type": "response.output_item.done", "output_index": 0, "item": done[0]},
        {"type": "response.output_item.added", "output_index": 1, "item": message},
        {"type": "response.content_part.added", **text, "part": part},
        *({"type": "response.output_text.delta", **text, "delta": delta, "logprobs": []} for delta in ("Hel", "lo")),
        {"type": "response.output_item.done", "output_index": 1, "item": done[1]},
        {"type": "response.output_item.added", "output_index": 2, "item": call},
        *(
            {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 2, "delta": delta}
            for delta in ARGUMENTS
        ),
        {"type": "response.output_item.done", "output_index": 2, "item": done[2]},
        {
            "type": "response.completed",
            "response": response | {"status": "completed", "output": done, "usage": usage},
        },
    ]
    return [event | {"sequence_number": number} for number, event in enumerate(events)]


def _google() -> list[dict[str, Any]]:
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
    call = {"functionCall": {"id": "call_1", "name": "read_file", "args": {"path": "a.py"}}}
    parts = [{"text": "Hm", "thought": True}, {"text": "Hel"}, {"text": "lo"}, call]
    said: list[dict[str, Any]] = [{"content": {"role": "model", "parts": [part]}, "index": 0} for part in parts]
    said.append({"content": {"role": "model", "parts": []}, "index": 0, "finishReason": "STOP"})
    return [
        {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "usageMetadata": usage} for candidate in said
    ]


def _converse() -> list[bytes]:
    call = {"toolUse": {"toolUseId": "call_1", "name": "read_file"}}
    return [
        _amazon_event("messageStart", {"role": "assistant"}),
        _amazon_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm"}}}),
        _amazon_event("contentBlockStop", {"contentBlockIndex": 0}),
        *(
            _amazon_event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": text}})
            for text in ("Hel", "lo")
        ),
        _amazon_event("contentBlockStop", {"contentBlockIndex": 1}),
        _amazon_event("contentBlockStart", {"contentBlockIndex": 2, "start": call}),
        *(
            _amazon_event("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": text}}})
            for text in ARGUMENTS
        ),
        _amazon_event("contentBlockStop", {"contentBlockIndex": 2}),
        _amazon_event("messageStop", {"stopReason": "tool_use"}),
        _amazon_event("metadata", {"usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100}}),
    ]


def _amazon_event(kind: str, body: dict[str, Any]) -> bytes:
    """One message of Amazon's binary event stream: lengths, their checksum, headers, payload, checksum of all."""
    names = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in names.items()
    )
    payload = json.dumps(body).encode()
    prelude = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", binascii.crc32(message))


def _chat() -> list[dict[str, Any]]:
    call: dict[str, Any] = {"index": 0, "id": "call_1", "type": "function"}
    calls = [
        call | {"function": {"name": "read_file", "arguments": ARGUMENTS[0]}},
        {"index": 0, "function": {"arguments": ARGUMENTS[1]}},
    ]
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    return [
        chat({"role": "assistant", "content": "Hel"}),
        chat({"content": "lo"}),
        *(chat({"tool_calls": [part]}) for part in calls),
        chat({}, finish="tool_calls", usage=usage),
    ]


FORMATS = {
    "anthropic": Format("claude-sonnet-5-5", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", _anthropic(), 0.003, KEY),
    "openai": Format("gpt-4o", "OPENAI_API_KEY", "OPENAI_BASE_URL", _responses(), 0.0035, f"Bearer {KEY}"),
    "google": Format(
        "gemini-2.5-flash",
        "GEMINI_API_KEY",
        "GOOGLE_GEMINI_BASE_URL",
        _google(),
        0.00055,
        f"x-goog-api-key: {KEY}",
        whole_arguments=True,
    ),
    "bedrock": Format(
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        _converse(),
        0.00495,
        "AKIA0123456789",
    ),
    "openai-compatible": Format(
        "some-model", "OPENAI_API_KEY", "OPENAI_BASE_URL", _chat(), None, f"Bearer {KEY}", reasons=False
    ),
}
