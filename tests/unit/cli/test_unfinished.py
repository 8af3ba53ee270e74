from vgproject.cli.unfinished import Unfinished


def texts(unfinished: Unfinished, *deltas: tuple[int, str], is_message: bool = True) -> list[str]:
    return [piece.text for at, new in deltas for piece in unfinished.add("m", at, new, is_message=is_message)]


def test_whole_lines_are_given_out_once_and_the_rest_is_the_tail() -> None:
    unfinished = Unfinished(by_blocks=False)
    assert texts(unfinished, (0, "one\ntw"), (0, "one\ntwo"), (7, "\nthree\nfo")) == ["one", "two\nthree"]
    assert unfinished.tail == "fo"
    assert [piece.text for piece in unfinished.end("m", "one\ntwo\nthree\nfour")] == ["four"]
    assert unfinished.tail == ""


def test_blocks_of_markdown_are_given_out_whole_and_code_is_one_of_them() -> None:
    unfinished = Unfinished(by_blocks=True)
    assert texts(unfinished, (0, "# A\n\n```\nx\n\ny\n")) == ["# A\n"]
    assert texts(unfinished, (14, "```\n\nlast")) == ["```\nx\n\ny\n```\n"]
    assert unfinished.tail == "last"


def test_a_message_with_a_hole_waits_for_its_end_but_the_output_of_a_command_goes_on() -> None:
    unfinished = Unfinished(by_blocks=False)
    assert texts(unfinished, (0, "a\n"), (9, "lost\n")) == ["a"]
    assert [piece.text for piece in unfinished.end("m", "a\nb\nc")] == ["b\nc"]
    assert texts(unfinished, (0, "a\n"), (9, "b\n"), is_message=False) == ["a", "b"]
