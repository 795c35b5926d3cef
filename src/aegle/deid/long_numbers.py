"""Numbers of seven digits and more in kept values: long enough to be somebody's rather than a count."""

from collections.abc import Iterable, Mapping
from struct import Struct

from aegle.dicom.walk import Encoding

LONG_NUMBER = 7  #: characters from which a number may be somebody's
#: Of the binary VRs that hold so many digits, how one number is packed.
BINARY: Mapping[bytes, str] = {b"UL": "L", b"SL": "l", b"UV": "Q", b"SV": "q", b"FL": "f", b"FD": "d"}
_SHORTEST, _LONGEST = 10 ** (LONG_NUMBER - 1), 1 << 64


def in_binary(raw: bytes, vr: bytes, source: Encoding) -> bytes:
    """The long numbers of a binary value, in digits, one a line; what is too short for a number is none."""
    form = Struct((">" if source.big_endian else "<") + BINARY[vr])
    return _digits(number for (number,) in form.iter_unpack(raw[: len(raw) // form.size * form.size]))


def in_decimals(raw: bytes) -> bytes:
    """The long numbers of a DS or IS value, in digits, one a line, however they are written (7.35E7, 73519248.0)."""
    return _digits(map(_read, raw.split(b"\\")))


def _digits(numbers: Iterable[float]) -> bytes:
    """The whole ones of seven digits and more, as somebody's number would be written."""
    long = (abs(number) for number in numbers if _SHORTEST <= abs(number) < _LONGEST)
    return b"\n".join(b"%d" % number for number in long if number == int(number))


def _read(decimal: bytes) -> float:
    """A decimal string's number; 0 for what is none."""
    try:
        return float(decimal.strip(b" \0") or 0)
    except ValueError:
        return 0
