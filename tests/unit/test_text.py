import json

import pytest

from vgproject.cli.live import JsonView
from vgproject.utils.text import only_colours, to_json, with_visible_controls, without_controls, without_escapes

CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))


def test_json_has_no_control_character_and_says_the_same() -> None:
    value = {"text": f"Grüße 日本{CONTROLS}", CONTROLS: [CONTROLS]}
    text = to_json(value)
    assert not set(text) & set(CONTROLS)
    assert "Grüße 日本" in text
    assert json.loads(text) == value
    assert json.loads(to_json(value, indent=2)) == value


def test_the_json_view_prints_an_event_as_one_line_without_control_characters() -> None:
    frame = {"type": "agent_message", "seq": 1, "data": {"text": CONTROLS}}
    printed: list[str] = []
    JsonView(printed.append).show(frame)
    assert not set(printed[0]) & set(CONTROLS)
    assert [json.loads(line) for line in printed] == [frame]


def test_text_for_a_terminal_keeps_its_lines_and_tabs_only() -> None:
    assert without_controls(f"a{CONTROLS}b") == "a\t\nb"


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[38;5;196mred\x1b[m", "\x1b[38;5;196mred\x1b[m"),
        ("a\x1b[2J\x1b[H\x1b[10Ab\x1b[?1049hc", "abc"),
        ("a\x1b]0;title\x07b\x1b]52;c;eA==\x1b\\c\x1bPq#0\x1b\\d", "abcd"),
        ("a\x1b]0;no end", "a"),
        ("a\x1bcb\x1b(0c\x9b2Jd", "abc2Jd"),
        ("\x1b\x1b]0;x\x07[2J", "[2J"),
        ("\x1b[\x1b[0m2J", "\x1b[0m2J"),
        ("a\x08\x00b\u202ec", "abc"),
    ],
)
def test_of_what_a_command_prints_only_colours_reach_the_terminal(printed: str, shown: str) -> None:
    assert only_colours(printed) == shown
    assert "\x1b" not in without_escapes(printed)


def test_what_a_person_decides_about_hides_nothing() -> None:
    assert with_visible_controls("rm \x1b[8m-rf\x1b[0m /\u202e\n\tx") == "rm \\x1b[8m-rf\\x1b[0m /\\u202e\n\tx"
