"""Packs the states that a lane keeps but does not use at present."""

import zlib
from typing import Final

# 4 KiB behind and as little memory as that needs: a state is seldom larger.
_WINDOW_BITS: Final = -12
_MEMORY_LEVEL: Final = 5
_LEVEL: Final = 6


class Packing:
    """Writes only where a state differs from the first of its kind that was packed.

    States of one kind have the same fields and often the same values: of a polled job's 730 bytes
    some 110 are its own. A kind is the part of a key before the first slash.
    """

    def __init__(self) -> None:
        self._first_by_kind: dict[str, bytes] = {}

    def pack(self, key: str, value: bytes) -> bytes:
        """Make a value small, for `unpack` of the same object."""
        first = self._first_by_kind.setdefault(_kind(key), value)
        packer = zlib.compressobj(
            _LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, first
        )
        return packer.compress(value) + packer.flush()

    def unpack(self, key: str, packed: bytes) -> bytes:
        """Give back what was packed under a key.

        Raises: KeyError for a kind of which nothing was packed.
        """
        return zlib.decompressobj(_WINDOW_BITS, self._first_by_kind[_kind(key)]).decompress(packed)


def _kind(key: str) -> str:
    return key.partition("/")[0]
