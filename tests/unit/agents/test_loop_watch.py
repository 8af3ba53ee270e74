"""When an agent gets nowhere: noticed once, then once more, and forgotten when it does something new."""

from vgproject.agents.loop_watch import Done, LoopWatch, Notice


def notices(watch: LoopWatch, *turns: list[Done]) -> list[tuple[str, int, bool] | None]:
    return [as_tuple(watch.take_turn(turn)) for turn in turns]


def as_tuple(notice: Notice | None) -> tuple[str, int, bool] | None:
    return (notice.kind, notice.times, notice.again) if notice else None


READ = Done("read_file", "a", "text")
OTHER = Done("read_file", "b", "text")
CHANGE = Done("edit_file", "a", "Edited", changed_files=True)


def test_the_third_same_call_in_a_row_is_noticed_and_after_three_more_again() -> None:
    watch = LoopWatch(repeated_calls=3, idle_turns=100)
    expected = [None, None, ("repeated_call", 3, False), None, None, ("repeated_call", 6, True)]
    assert notices(watch, *[[READ]] * 6) == expected
    assert notices(watch, *[[READ]] * 3) == [None, None, ("repeated_call", 3, False)]


def test_another_call_or_another_result_begins_the_count_anew() -> None:
    watch = LoopWatch(repeated_calls=3, idle_turns=100)
    new = Done("read_file", "a", "other text")
    assert notices(watch, [READ], [READ], [new], [READ], [READ]) == [None] * 5


def test_to_look_again_at_what_still_runs_is_no_repetition() -> None:
    waiting = Done("read_output", "c", "It still runs.", waits=True)
    assert notices(LoopWatch(repeated_calls=2, idle_turns=2), *[[waiting]] * 9) == [None] * 9


def test_calls_of_one_turn_count_too() -> None:
    assert notices(LoopWatch(repeated_calls=3, idle_turns=100), [READ] * 3) == [("repeated_call", 3, False)]


def test_turns_that_find_nothing_new_are_noticed_and_a_change_is_progress() -> None:
    watch = LoopWatch(repeated_calls=100, idle_turns=2)
    turns = [[READ], [OTHER], [READ], [OTHER], [READ], [CHANGE], [CHANGE], [READ], [OTHER]]
    noticed = notices(watch, *turns)
    assert noticed == [None, None, None, ("no_progress", 2, False), None, None, None, None, ("no_progress", 2, False)]


def test_turns_without_any_call_bring_nothing() -> None:
    watch = LoopWatch(repeated_calls=3, idle_turns=2)
    assert notices(watch, [READ], [], [], [], []) == [
        None,
        None,
        ("no_progress", 2, False),
        None,
        ("no_progress", 4, True),
    ]
