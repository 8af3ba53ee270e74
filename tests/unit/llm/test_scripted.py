"""The scripted model says what its file says, as a real one would; the example in the docs is one such file."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notes import Notes, make_call
from vgproject.errors import ModelError
from vgproject.llm.base import ModelReply
from vgproject.llm.llm import Llm, LlmSettings
from vgproject.llm.scripted import Reply, ScriptedBackend

DOCS = Path(__file__).parents[3] / "docs" / "scripted-models.md"


async def ask(path: Path, phase: str, turn: int) -> tuple[ModelReply, Notes]:
    notes = Notes()
    call = make_call(f"scripted:{path}")
    llm = Llm(LlmSettings(first_delay_seconds=0), {})
    reply = await llm.request(type(call)(**{**vars(call), "phase": phase, "turn": turn}), notes)
    return reply, notes


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example of the docs."""
    path = tmp_path / "script.json"
    path.write_text(DOCS.read_text().partition("```json\n")[2].partition("```")[0])
    return path


async def test_the_example_of_the_docs_fails_twice_then_says_all_of_its_first_reply(example: Path) -> None:
    reply, notes = await ask(example, "research", 0)
    assert [reason for _, _, reason in notes.retries] == ["The stream was cut.", "The model answered 429."]
    assert notes.heard_after_retry == [
        ("reasoning", "The test", 0),
        ("reasoning", " fails i", 8),
        ("reasoning", "n calc.p", 16),
        ("reasoning", "y.", 24),
        ("text", "I look a", 0),
        ("text", "t the co", 8),
        ("text", "de first", 16),
        ("text", ".", 24),
        ("read_file", '{"path":', 0),
        ("read_file", '"calc.py', 8),
        ("read_file", '"}', 16),
    ]
    assert notes.heard[:2] == notes.heard_after_retry[:2]
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.cost_usd) == (1200, 40, 0.004)


async def test_the_example_of_the_docs_goes_on_with_its_second_reply_and_repeats_the_last(example: Path) -> None:
    submitted, _ = await ask(example, "research", 1)
    assert [call.args for call in submitted.response.tool_calls] == [{"notes": "`add` subtracts."}]
    thinking, _ = await ask(example, "planning", 7)
    assert thinking.response.text == "I am still thinking."
    with pytest.raises(ModelError) as raised:
        await ask(example, "research", 2)
    assert raised.value.code == "script_exhausted"


def test_the_docs_name_every_field_of_a_reply() -> None:
    text = DOCS.read_text()
    assert [name for name in Reply.model_fields if f"`{name}`" not in text] == []


TEXTS = st.text(max_size=60)


@given(
    reasoning=TEXTS,
    text=TEXTS,
    arguments=st.lists(st.dictionaries(TEXTS, TEXTS, max_size=3), max_size=3),
    chunk_size=st.integers(1, 20),
)
async def test_every_character_is_heard_once_at_its_offset(
    tmp_path_factory: pytest.TempPathFactory,
    reasoning: str,
    text: str,
    arguments: list[dict[str, Any]],
    chunk_size: int,
) -> None:
    calls = [{"tool": f"tool{number}", "arguments": value} for number, value in enumerate(arguments)]
    reply = {"reasoning": reasoning, "text": text, "tool_calls": calls, "chunk_size": chunk_size}
    path = tmp_path_factory.mktemp("script") / "script.json"
    path.write_text(json.dumps({"phases": {"research": [reply]}}))
    notes = Notes()
    await ScriptedBackend(path).request(make_call(f"scripted:{path}"), notes, attempt=1)
    said: dict[str, str] = {}
    for who, piece, offset in notes.heard:
        assert offset == len(said.get(who, ""))
        assert 0 < len(piece) <= chunk_size
        said[who] = said.get(who, "") + piece
    assert (said.pop("reasoning", ""), said.pop("text", "")) == (reasoning, text)
    assert [json.loads(said[f"tool{number}"]) for number in range(len(arguments))] == arguments
