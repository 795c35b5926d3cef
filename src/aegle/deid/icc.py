"""ICC profiles without their words: every text-bearing part blanked at equal length (ICC.1:2022 §7, §10)."""

import struct

_NUMERIC = frozenset(
    {
        b"XYZ ",
        b"curv",
        b"para",
        b"sf32",
        b"chad",
        b"mft1",
        b"mft2",
        b"mAB ",
        b"mBA ",
        b"sig ",
        b"view",
        b"meas",
        b"chrm",
    }
)
_HEADER_BYTES = 128
_MAX_TAGS = 200
_EMPTY_MLUC = struct.pack(">4s4xLL4sLL", b"mluc", 1, 12, b"enUS", 0, 28)  #: one record, of no letters
_EMPTY_MLUC_BYTES = len(_EMPTY_MLUC)


def without_words(profile: bytes) -> bytes:
    """The profile with creator, dates and every descriptive tag blanked; empty when it is not an ICC profile."""
    try:
        return _blanked(profile)
    except (struct.error, IndexError):
        return b""


def _blanked(profile: bytes) -> bytes:
    if profile[36:40] != b"acsp":
        return b""
    size, count = struct.unpack(">L", profile[:4])[0], struct.unpack_from(">L", profile, _HEADER_BYTES)[0]
    if count > _MAX_TAGS or size > len(profile):
        return b""
    result = bytearray(_HEADER_BYTES + 4 + 12 * count)  # what no tag covers stays zero
    result.extend(bytes(len(profile) - len(result)))
    result[: _HEADER_BYTES + 4 + 12 * count] = profile[: _HEADER_BYTES + 4 + 12 * count]
    result[24:36] = bytes(12)  # creation date
    result[48:56] = bytes(8)  # device manufacturer and model signatures
    result[80:128] = bytes(48)  # creator, profile ID, reserved
    tags = [struct.unpack_from(">4sLL", profile, _HEADER_BYTES + 4 + 12 * n)[1:] for n in range(count)]
    if any(offset + length > len(profile) for offset, length in tags):
        return b""
    contents = [(offset, profile[offset : offset + length]) for offset, length in tags]
    for offset, content in sorted(
        contents, key=lambda each: each[1][:4] not in _NUMERIC
    ):  # words last: tags may overlap
        result[offset : offset + len(content)] = _tag(content)
    return bytes(result)


def _tag(content: bytes) -> bytes:
    if content[:4] in _NUMERIC:
        return content
    if content[:4] in {b"text", b"desc"}:
        return content[:4] + bytes(len(content) - 4)
    if content[:4] == b"mluc" and len(content) >= _EMPTY_MLUC_BYTES:
        return _EMPTY_MLUC + bytes(len(content) - _EMPTY_MLUC_BYTES)
    return content[:4] + bytes(max(0, len(content) - 4))
