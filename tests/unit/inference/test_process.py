"""The model process answers, is bounded, and is replaced when it falls."""

import os
import signal
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from aegle.demo.pictures import draw
from aegle.errors import BadBundle, Unreadable
from aegle.inference.blocks import Block
from aegle.inference.bundle import Bundle
from aegle.inference.pixels import PixelFormat
from aegle.inference.process import Limits, ModelProcess

NATIVE = "1.2.840.10008.1.2.1"
PICTURE = draw(256, 128, mpp=1.0, finding="HSIL", seed=2).pixels


@pytest.fixture
def own(bundle: Bundle) -> Iterator[ModelProcess]:
    with ModelProcess(bundle.model, bundle.card, Limits(seconds=20)) as process:
        yield process


def block(height_px: int = 128, width_px: int = 256) -> Block:
    form = PixelFormat(transfer_syntax=NATIVE, rows=height_px, columns=width_px, samples=3, photometric="RGB", bits=8)
    return Block(
        height_px=height_px, width_px=width_px, places=((0, 0),), stored=form, scale=1.0, tile_px=128, stride_px=16
    )


def test_a_block_gives_a_row_a_tile_and_a_cell_a_stride(process: ModelProcess) -> None:
    reading = process.read(block(), [PICTURE.tobytes()])
    assert reading.probability.shape == (2, 3)
    assert reading.evidence.shape == (2, 8, 16)
    assert np.allclose(reading.probability.sum(axis=1), 1, atol=1e-5)
    assert reading.measures.pixels == 128 * 256


def test_the_same_block_gives_the_same_numbers(process: ModelProcess) -> None:
    first, second = (process.read(block(), [PICTURE.tobytes()]) for _ in range(2))
    assert np.array_equal(first.probability, second.probability)
    assert first.measures == second.measures


def test_a_harmed_frame_is_refused_and_the_process_lives_on(process: ModelProcess) -> None:
    before = process.pid
    with pytest.raises(Unreadable, match="cut short"):
        process.read(block(), [b"short"])
    process.read(block(), [PICTURE.tobytes()])
    assert process.pid == before or before is None


def test_a_killed_child_is_replaced_within_the_call(own: ModelProcess) -> None:
    own.read(block(), [PICTURE.tobytes()])
    dead = own.pid
    assert dead is not None
    os.kill(dead, signal.SIGKILL)
    assert own.read(block(), [PICTURE.tobytes()]).probability.shape == (2, 3)
    assert own.pid != dead


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
def test_a_child_that_does_not_answer_is_killed_and_replaced(bundle: Bundle) -> None:
    with ModelProcess(bundle.model, bundle.card, Limits(seconds=5)) as process:
        process.read(block(), [PICTURE.tobytes()])
        stopped = process.pid
        assert stopped is not None
        os.kill(stopped, signal.SIGSTOP)
        process.read(block(), [PICTURE.tobytes()])
        assert process.pid != stopped


def test_a_picture_over_the_bound_is_refused(bundle: Bundle) -> None:
    small = ModelProcess(bundle.model, bundle.card, Limits(max_pixels=1000))
    with small, pytest.raises(Unreadable, match="over the bound"):
        small.read(block(), [PICTURE.tobytes()])


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is enforced on Linux")
def test_a_picture_that_eats_memory_is_refused_and_the_worker_lives(bundle: Bundle) -> None:
    side = 7000
    with ModelProcess(bundle.model, bundle.card, Limits(memory_bytes=1 << 30)) as process:
        with pytest.raises(Unreadable):
            process.read(block(side, side), [bytes(side * side * 3)])
        assert process.read(block(), [PICTURE.tobytes()]).probability.shape == (2, 3)


def test_a_model_that_is_none_is_a_bad_bundle(bundle: Bundle) -> None:
    with ModelProcess(b"not a model", bundle.card) as process, pytest.raises(BadBundle, match="does not load"):
        process.read(block(), [PICTURE.tobytes()])


def test_tiles_of_a_wrong_shape_are_a_bad_bundle(process: ModelProcess) -> None:
    with pytest.raises(BadBundle, match="does not run"):
        process.run(np.zeros((1, 128, 128, 4), np.uint8))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_child_inherits_no_secret(own: ModelProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGLE_SECRET_OF_THE_TEST", "canary-value")
    own.read(block(), [PICTURE.tobytes()])
    with open(f"/proc/{own.pid}/environ", "rb") as stream:
        assert b"canary-value" not in stream.read()


def test_closing_twice_is_harmless(bundle: Bundle) -> None:
    process = ModelProcess(bundle.model, bundle.card)
    process.close()
    process.close()
    assert process.pid is None
