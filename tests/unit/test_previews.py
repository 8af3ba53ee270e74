"""Data too large for its frame: what is shown in its place still loads as its type."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vgproject.schema.agent_outputs import PlanStep
from vgproject.schema.base import EventData, JsonObject
from vgproject.schema.events import EVENTS, RecalledEntry
from vgproject.schema.previews import MAX_DATA_BYTES, preview
from vgproject.schema.settings import SessionSettings

TEXTS = st.text(alphabet="~a€", min_size=1, max_size=8).map(lambda text: f"~{text}")
VALUES = st.recursive(TEXTS | st.integers(0, 2**50), lambda inner: st.lists(inner, max_size=3), max_leaves=5)
MOST_ITEMS = 50
"""As many as a plan may have steps."""
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)


def enlarge(value: Any, times: int) -> Any:
    """A long text for a short one, and a long list for a short one; a word that is one of a few stays."""
    match value:
        case dict():
            return {key: enlarge(item, times) for key, item in value.items()}
        case list():
            return ([enlarge(item, times) for item in value] * 60)[:MOST_ITEMS]
        case str() if value.startswith("~"):
            return value * times
        case _:
            return value


def examples(kind: type[EventData]) -> st.SearchStrategy[EventData]:
    free = {name: OBJECTS for name, field in kind.model_fields.items() if field.annotation == JsonObject}
    return st.builds(kind, **free)


@pytest.fixture(scope="module", autouse=True)
def plain_texts() -> None:
    st.register_type_strategy(str, TEXTS)
    st.register_type_strategy(int, st.integers(0, 2**50))
    short = {"memory_id": st.just("mem_1"), "kind": st.just("key_fact"), "file_now": st.none()}
    recalled = st.builds(RecalledEntry, **short, place=st.none(), origin=st.none(), conflicts_with=st.just([]))
    st.register_type_strategy(RecalledEntry, recalled)
    st.register_type_strategy(PlanStep, st.builds(PlanStep, id=st.just("1"), title=st.just("Mend")))
    st.register_type_strategy(SessionSettings, st.just(SessionSettings()))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: str(kind.type))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data(), times=st.integers(1, 200))
def test_it_loads_as_its_type(kind: type[EventData], data: st.DataObject, times: int) -> None:
    example = data.draw(examples(kind))
    large = kind.model_validate(enlarge(example.model_dump(mode="json"), times))
    shown = preview(type(large), large.model_dump(mode="json"))
    assert kind.model_validate(shown).model_dump(mode="json").keys() == shown.keys()
    assert len(orjson.dumps(shown)) <= MAX_DATA_BYTES
