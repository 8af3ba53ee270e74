"""What events change in their session, apart from any database."""

import json

from hypothesis import given
from hypothesis import strategies as st

from vgproject.repositories.event_store import (
    ASKS,
    BUDGET,
    ENDS,
    SETTLES,
    NewRecord,
    StoredSession,
    session_change,
)

QUIET = ("task_started", "task_recovered", "task_paused", "task_retried", "agent_message")


def record(kind: str, task_id: str, question: str) -> NewRecord:
    asks = kind in ASKS or kind in SETTLES
    return NewRecord(
        type=kind, key=None, payload="{}", time="", task_id=task_id, content="", question=question if asks else None
    )


records = st.builds(
    record,
    st.sampled_from(["budget_exceeded", "task_resumed", *ASKS, *SETTLES, *sorted(ENDS), *QUIET]),
    st.sampled_from(["tsk_1", "tsk_11"]),
    st.sampled_from(["apr_1", "rec_1"]),
)


def is_about(event: NewRecord, task_id: str, question: str) -> bool:
    """Whether the event opens the question or closes it."""
    if event.task_id != task_id:
        return False
    if question == BUDGET:
        return event.type in {"budget_exceeded", "task_resumed", *ENDS}
    return event.type in ENDS or event.question == question


def expected(events: list[NewRecord]) -> set[str]:
    """A question is open if the last event that is about it is the one that asks."""
    found = set()
    for task_id in ("tsk_1", "tsk_11"):
        for question in ("apr_1", "rec_1", BUDGET):
            about = [event for event in events if is_about(event, task_id, question)]
            if about and about[-1].type in {"budget_exceeded", *ASKS}:
                found.add(f"{task_id}/{question}")
    return found


@given(st.lists(st.lists(records, min_size=1, max_size=6), max_size=6))
def test_a_session_waits_for_what_was_asked_and_is_neither_answered_nor_ended(commits: list[list[NewRecord]]) -> None:
    session = StoredSession(1, 0, "epoch", "[]")
    for commit in commits:
        numbered = list(enumerate(commit, start=session.head_seq + 1))
        change = session_change(session, numbered)
        session = StoredSession(1, change.head_seq, "epoch", change.waiting)
    events = [event for commit in commits for event in commit]
    assert session.head_seq == len(events)
    assert set(json.loads(session.waiting)) == expected(events)
