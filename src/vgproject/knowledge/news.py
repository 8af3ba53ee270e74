"""Which changes of memory a running task is told of, and how."""

from collections.abc import Mapping, Sequence

from vgproject.knowledge.quoting import PREFACE, as_recalled, one_line, quote_entry
from vgproject.knowledge.recall import Question, matches
from vgproject.schema.events import RecalledEntry
from vgproject.schema.memory import ChangeKind, MemoryChange

HAPPENED: dict[ChangeKind, str] = {
    "added": "it is new",
    "merged": "it says more now",
    "updated": "it was edited, and this is how it reads now",
    "superseded": "another entry has taken its place, so do not rely on it any more",
    "forgotten": "it was forgotten, so do not rely on it any more",
    "restored": "it holds again",
    "conflicting": "another entry contradicts it",
    "settled": "what contradicted it is settled",
}


def choose_news(
    changes: Sequence[MemoryChange], told: Mapping[str, str], question: Question, *, session_id: str
) -> list[RecalledEntry]:
    """What is new for a task of ``session_id``: of the entries that it was ``told``, whose text is given by their id,
    all that others have changed; of others what has to do with the task. The last version of each, those told first.
    """
    news: dict[str, RecalledEntry] = {}
    for change in changes:
        entry = change.entry
        if change.origin.session_id == session_id:
            continue
        news.pop(entry.memory_id, None)
        if _is_news(change, told, question):
            news[entry.memory_id] = as_recalled(entry, _reason(change))
    return sorted(news.values(), key=lambda entry: entry.memory_id not in told)


def quote_news(entries: Sequence[RecalledEntry]) -> str:
    quoted = [f"{entry.reason}\n{quote_entry(entry)}" for entry in entries]
    return "\n\n".join([f"Memory was changed by others while you work. {PREFACE}", *quoted])


def _is_news(change: MemoryChange, told: Mapping[str, str], question: Question) -> bool:
    entry = change.entry
    if entry.memory_id not in told:
        return entry.status == "active" and matches(question, entry)
    said_again = change.change == "merged" and told[entry.memory_id] == entry.content
    return not said_again


def _reason(change: MemoryChange) -> str:
    # What a model gave as its reason may have been copied from anywhere.
    why = f" ({one_line(change.reason)})" if change.reason and change.actor.kind == "user" else ""
    return f"Changed by {one_line(change.actor.id, 80)}: {HAPPENED[change.change]}{why}."
