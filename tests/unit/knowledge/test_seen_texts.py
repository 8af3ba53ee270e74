"""Notes that were copied from what an agent was shown."""

from vgproject.knowledge import seen_texts
from vgproject.knowledge.seen_texts import SeenTexts

PAGE = "Welcome.\nThe moon is far\n  and it is very cold there.\nBye."


def test_a_note_with_a_line_of_a_page_is_the_pages() -> None:
    seen = SeenTexts()
    seen.see("tool", "Nothing of interest was found by the tool.")
    seen.see("web", PAGE)
    assert seen.source_of("The Moon is far and it   is very cold there.") == "web"
    assert seen.source_of("My note:\nand it is very cold there.\nok") == "web"
    assert seen.source_of("nothing of interest was found") == "tool"


def test_a_note_in_own_words_or_of_a_common_few_is_the_agents() -> None:
    seen = SeenTexts()
    seen.see("web", PAGE)
    assert seen.source_of("The moon is cold, as I have read.") is None
    assert seen.source_of("Welcome.") is None
    assert seen.source_of("") is None


def test_what_is_kept_of_seen_texts_has_a_bound() -> None:
    seen = SeenTexts()
    seen.see("web", PAGE)
    seen.see("tool", "x" * seen_texts.MAX_CHARACTERS)
    assert seen.source_of("The moon is far and it is very cold there.") is None
    assert seen.source_of("x" * 100) == "tool"
