import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from vgproject.text_frame import TextFrame, pack


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 300_000])
def test_a_frame_is_as_the_websockets_library_makes_it(size: int) -> None:
    payload = b"x" * size
    assert TextFrame(payload).wire == Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(st.lists(st.text(max_size=40), max_size=30), st.integers(10, 100))
def test_frames_of_many_objects_have_all_in_order_and_only_a_single_one_is_larger_than_wanted(
    words: list[str], max_bytes: int
) -> None:
    frames = list(pack([json.dumps({"w": word}).encode() for word in words], max_bytes))
    together = [json.loads(frame) for frame in frames]
    assert [one["w"] for some in together for one in (some if isinstance(some, list) else [some])] == words
    assert all(
        len(frame) <= max_bytes + 2 for frame, some in zip(frames, together, strict=True) if isinstance(some, list)
    )
