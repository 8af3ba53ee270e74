"""A conversation that has grown too long: what is dropped, and what stays whatever happens."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from vgproject.agents.compaction import KEPT_TURNS, compact, estimate_tokens

Turn = tuple[list[tuple[int, int]], str]
"""The sizes of each call's arguments and result, and what a person said afterwards."""

TURNS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 9_000)), max_size=3),
        st.sampled_from(["", "Hurry up."]),
    ),
    max_size=30,
)


def conversation(turns: list[Turn]) -> list[ModelMessage]:
    """Requests and replies in turn, as the loop has them before a model call."""
    messages: list[ModelMessage] = []
    request = ModelRequest(parts=[UserPromptPart("The task.")])
    for turn, (calls, said) in enumerate(turns):
        parts = [ToolCallPart("tool", {"a": "x" * size}, f"{turn}/{n}") for n, (size, _) in enumerate(calls)]
        messages += [request, ModelResponse(parts=[ThinkingPart("hm"), TextPart("Well."), *parts])]
        results = [ToolReturnPart("tool", "y" * size, f"{turn}/{n}") for n, (_, size) in enumerate(calls)]
        request = ModelRequest(parts=[*results, *([UserPromptPart(said)] if said or not results else [])])
    return messages


def said_by_people(messages: list[ModelMessage]) -> list[str]:
    parts = [part for message in messages for part in message.parts if isinstance(part, UserPromptPart)]
    return [str(part.content) for part in parts if part.content in ("The task.", "Hurry up.")]


def check_calls_are_answered(messages: list[ModelMessage]) -> None:
    for request, reply in zip(messages[::2], messages[1::2], strict=True):
        assert isinstance(request, ModelRequest)
        assert isinstance(reply, ModelResponse)
    for reply, answer in zip(messages[1::2], messages[2::2], strict=False):
        called = {part.tool_call_id for part in reply.parts if isinstance(part, ToolCallPart)}
        answered = {part.tool_call_id for part in answer.parts if isinstance(part, ToolReturnPart)}
        assert answered == called
    assert not any(isinstance(part, ToolReturnPart) for part in messages[0].parts)


@given(TURNS, st.integers(100, 20_000))
def test_whatever_is_dropped_calls_keep_their_answers_and_people_their_words(turns: list[Turn], limit: int) -> None:
    before = conversation(turns)
    compacted = compact(before, limit)
    if compacted is None:
        assert estimate_tokens(before) <= limit or len(before) <= 2 * (KEPT_TURNS + 1)
        return
    assert compacted.tokens_after < compacted.tokens_before
    assert compacted.dropped
    check_calls_are_answered(compacted.history)
    assert said_by_people(compacted.history) == said_by_people(before)
    assert compacted.history[-2 * KEPT_TURNS + 1 :] == before[-2 * KEPT_TURNS + 1 :]


def test_long_results_go_before_turns() -> None:
    before = conversation([([(10, 8_000)], "")] * 10)
    compacted = compact(before, 15_000)
    assert compacted is not None
    assert len(compacted.history) == len(before)
    assert compacted.dropped[0] == "The result of tool, 8000 characters."
    assert compacted.tokens_after <= 0.6 * 15_000


def test_turns_go_where_that_is_not_enough() -> None:
    compacted = compact(conversation([([(300, 300)], "")] * 200), 10_000)
    assert compacted is not None
    assert compacted.tokens_after <= 0.6 * 10_000
    assert "Earlier you called" in str(compacted.history[0].parts[1])
