"""The pipe's messages have an inverse, and hostile bytes end it cleanly."""

import io
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegle.inference.messages import Ended, Message, arrays_in, arrays_message, receive, send


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers() | st.text("aé")), st.lists(st.binary(max_size=50), max_size=4)
)
def test_what_is_sent_is_received(head: dict[str, object], buffers: list[bytes]) -> None:
    stream = io.BytesIO()
    send(stream, Message(head=head, buffers=tuple(buffers)))
    stream.seek(0)
    got = receive(stream)
    assert (got.head, list(got.buffers)) == (head, buffers)


@given(st.binary(max_size=100))
def test_other_bytes_end_the_pipe(content: bytes) -> None:
    with suppress(Ended):
        receive(io.BytesIO(content))


def test_arrays_come_back_as_they_were() -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones((1, 2), np.uint8)}
    got = arrays_in(arrays_message(arrays))
    assert all(np.array_equal(got[name], arrays[name]) for name in arrays)


def test_arrays_that_do_not_fit_their_shape_end_the_pipe() -> None:
    with pytest.raises(Ended):
        arrays_in(Message(head={"arrays": {"a": ["<f4", [5]]}}, buffers=(b"1234",)))
