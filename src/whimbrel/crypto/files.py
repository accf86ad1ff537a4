"""Files and other large things as sealed blobs: chunks under one fresh key.

Each chunk is AES-256-GCM with a nonce of its number and whether it is the last (STREAM: Hoang, Reyhanitabar,
Rogaway, Vizár, 2015), so none can be altered, swapped, repeated, dropped or cut off. **A key seals one content, once**:
a chunk that is sent again is the same bytes; other content needs another key. Pure: who reads disks does it elsewhere.

The plaintext is the file, a byte 0x80, and zeros up to its padded size; the true size stands in the message.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whimbrel.crypto.errors import Malformed, NotOpened
from whimbrel.crypto.padding import padded_length, unpad
from whimbrel.wire.operations import CHUNK
from whimbrel.wire.purpose import digest, labelled

KEY = 32
"""Bytes of a key."""
TAG = 16
"""Bytes that sealing adds to each chunk."""
FILE_MAX = 2 * 1024**3
"""Bytes of a file at most: 2 GiB."""

_NUMBER_BYTES = 11
_AAD = labelled("chunk")


# ---------------------------------------------------------------------------------------------------- sizes


def padded_size(size: int) -> int:
    """Bytes of plaintext for a content of `size`: max(256, Padmé(size + 1))."""
    if not 0 <= size <= FILE_MAX:
        raise ValueError(f"a file of {size} bytes; {FILE_MAX} are allowed")
    return padded_length(size)


def chunk_count(size: int) -> int:
    """Chunks of a content of `size` bytes: at least one."""
    return -(-padded_size(size) // CHUNK)


def sealed_size(size: int) -> int:
    """Bytes of the blob for a content of `size` bytes: what is told to the relay."""
    return padded_size(size) + TAG * chunk_count(size)


def chunk_range(size: int, n: int) -> tuple[int, int]:
    """Which bytes of the content, from and up to, stand in chunk `n`; none (a, a) if it is all padding."""
    if not 0 <= n < chunk_count(size):
        raise ValueError(f"chunk {n} of {chunk_count(size)}")
    return min(n * CHUNK, size), min((n + 1) * CHUNK, size)


# --------------------------------------------------------------------------------------------------- chunks


def seal_chunk(key: bytes, n: int, last: bool, plaintext: bytes) -> bytes:
    """Chunk `n` sealed. All but the last are CHUNK bytes long, the last one is not empty."""
    if not 0 < len(plaintext) <= CHUNK or (not last and len(plaintext) != CHUNK):
        raise ValueError(f"a chunk of {len(plaintext)} bytes")
    return AESGCM(_key(key)).encrypt(_nonce(n, last), plaintext, _AAD)


def open_chunk(key: bytes, n: int, last: bool, sealed: bytes) -> bytes:
    """The plaintext of chunk `n`. NotOpened if it is not this chunk of this content."""
    if not TAG < len(sealed) <= CHUNK + TAG:
        raise NotOpened("a chunk of a size that none has")
    try:
        return AESGCM(_key(key)).decrypt(_nonce(n, last), sealed, _AAD)
    except InvalidTag:
        raise NotOpened("a chunk that is not the one that was sent, or was altered") from None


def seal_part(key: bytes, size: int, n: int, part: bytes) -> bytes:
    """Chunk `n` of a content of `size` bytes, sealed; `part` is what stands in `chunk_range(size, n)`."""
    start, stop = chunk_range(size, n)
    if len(part) != stop - start:
        raise ValueError(f"chunk {n} takes {stop - start} bytes of the content, not {len(part)}")
    padded = padded_size(size)
    length = min(CHUNK, padded - n * CHUNK)
    marked = part + b"\x80" if n * CHUNK <= size < n * CHUNK + length else part
    return seal_chunk(key, n, n == chunk_count(size) - 1, marked.ljust(length, b"\x00"))


def open_part(key: bytes, size: int, n: int, sealed: bytes) -> bytes:
    """What of a content of `size` bytes stands in chunk `n`; its padding is checked. Raises NotOpened or Malformed."""
    start, stop = chunk_range(size, n)
    last = n == chunk_count(size) - 1
    plaintext = open_chunk(key, n, last, sealed)
    length = min(CHUNK, padded_size(size) - n * CHUNK)
    part = plaintext[: stop - start]
    marked = part + b"\x80" if n * CHUNK <= size < n * CHUNK + length else part
    if plaintext != marked.ljust(length, b"\x00"):
        raise Malformed("a file of another size than its message says")
    return part


# ------------------------------------------------------------------------------------------- whole contents


def seal_whole(key: bytes, content: bytes) -> tuple[bytes, ...]:
    """All chunks of a content that is small enough for memory."""
    size = len(content)
    return tuple(
        seal_part(key, size, n, content[slice(*chunk_range(size, n))]) for n in range(chunk_count(size))
    )


def open_whole(key: bytes, size: int, content_hash: bytes, chunks: Sequence[bytes]) -> bytes:
    """The content of all its chunks, of this size and SHA-256. Raises NotOpened or Malformed."""
    if not 0 <= size <= FILE_MAX or len(chunks) != chunk_count(size):
        raise Malformed("a blob of another size than was said")
    content = b"".join(open_part(key, size, n, chunk) for n, chunk in enumerate(chunks))
    if digest(content) != content_hash:
        raise Malformed("a blob of another content than was said")
    return content


def open_unsized(key: bytes, chunks: Sequence[bytes]) -> bytes:
    """The content of all its chunks where no size is known beforehand. Raises NotOpened or Malformed."""
    last = len(chunks) - 1
    return unpad(b"".join(open_chunk(key, n, n == last, chunk) for n, chunk in enumerate(chunks)))


def _nonce(n: int, last: bool) -> bytes:
    if not 0 <= n < 1 << 8 * _NUMBER_BYTES:
        raise ValueError(f"no chunk has number {n}")
    return n.to_bytes(_NUMBER_BYTES, "big") + (b"\x01" if last else b"\x00")


def _key(key: bytes) -> bytes:
    if len(key) != KEY:
        raise ValueError(f"a key has {KEY} bytes")
    return key
