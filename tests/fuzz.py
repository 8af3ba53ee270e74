"""Values made from JSON schemas: right ones, and ones that are nearly right."""

import os
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Schema = Mapping[str, Any]

LONG = os.environ.get("VGPROJECT_FUZZ_EXAMPLES")
"""How many examples of each kind instead of the few of the suite; then they are other ones each time."""
SESSION, MEMORY = "ses_that_is_here", "mem_that_is_here"
"""In the place of ids that are known only when the server runs: values are made before, while nothing else runs."""
NAMES: Mapping[str, Any] = {
    "session_id": [SESSION, SESSION, None, "ses_none"],
    "memory_id": [MEMORY, "mem_none"],
    "project": [None],
    "token": [None, "vgp_wrong"],
    "model": ["scripted:none", "nonsense"],
    "models": [{"research": "nonsense"}],
    "force": [False],
}
"""No directory of the machine is named to a server, and no task is given to a model that is there."""
NASTY_TEXTS = (
    "",
    "\0",
    "\ud800",
    "a\nb",
    "x" * 5_000,
    "../../etc/passwd",
    "%00",
    "🙂",
    "ses_none",
    "*",
    "'\"--",
    "\x1b[2J",
)
NASTY_NUMBERS = (0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**40, -(10**40), 1e308, -0.0, 0.5)
MOST_DEEP = 4


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


NASTY: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.sampled_from([*NASTY_NUMBERS, *NASTY_TEXTS, [], {}, deep(50), {"a": deep(5)}])
)


def values_for(schema: Schema, schemas: Mapping[str, Schema], *, depth: int = 0) -> st.SearchStrategy[Any]:
    """Mostly right for ``schema``. What `NAMES` has is taken from there."""
    if reference := schema.get("$ref"):
        return values_for(schemas[reference.rpartition("/")[2]], schemas, depth=depth)
    if choices := schema.get("enum") or [schema[name] for name in ("const",) if name in schema]:
        return st.sampled_from(choices)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of(*(values_for(one, schemas, depth=depth) for one in schema[several]))
    if schema.get("type") == "object":
        return _objects(schema, schemas, depth)
    if schema.get("type") == "array":
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", 3), 3)
        items = values_for(schema.get("items", {}), schemas, depth=depth + 1)
        return st.lists(items, min_size=least, max_size=0 if depth > MOST_DEEP else max(least, most))
    return _simple(schema)


def _simple(schema: Schema) -> st.SearchStrategy[Any]:
    match schema.get("type"):
        case "integer":
            return st.integers(schema.get("minimum", -10), schema.get("maximum", 2**40)) | st.integers(1, 5)
        case "number":
            return st.floats(0.001, 1_000) | st.integers(1, 100)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "string":
            return st.sampled_from(["a", "Water is wet.", "never", "key_fact", "x" * schema.get("minLength", 1)])
    return st.sampled_from([1, "a", None, {}])


def _objects(schema: Schema, schemas: Mapping[str, Schema], depth: int) -> st.SearchStrategy[Any]:
    fields = {
        name: st.sampled_from(NAMES[name]) if name in NAMES else values_for(field, schemas, depth=depth + 1)
        for name, field in schema.get("properties", {}).items()
    }
    required = set(schema.get("required", ())) | ({"type"} & set(fields))
    optional = {name: field for name, field in fields.items() if name not in required and depth <= MOST_DEEP}
    return st.fixed_dictionaries({name: fields[name] for name in required if name in fields}, optional=optional)


@st.composite
def broken(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Any:
    """A value with one thing wrong in it, at the top or one below."""
    value = draw(values)
    if not isinstance(value, dict) or draw(st.integers(0, 9)) == 0:
        return draw(NASTY)
    changed = dict(value)
    name = draw(st.sampled_from([*changed, "zzz"]))
    if draw(st.booleans()) or name not in changed:
        changed[name] = draw(NASTY)
    elif isinstance(changed[name], dict):
        changed[name] = draw(broken(st.just(changed[name])))
    else:
        del changed[name]
    return changed


def collect(values: st.SearchStrategy[Any], count: int) -> list[Any]:
    """The same each time, unless more are wished."""
    found: list[Any] = []

    @settings(
        max_examples=int(LONG or count),
        derandomize=LONG is None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(values)
    def take(value: Any) -> None:
        found.append(value)

    take()
    return found
