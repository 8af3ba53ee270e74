"""An entry as a Markdown file, and back."""

import math
from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from vgproject.errors import BadInputError
from vgproject.knowledge.front_matter import from_markdown, to_markdown

ANY_TEXT = st.text() | st.text(alphabet="-\n\r\t :#'\"\\&*!?|>%@`{}[],~.=<1eE+nyY\x85\u2028\ufeff\U0001f600 ")
PLAIN_LOOKALIKES = (
    "null ~ yes No true 0x1f 0o7 010 1e5 1_000 1:30 2026-11-23 .inf .nan = << --- ... +.1 &a *a !a %a @a `a"
)
SPACED_LOOKALIKES = ["", "--- a", "- a", "? a", "a: b", "a #b", "\t", " ", "\n", "a\n---\nb"]
LOOKALIKES = st.sampled_from([*PLAIN_LOOKALIKES.split(), *SPACED_LOOKALIKES])
TEXTS = ANY_TEXT | LOOKALIKES
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def same(one: JsonValue, other: JsonValue) -> bool:
    """Also the types: to Python, 1, 1.0 and True are equal."""
    return repr(_sorted(one)) == repr(_sorted(other))


def _sorted(value: JsonValue) -> JsonValue:
    match value:
        case dict():
            return {key: _sorted(value[key]) for key in sorted(value)}
        case list():
            return [_sorted(item) for item in value]
    return value


@given(st.dictionaries(TEXTS, VALUES, max_size=6), TEXTS)
def test_any_entry_comes_back_as_it_was(fields: dict[str, JsonValue], content: str) -> None:
    text = to_markdown(fields, content)
    assert text.endswith("\n")
    back, content_back = from_markdown(text.encode().decode())
    assert content_back == content
    assert same(back, fields)
    assert to_markdown(back, content_back) == text


@given(st.dictionaries(TEXTS, VALUES, max_size=6))
def test_text_is_quoted_for_other_readers_of_yaml(fields: dict[str, JsonValue]) -> None:
    front = to_markdown(fields, "").removeprefix("---\n").removesuffix("---\n\n\n")
    assert same(yaml.safe_load(front) or {}, fields)


@given(TEXTS)
def test_no_text_makes_the_reader_fail_in_another_way_than_its_own(text: str) -> None:
    for whole in (text, f"---\n{text}\n---\n"):
        with suppress(BadInputError):
            from_markdown(whole)


def test_an_entry_is_readable() -> None:
    place: JsonValue = {"path": "src/a.py", "start_line": 3}
    fields: dict[str, JsonValue] = {"tags": ["parser", "no"], "kind": "key_fact", "place": place, "note": "日本 😀"}
    assert to_markdown(fields, "The tests run with *pytest*.") == (
        "---\n"
        "kind: key_fact\n"
        "note: 日本 😀\n"
        "place:\n"
        "  path: src/a.py\n"
        "  start_line: 3\n"
        "tags:\n"
        "- parser\n"
        "- 'no'\n"
        "---\n"
        "\n"
        "The tests run with *pytest*.\n"
    )


def test_the_order_of_the_fields_makes_no_difference() -> None:
    assert to_markdown({"b": 1, "a": {"d": 2, "c": 3}}, "x") == to_markdown({"a": {"c": 3, "d": 2}, "b": 1}, "x")


@pytest.mark.parametrize(
    "content", ["", "\n", "---\nkind: x\n---\n", "a\r\nb  \r\n\r\n", "\n\n  x", "\ufeffx", "a\u2028b\x85c\rd"]
)
def test_odd_content_comes_back_exactly(content: str) -> None:
    assert from_markdown(to_markdown({"kind": "key_fact"}, content)) == ({"kind": "key_fact"}, content)
    assert from_markdown(to_markdown({}, content)) == ({}, content)


def test_what_a_person_or_an_editor_writes_is_read() -> None:
    text = (
        "\ufeff---\r\nkind: key_fact # a comment\r\nsince: 2026-01-01\r\nserve: no\r\ncount: 010\r\n---\r\nOne\r\nTwo"
    )
    assert from_markdown(text) == (
        {"kind": "key_fact", "since": "2026-01-01", "serve": "no", "count": "010"},
        "One\nTwo",
    )


def test_a_number_that_is_none_stays_one() -> None:
    fields, _ = from_markdown(to_markdown({"x": math.nan}, ""))
    assert repr(fields) == "{'x': nan}"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("The tests run with pytest.", 1, "there is no front matter"),
        ("---\nkind: key_fact\n", 1, "there is no front matter"),
        ("---\nkind: key_fact\nplace: a: b\n---\n", 3, "mapping values are not allowed here"),
        ("---\nkind: key_fact\n<<<<<<< ours\nkind: decision\n---\n", 3, "a merge conflict is not settled"),
        ("---\nkind: key_fact\nkind: decision\n---\n", 3, "the field 'kind' is here a second time"),
        ("---\n- key_fact\n---\n", 2, "here are no fields"),
        ("---\n\n1: key_fact\n---\n", 3, "the name of a field is text, not 1"),
        ("---\na: &a [x]\nb: [*a, *a]\n---\n", 3, "an alias is not allowed"),
        ("---\na: x\nb: !!python/name:os.system\n---\n", 3, "is not allowed"),
        ("---\na: !!binary aGk=\n---\n", 2, "is not allowed"),
        ("---\na: !!map x\n---\n", 2, "here are no fields"),
        ("---\na: !!seq x\n---\n", 2, "this is no list"),
        ("---\na: !!int x\n---\n", 2, "this is no whole number"),
        ("---\na: !!float x\n---\n", 2, "this is no number"),
        (f"---\na: {'9' * 5_000}\n---\n", 2, "too long for one"),
        ("---\na: x\nb: \x07\n---\n", 3, r"the character '\x07' is not allowed here"),
        (f"---\na: {'[' * 9_000}\n---\n", 2, "the fields are nested too deeply"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line_and_what_is_expected(text: str, line: int, problem: str) -> None:
    with pytest.raises(BadInputError) as raised:
        from_markdown(text, source="key_facts/a.md")
    message = raised.value.message
    assert message.startswith(f"key_facts/a.md, line {line}: ")
    assert problem in message
    assert message.endswith("begins with fields such as 'kind: key_fact' between two lines '---'.")
    assert raised.value.code == "bad_import"
    assert raised.value.details == {"line": line}
