"""The model process: decodes pixels and runs the network. It holds no key, opens no file and no socket.

Started by `inference.process` as `python -m aegle.inference.child`; speaks `inference.messages` on its standard input
and output. Answers one message for each it gets: arrays, or `{"error": "UNREADABLE" | "BAD_BUNDLE", "detail": ...}`.
"""

import sys
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from aegle.bounds import limit_memory
from aegle.errors import BadBundle, Refused, Unreadable
from aegle.inference import blocks
from aegle.inference.blocks import Block
from aegle.inference.messages import Ended, Message, arrays_in, arrays_message, receive, send
from aegle.inference.pixels import RGB, decode
from aegle.inference.quality import measure

BATCH = 32  #: tiles a run: about 6 MB of activations each for the reference model


class Network:
    """The bundle's ONNX model with its named tensors."""

    def __init__(self, model: bytes, *, tensor: str, probability: str, evidence: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # one worker a core; the default halves two
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  the runtime raises its own classes; this is the process's edge
            raise BadBundle(f"the runtime does not load the model ({type(error).__name__})") from None
        self._tensor, self._outputs = tensor, [probability, evidence]

    def run(self, tiles: RGB) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities `[N, C]` and evidence `[N, K, g, g]`. Raises BadBundle."""
        try:
            parts = [
                self._session.run(self._outputs, {self._tensor: tiles[start : start + BATCH]})
                for start in range(0, len(tiles), BATCH)
            ]
        except Exception as error:  # noqa: BLE001  as above
            raise BadBundle(f"the model does not run ({type(error).__name__})") from None
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def read_block(network: Network, message: Message, max_pixels: int) -> Message:
    """Decode, measure and run one block. Raises Unreadable."""
    block = Block.from_facts(message.head["block"])
    if block.height_px * block.width_px * max(1.0, block.scale**2) > max_pixels:
        raise Unreadable(f"a block of {block.width_px} x {block.height_px} px is over the bound of {max_pixels} px")
    if len(message.buffers) != len(block.places):
        raise Unreadable("the archive gave another number of frames than was asked for")
    frames = [decode(frame, block.stored, max_pixels=max_pixels) for frame in message.buffers]
    picture = blocks.resample(blocks.compose(frames, block), block.scale, block.tile_px)
    height, width = picture.shape[:2]
    places = blocks.tile_places(height, width, block.tile_px, block.stride_px)
    tiles = blocks.tiles_at(picture, places, block.tile_px)
    probability, evidence = network.run(tiles)
    grid = blocks.evidence_grid(evidence, places, height, width, block.stride_px)
    return arrays_message({"probability": probability, "evidence": grid}, measures=asdict(measure(picture, tiles)))


def run_tiles(network: Network, message: Message) -> Message:
    """Run tiles as they are: the bundle's test vectors."""
    probability, evidence = network.run(arrays_in(message)["tiles"])
    return arrays_message({"probability": probability, "evidence": evidence})


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the worker closes the pipe. The first message brings the model and the limits."""
    network: Network | None = None
    max_pixels = 0
    while True:
        try:
            message = receive(requests)
        except Ended:
            return
        try:
            if network is None:
                limit_memory(int(message.head["memory_bytes"]))
                max_pixels = Image.MAX_IMAGE_PIXELS = int(message.head["max_pixels"])
                network, answer = Network(message.buffers[0], **message.head["tensors"]), Message(head={})
            elif "block" in message.head:
                answer = read_block(network, message, max_pixels)
            else:
                answer = run_tiles(network, message)
        except Refused as error:
            answer = _refusal(error)
        except MemoryError:
            answer = _refusal(Unreadable("the pixels need more memory than the model process may use"))
        send(answers, answer)


def _refusal(error: Refused) -> Message:
    head: dict[str, Any] = {"error": error.meaning.code, "detail": str(error)}
    return Message(head=head)


if __name__ == "__main__":
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # a library that prints must not break the messages
    serve(sys.stdin.buffer, answers)
