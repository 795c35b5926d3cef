"""A peer that says what a test tells it to, byte by byte."""

import socket
import struct
from pathlib import Path

import pydicom

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def context(number: int, abstract: str, *syntaxes: str) -> bytes:
    inner = item(0x30, abstract.encode()) + b"".join(item(0x40, syntax.encode()) for syntax in syntaxes)
    return item(0x20, bytes((number, 0, 0, 0)) + inner)


CONTEXTS = context(1, CT_CLASS, EXPLICIT) + context(3, VERIFICATION, EXPLICIT)


def request(
    contexts: bytes = CONTEXTS,
    called: str = "ST-ANNA",
    calling: str = "PACS",
    version: int = 1,
    application: str = "1.2.840.10008.3.1.1.1",
) -> bytes:
    titles = called.ljust(16).encode() + calling.ljust(16).encode()
    user = item(0x50, item(0x51, struct.pack(">I", 16_384)) + item(0x52, b"1.2.3"))
    return pdu(
        1, struct.pack(">HH", version, 0) + titles + bytes(32) + item(0x10, application.encode()) + contexts + user
    )


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def command(field: int, sop_class: str = CT_CLASS, sop_instance: str = "1.2.3.4", data: bool = True) -> bytes:
    parts = (
        element(0x0002, sop_class.encode() + b"\0" * (len(sop_class) % 2)),
        element(0x0100, struct.pack("<H", field)),
        element(0x0110, struct.pack("<H", 7)),
        element(0x0700, struct.pack("<H", 0)),
        element(0x0800, struct.pack("<H", 1 if data else 0x0101)),
        element(0x1000, sop_instance.encode() + b"\0" * (len(sop_instance) % 2)) if sop_instance else b"",
    )
    return element(0, struct.pack("<I", len(b"".join(parts)))) + b"".join(parts)


def value(content: bytes, *, number: int = 1, flags: int) -> bytes:
    return struct.pack(">IBB", len(content) + 2, number, flags) + content


def data(*values: bytes) -> bytes:
    return pdu(4, b"".join(values))


def data_set(path: Path) -> bytes:
    """What follows the file meta information."""
    content = path.read_bytes()
    return content[144 + int(pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength) :]


def store(content: bytes, step: int = 16_000, **named: str) -> bytes:
    parts = [content[at : at + step] for at in range(0, len(content), step)]
    sent = [data(value(part, flags=2 if at == len(parts) - 1 else 0)) for at, part in enumerate(parts)]
    return data(value(command(1, **named), flags=3)) + b"".join(sent)


RELEASE = pdu(5, bytes(4))


class RawPeer:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)

    def __enter__(self) -> "RawPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, content: bytes) -> None:
        self.socket.sendall(content)

    def hear(self) -> tuple[int, bytes] | None:
        """The next PDU; None when the door has closed."""
        header = self._exactly(6)
        if header is None:
            return None
        return header[0], self._exactly(int.from_bytes(header[2:], "big")) or b""

    def ask(self, content: bytes) -> tuple[int, bytes] | None:
        self.say(content)
        return self.hear()

    def status(self) -> int:
        """Of the response that comes next."""
        kind, body = self.hear() or (0, b"")
        assert kind == 4
        at = body.index(struct.pack("<HHI", 0, 0x0900, 2)) + 8
        return int.from_bytes(body[at : at + 2], "little")

    def is_closed(self) -> bool:
        try:
            return self.hear() is None
        except ConnectionError:
            return True

    def _exactly(self, count: int) -> bytes | None:
        content = b""
        while len(content) < count:
            part = self.socket.recv(count - len(content))
            if not part:
                return None
            content += part
        return content
