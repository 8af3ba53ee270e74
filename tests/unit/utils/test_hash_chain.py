"""Chained records: whatever is done to them afterwards is found, and where."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vgproject.utils.hash_chain import START, BrokenChainError, ChainCheck, canonical, hash_of

Record = dict[str, Any]
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXTS = st.sampled_from(["", "ada", "Zoë\n", "\x07", "\U0001f600", "0"])
CONTENTS = st.builds(
    lambda who, code, many: {"who": who, "code": code, "about": {who: many}}, TEXTS, st.none() | TEXTS, st.integers()
)


def chained(contents: list[Record]) -> list[Record]:
    records: list[Record] = []
    for number, content in enumerate(contents, 1):
        record = {**content, "seq": number, "previous_hash": records[-1]["hash"] if records else START}
        records.append({**record, "hash": hash_of(record)})
    return records


CHAINS = st.lists(CONTENTS, min_size=2, max_size=5).map(chained)


def check(records: list[Record], known: dict[int, str] | None = None, *, after: int = 0) -> ChainCheck:
    chain = ChainCheck("seq", after=after, known=known)
    for record in records:
        chain.take(record)
    chain.finish()
    return chain


@patiently
@given(CHAINS, st.data())
def test_a_chain_and_any_part_of_it_without_holes_is_right(records: list[Record], data: st.DataObject) -> None:
    after = data.draw(st.integers(0, len(records) - 1))
    read = [json.loads(canonical(record)) for record in records[after:]]
    found = check(read, {len(records): records[-1]["hash"]}, after=after)
    assert (found.last, found.head) == (len(records), records[-1]["hash"])


@patiently
@given(CHAINS, st.data())
def test_any_single_tampering_is_found_at_its_place(records: list[Record], data: st.DataObject) -> None:
    head = {len(records): records[-1]["hash"]}
    place = data.draw(st.integers(0, len(records) - 1))
    tampered = [dict(record) for record in records]
    kind = data.draw(st.sampled_from(["change", "change and hash", "delete", "insert", "double", "swap"]))
    match kind:
        case "change":
            field = data.draw(st.sampled_from(sorted(records[place])))
            tampered[place][field] = data.draw(
                (CONTENTS | TEXTS | st.integers()).filter(lambda v: v != records[place][field])
            )
        case "change and hash":
            tampered[place]["who"] += "!"
            tampered[place]["hash"] = hash_of(tampered[place])
        case "delete":
            del tampered[place]
        case "insert":
            new = {**records[place], "who": records[place]["who"] + "!"}
            tampered.insert(place, {**new, "hash": hash_of(new)})
        case "double":
            tampered.insert(place, tampered[place])
        case "swap":
            other = data.draw(st.integers(0, len(records) - 1).filter(lambda other: other != place))
            tampered[place], tampered[other] = tampered[other], tampered[place]
            place = min(place, other)
    with pytest.raises(BrokenChainError) as error:
        check(tampered, head)
    assert error.value.number in (place + 1, place + 2)


@patiently
@given(CHAINS, st.data())
def test_what_is_cut_off_or_written_anew_is_found_by_a_head_that_is_known(
    records: list[Record], data: st.DataObject
) -> None:
    known = {len(records): records[-1]["hash"]}
    cut = records[: data.draw(st.integers(0, len(records) - 1))]
    assert cut == [] or check(cut)
    with pytest.raises(BrokenChainError, match=f"Record {len(records)} is missing"):
        check(cut, known)
    anew = chained([{**record, "who": record["who"] + "!"} for record in records])
    assert check(anew)
    with pytest.raises(BrokenChainError, match=f"Record {len(records)} is another"):
        check(anew, known)


@pytest.mark.parametrize("number", [None, 0, "1", 1.0, True])
def test_a_record_without_a_number_is_none(number: object) -> None:
    [record] = chained([{}])
    with pytest.raises(BrokenChainError, match="Record 1 is missing"):
        check([{**record, "seq": number}])


def test_the_hash_is_that_of_the_canonical_text_as_others_make_it() -> None:
    """The text is the example of the documentation, written by hand."""
    record = {"seq": 1, "who": "Zoë\n", "code": None, "about": {"b": 1, "a": "\x07"}, "previous_hash": START}
    text = '{"about":{"a":"\\u0007","b":1},"code":null,"previous_hash":"' + START + '","seq":1,"who":"Zoë\\n"}'
    assert hash_of({**record, "hash": "whatever"}) == hashlib.sha256(text.encode()).hexdigest()
