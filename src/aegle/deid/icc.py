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
    for n in range(count):
        _, offset, length = struct.unpack_from(">4sLL", profile, _HEADER_BYTES + 4 + 12 * n)
        if offset + length > len(profile):
            return b""
        result[offset : offset + length] = _tag(profile[offset : offset + length])
    return bytes(result)


def _tag(content: bytes) -> bytes:
    if content[:4] in _NUMERIC:
        return content
    if content[:4] in {b"text", b"desc"}:
        return content[:4] + bytes(len(content) - 4)
    if content[:4] == b"mluc":
        head = 16 + 12 * struct.unpack_from(">L", content, 8)[0]
        return content[:head] + bytes(max(0, len(content) - head))
    return content[:4] + bytes(max(0, len(content) - 4))
