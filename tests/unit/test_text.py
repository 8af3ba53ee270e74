import json

from vgproject.cli.live import JsonView
from vgproject.utils.text import to_json, without_controls

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
