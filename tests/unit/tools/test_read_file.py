import hashlib
from pathlib import Path

import pytest

from unit.tools.tool_workspace import Hands
from vgproject.errors import VgprojectError
from vgproject.tools.base import ToolResult


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    return Hands(tmp_path / "session")


async def test_a_file_is_read_with_numbers_and_what_is_known_of_it(hands: Hands) -> None:
    content = b"a\r\nb\r\n"
    (hands.root / "f").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    assert await hands.call("read_file", path="f") == ToolResult(
        f"     1\ta\n     2\tb\n(2 lines, 6 bytes, utf-8, CRLF, sha256 {digest})",
        {
            "lines": 2,
            "bytes": 6,
            "sha256": digest,
            "encoding": "utf-8",
            "line_ends": "CRLF",
            "seen": {"f": digest},
        },
    )


async def test_only_so_many_lines_and_characters_are_shown(hands: Hands) -> None:
    (hands.root / "f").write_text("x" * 5_000 + "\n" + "y\n" * 2_500)
    lines = (await hands.call("read_file", path="f")).text.splitlines()
    assert lines[0] == "     1\t" + "x" * 1_999 + "…"
    assert lines[1_999:2_001] == ["  2000\ty", "… 501 more lines: read on with offset 2001."]
    rest = (await hands.call("read_file", path="f", offset=2_001, limit=2)).text.splitlines()
    assert rest[:3] == ["  2001\ty", "  2002\ty", "… 499 more lines: read on with offset 2003."]


async def test_a_binary_file_answers_what_it_is(hands: Hands) -> None:
    (hands.root / "f").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    result = await hands.call("read_file", path="f")
    assert result.text == "'f' is binary: image/png, 10 bytes."


async def test_of_a_large_file_only_the_range_is_read(hands: Hands) -> None:
    with (hands.root / "f").open("wb") as file:
        file.write(b"first\r\n" + b"z" * 3_000_000 + b"\nthird \xc3\xa4\n")
        file.seek(5 * 1024**3)
        file.write(b"end")
    with pytest.raises(VgprojectError) as caught:
        await hands.call("read_file", path="f")
    assert caught.value.code == "too_large"
    lines = (await hands.call("read_file", path="f", offset=1, limit=3)).text.splitlines()
    assert lines[0] == "     1\tfirst"
    assert lines[1] == "     2\t" + "z" * 1_999 + "…"
    assert lines[2:] == ["     3\tthird ä", f"({5 * 1024**3 + 3} bytes, utf-8; the lines above are not all)"]


@pytest.mark.parametrize(
    ("path", "options", "code"),
    [
        ("nothing", {}, "no_such_file"),
        (".", {}, "is_directory"),
        ("/etc/passwd", {}, "outside_workspace"),
        ("a\0b", {}, "invalid_arguments"),
        ("f", {"offset": 3}, "past_the_end"),
        ("f", {"offset": 0}, "invalid_arguments"),
        ("f", {"limit": 5_000}, "invalid_arguments"),
        ("f", {"lines": 3}, "invalid_arguments"),
    ],
)
async def test_what_cannot_be_read_is_answered(hands: Hands, path: str, options: dict[str, int], code: str) -> None:
    (hands.root / "f").write_text("1\n2\n")
    with pytest.raises(VgprojectError) as caught:
        await hands.call("read_file", path=path, **options)
    assert caught.value.code == code
