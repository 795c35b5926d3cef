"""The pixel process: decodes and renders frames for a site. It holds no key and no model, opens no file and no socket.

Started by `inference.process` as `python -m aegle.inference.decoding`; speaks `inference.messages` on its standard input
and output. The first message brings the limits; each other one a frame, how it is stored, and how it is wanted.
"""

import sys
from typing import BinaryIO

from PIL import Image

from aegle.bounds import limit_memory
from aegle.errors import Refused, Unreadable
from aegle.inference.messages import Ended, Message, arrays_message, receive, send
from aegle.inference.pixels import PixelFormat, decode
from aegle.inference.rendering import Greys, Rendering, render


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the parent closes the pipe."""
    max_pixels = 0
    while True:
        try:
            message = receive(requests)
        except Ended:
            return
        if not max_pixels:
            limit_memory(int(message.head["memory_bytes"]))
            max_pixels = Image.MAX_IMAGE_PIXELS = int(message.head["max_pixels"])
            send(answers, Message(head={}))
            continue
        send(answers, _decoded(message, max_pixels))


def _decoded(message: Message, max_pixels: int) -> Message:
    try:
        stored = PixelFormat.from_facts(message.head["stored"])
        if "how" in message.head:
            greys, how = Greys(**message.head["greys"]), Rendering.from_facts(message.head["how"])
            return Message(head={}, buffers=(render(message.buffers[0], stored, greys, how, max_pixels=max_pixels),))
        return arrays_message({"pixels": decode(message.buffers[0], stored, max_pixels=max_pixels)})
    except Refused as error:
        return Message(head={"error": error.meaning.code, "detail": str(error)})
    except MemoryError:
        return Message(
            head={
                "error": Unreadable("").meaning.code,
                "detail": "the pixels need more memory than their process may use",
            }
        )


if __name__ == "__main__":
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # a library that prints must not break the messages
    serve(sys.stdin.buffer, answers)
