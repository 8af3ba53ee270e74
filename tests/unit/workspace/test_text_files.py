import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgproject.workspace.text_files import TextFile, decode, media_type, split_lines


@pytest.mark.parametrize(
    ("content", "encoding", "line_ends"),
    [
        (b"", "utf-8", "LF"),
        ("ä\n".encode(), "utf-8", "LF"),
        (b"\xef\xbb\xbfa\r\nb\r\n", "utf-8-sig", "CRLF"),
        ("\ufeffa\r\n".encode("utf-16-le"), "utf-16-le", "CRLF"),
        ("\ufeffa\n".encode("utf-16-be"), "utf-16-be", "LF"),
        (b"caf\xe9\r\nb\n", "latin-1", "mixed"),
        (b"\x1b[1mbold\x1b[0m\n", "utf-8", "LF"),
        (b"a\rb\r", "utf-8", "CR"),
    ],
)
def test_text_is_known_by_its_mark_its_bytes_and_its_line_ends(content: bytes, encoding: str, line_ends: str) -> None:
    file = decode(content)
    assert file is not None
    assert (file.encoding, file.line_ends) == (encoding, line_ends)


@pytest.mark.parametrize("content", [b"a\0b", b"\x89PNG\r\n\x1a\n", b"\xff\xfea", b"\xe9\x01\x02", b"\xef\xbb\xbf\xff"])
def test_what_is_no_text_is_binary(content: bytes) -> None:
    assert decode(content) is None


@given(
    st.binary(max_size=60)
    | st.text(max_size=30).map(str.encode)
    | st.text().map(lambda text: ("\ufeff" + text).encode("utf-16-le"))
)
def test_what_is_decoded_encodes_to_the_same_bytes(content: bytes) -> None:
    file = decode(content)
    assert file is None or file.encode() == content


def test_lines_are_counted_as_editors_do() -> None:
    assert split_lines("a\r\n\x0cb\u2028c\n\nd") == ["a", "\x0cb\u2028c", "", "d"]
    assert split_lines("") == []
    assert split_lines("a\rb\r") == ["a", "b"]
    assert TextFile("a\r\nb\n").line_end == "\n"


def test_a_binary_file_is_named_by_its_first_bytes_else_by_its_name() -> None:
    assert media_type("x", b"\x89PNG\r\n") == "image/png"
    assert media_type("x.woff2", b"\0") == "font/woff2"
    assert media_type("x", b"\0") == "application/octet-stream"
