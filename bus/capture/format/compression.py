"""Chunk compression, and decompression that does not trust the size that a file claims. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lz4.frame  # type: ignore[import-untyped]
import zstandard

MAX_WINDOW_BYTES = 8 << 20
_UNSTATED = -1


class Undecompressable(ValueError):
    """Data that does not decompress to the stated number of bytes; the text says why."""


def decompress(compression: str, packed: bytes, size: int) -> bytes:
    """Decompress to exactly `size` bytes, using hardly more memory than that. Raises Undecompressable."""
    unpack = _UNPACK.get(compression)
    if unpack is None:
        raise Undecompressable("a chunk of unknown compression")
    data = unpack(packed, size)
    if len(data) != size:
        raise Undecompressable("a chunk is not as long as it says")
    return data


def _unpack_lz4(packed: bytes, size: int) -> bytes:
    unpacker: Any = lz4.frame.LZ4FrameDecompressor()
    try:
        data: bytes = unpacker.decompress(packed, max_length=size + 1)
    except (RuntimeError, EOFError, ValueError):  # lz4 has no error of its own
        raise Undecompressable("a chunk cannot be decompressed") from None
    if unpacker.unused_data or (not unpacker.eof and len(data) <= size):
        raise Undecompressable("a chunk's compressed data is not one whole frame")
    return data


def _unpack_zstd(packed: bytes, size: int) -> bytes:
    unpacker: Any = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    try:
        # The library allocates what a frame states, and heeds our limit only where a frame states nothing.
        if zstandard.frame_content_size(packed) not in (size, _UNSTATED):
            raise Undecompressable("a chunk is not as long as it says")
        data: bytes = unpacker.decompress(packed, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError:
        raise Undecompressable("a chunk cannot be decompressed, or more follows it") from None
    return data


COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": zstandard.compress,
    "": bytes,
}
"""Keyed by MCAP's name of the compression."""
_UNPACK: Mapping[str, Callable[[bytes, int], bytes]] = {
    "lz4": _unpack_lz4,
    "zstd": _unpack_zstd,
    "": lambda packed, _: packed,
}
