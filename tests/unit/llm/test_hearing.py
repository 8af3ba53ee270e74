"""What is passed on of a stream: every character once, at its offset, whatever else the stream holds."""

import json

from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    FinalResultEvent,
    ModelResponseStreamEvent,
    NativeToolCallPart,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)

from notes import Notes
from vgproject.llm.providers import Hearing


def heard(*events: ModelResponseStreamEvent) -> list[tuple[str, str, int]]:
    notes = Notes()
    hearing = Hearing(notes)
    for event in events:
        hearing.take(event)
    return notes.heard


def test_offsets_go_on_over_several_texts_of_one_reply() -> None:
    assert heard(
        PartStartEvent(index=0, part=TextPart("One")),
        PartEndEvent(index=0, part=TextPart("One")),
        PartStartEvent(index=1, part=TextPart("")),
        PartDeltaEvent(index=1, delta=TextPartDelta(" two")),
    ) == [("text", "One", 0), ("text", " two", 3)]


def test_a_signature_and_hidden_thinking_are_not_heard() -> None:
    hidden = ThinkingPart("", id="redacted_thinking", signature="c2VjcmV0", provider_name="anthropic")
    assert heard(
        PartStartEvent(index=0, part=ThinkingPart("Hm")),
        PartDeltaEvent(index=0, delta=ThinkingPartDelta(signature_delta="c2ln")),
        PartStartEvent(index=1, part=hidden),
        PartStartEvent(index=2, part=ThinkingPart("", signature="c2ln")),
        PartDeltaEvent(index=2, delta=ThinkingPartDelta(content_delta="m.")),
    ) == [("reasoning", "Hm", 0), ("reasoning", "m.", 2)]


def test_what_the_provider_does_itself_is_not_a_call_of_ours() -> None:
    search = NativeToolCallPart("web_search", {"query": "x"}, tool_call_id="s1")
    assert (
        heard(
            PartStartEvent(index=0, part=search),
            PartDeltaEvent(index=0, delta=ToolCallPartDelta(args_delta='{"a"', tool_call_id="s1")),
            FinalResultEvent(tool_name=None, tool_call_id=None),
        )
        == []
    )


def test_arguments_that_come_as_a_value_are_heard_as_text() -> None:
    assert heard(PartStartEvent(index=0, part=ToolCallPart("read_file", {"path": "ä.py"}, "c1"))) == [
        ("read_file", '{"path": "ä.py"}', 0)
    ]


@given(
    arguments=st.lists(st.dictionaries(st.text(), st.text(max_size=20)).map(json.dumps), min_size=1, max_size=4),
    data=st.data(),
)
def test_calls_in_parallel_are_told_apart_however_they_interleave(arguments: list[str], data: st.DataObject) -> None:
    events: list[ModelResponseStreamEvent] = [
        PartStartEvent(index=index, part=ToolCallPart(f"tool{index}", None, f"c{index}"))
        for index in range(len(arguments))
    ]
    turns = [index for index, text in enumerate(arguments) for _ in text]
    said = [0] * len(arguments)
    for index in data.draw(st.permutations(turns)):
        character = arguments[index][said[index]]
        said[index] += 1
        events.append(PartDeltaEvent(index=index, delta=ToolCallPartDelta(args_delta=character)))
    notes = heard(*events)
    for index, text in enumerate(arguments):
        pieces = [(piece, offset) for tool, piece, offset in notes if tool == f"tool{index}"]
        assert "".join(piece for piece, _ in pieces) == text
        assert [offset for _, offset in pieces] == list(range(len(text)))
