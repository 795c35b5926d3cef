"""Bits of pixels that no viewer shows: above High Bit, or below the stored ones (PS3.5 §8.1.1).

An overlay was put there until 2004, with a name in it as well as anything; so can a whole text be. Memory is a piece's.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pydicom.dataelem import RawDataElement

from aegle.deid.reading import Part, Reading

if TYPE_CHECKING:  # NumPy takes longer to load than many a run: only where there are spare bits
    import numpy as np
    from numpy.typing import NDArray

Order = Literal["little", "big"]  #: of a number's bytes

_ALLOCATED, _STORED, _HIGH, _SIGNED, _PADDING = 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00280120
_EVEN = 0.05  #: how far from one half the share of pixels may lie in which a bit of noise is set
_WHOLE = frozenset({8, 16, 32})  #: Bits Allocated that are whole numbers
_TYPES: dict[Order, str] = {"little": "<u", "big": ">u"}


class SpareBits:
    """Of the pixels of one file, given piece by piece. Pieces begin and end between two pixels, all but the last. Compressed
    frames have some only once they are `decoded`, to samples of the allocated size in little endian."""

    def __init__(self, reading: Reading, *, decoded: bool = False) -> None:
        self._header = reading.header
        self._header_order: Order = "little" if reading.is_little_endian else "big"
        #: Writers of the retired big endian syntax often left the pixels as they were: either order of bytes may clear them.
        self._orders: tuple[Order, ...] = ("little",) if reading.is_little_endian else ("big", "little")
        allocated, stored = self._number(_ALLOCATED), self._number(_STORED)
        high = self._number(_HIGH)
        bare = decoded or reading.pixels.fragments is None
        there = bare and allocated in _WHOLE and 0 < stored <= high + 1 <= allocated
        self._size = self.planes = allocated // 8 if there else 0  #: bytes of a sample
        self.stored = stored  #: bits of a sample that count
        self._lowest, self._high = high + 1 - stored, high
        self._mask = ((1 << allocated) - 1) ^ (((1 << stored) - 1) << self._lowest) if there else 0
        self._met = dict.fromkeys(self._orders, 0)

    def __bool__(self) -> bool:
        """Whether there are any, so that pieces are worth giving."""
        return self._mask != 0

    def met(self, piece: bytes) -> bytes:
        """The same piece, met: cheap, and not yet a verdict."""
        import numpy as np

        for order in self._orders:
            self._met[order] |= int(np.bitwise_or.reduce(self._pixels(piece, order), initial=0))
        return piece

    @property
    def any_set(self) -> bool:
        """Whether a spare bit was set anywhere, perhaps for a good reason."""
        return all(met & self._mask for met in self._met.values())

    def hide_something(self, pieces: Callable[[], Iterable[bytes]]) -> bool:
        """Whether the spare bits of pieces, which can be given again, hold something that was put there."""
        for piece in pieces():
            self.met(piece)
        return self.any_set and self.hold_more(pieces()) and not self.are_noise(pieces())

    def hold_more(self, pieces: Iterable[bytes]) -> bool:
        """Whether the spare bits hold more than a number's sign, or the value that pads the picture."""
        clear = set(self._orders)
        for piece in pieces:
            clear -= {order for order in clear if self._strange(self._pixels(piece, order)).any()}
            if not clear:
                return True
        return False

    def are_noise(self, pieces: Iterable[bytes]) -> bool:
        """Whether the spare bits are noise all over: a picture that uses more bits than its header counts. Each is set in half
        of the pixels, and tells nothing of the bit above it nor of the pixel before it; letters and overlays do."""
        import numpy as np

        bits = [1 << number for number in range(self._size * 8) if self._mask >> number & 1]
        ones, counted = np.zeros((3, len(bits))), 0
        for piece in pieces:
            pixels = self._pixels(piece, self._orders[0])
            streams = (pixels, pixels ^ (pixels >> 1), pixels[1:] ^ pixels[:-1])
            ones += [[np.count_nonzero(stream & bit) for bit in bits] for stream in streams]
            counted += len(pixels)
        return bool((abs(ones / max(counted, 1) - 0.5) < _EVEN).all())

    def _strange(self, pixels: "NDArray[np.unsignedinteger]") -> "NDArray[np.bool_]":
        import numpy as np

        above = np.uint64(self._mask >> (self._high + 1) << (self._high + 1))
        wide = pixels.astype(np.uint64)
        spare = wide & np.uint64(self._mask)
        negative = (wide >> np.uint64(self._high)) & np.uint64(1) != 0
        extended = negative & (spare == above) & self._is_signed
        padding = wide == np.uint64(self._padding) if self._padding is not None else np.zeros(len(wide), np.bool_)
        strange: NDArray[np.bool_] = (spare != 0) & ~extended & ~padding
        return strange

    def _pixels(self, piece: bytes, order: Order) -> "NDArray[np.unsignedinteger]":
        import numpy as np

        whole = len(piece) // self._size * self._size
        return np.frombuffer(memoryview(piece)[:whole], _TYPES[order] + str(self._size))

    @cached_property
    def _is_signed(self) -> bool:
        return self._number(_SIGNED) == 1

    @cached_property
    def _padding(self) -> int | None:
        raw = _raw(self._header, _PADDING)
        return self._read(raw) if raw else None

    def _number(self, tag: int) -> int:
        return self._read(_raw(self._header, tag))

    def _read(self, raw: bytes) -> int:
        return int.from_bytes(raw[:2], self._header_order)


def _raw(header: Part, tag: int) -> bytes:
    """A US or SS value as it stands in the file; empty where there is none."""
    element = header.elements.get(tag)
    return element.value or b"" if isinstance(element, RawDataElement) else b""
