"""Files in chunks: nothing altered, swapped, repeated, cut off or grown comes through."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from support.people import secret, stuff
from whimbrel.crypto.errors import CryptoError, Malformed, NotOpened
from whimbrel.crypto.files import (
    FILE_MAX,
    TAG,
    chunk_count,
    chunk_range,
    open_chunk,
    open_part,
    open_unsized,
    open_whole,
    padded_size,
    seal_chunk,
    seal_part,
    seal_whole,
    sealed_size,
)
from whimbrel.crypto.padding import padme
from whimbrel.wire.operations import CHUNK, SEALED_CHUNK
from whimbrel.wire.purpose import digest

KEY = secret("file key")
EDGES = [0, 1, 254, 255, 256, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK - 1, 3 * CHUNK, 200_000]


@pytest.mark.parametrize("size", EDGES)
def test_a_file_comes_back_whole(size: int) -> None:
    content = stuff("content", size)
    chunks = seal_whole(KEY, content)
    assert open_whole(KEY, size, digest(content), chunks) == content
    assert open_unsized(KEY, chunks) == content


@pytest.mark.parametrize("size", EDGES)
def test_the_size_of_the_blob_is_known_before_the_file_is_read(size: int) -> None:
    chunks = seal_whole(KEY, bytes(size))
    assert len(chunks) == chunk_count(size)
    assert sum(map(len, chunks)) == sealed_size(size)
    assert all(len(chunk) == SEALED_CHUNK for chunk in chunks[:-1])


@given(st.integers(0, FILE_MAX))
def test_chunks_cover_a_file_once_and_in_order(size: int) -> None:
    count = chunk_count(size)
    assert chunk_range(size, 0)[0] == 0
    for n in {0, 1, count // 2, count - 2, count - 1} & set(range(count)):
        start, stop = chunk_range(size, n)
        assert stop == (chunk_range(size, n + 1)[0] if n + 1 < count else size)
        assert stop - start <= CHUNK
    assert padded_size(size) == max(256, padme(size + 1))
    assert sealed_size(size) == padded_size(size) + TAG * count


def test_files_of_similar_size_look_alike() -> None:
    assert {sealed_size(n) for n in range(256)} == {256 + TAG}
    assert sealed_size(1_000_000) == sealed_size(1_000_001)


def test_no_file_is_larger_than_allowed() -> None:
    assert chunk_count(FILE_MAX) > 0
    for size in (-1, FILE_MAX + 1):
        with pytest.raises(ValueError, match="allowed"):
            chunk_count(size)


@settings(max_examples=30)
@given(st.integers(0, 400), st.integers(0, 7))
def test_a_chunk_that_was_altered_does_not_open(place: int, bit: int) -> None:
    sealed = bytearray(seal_chunk(KEY, 0, True, stuff("content", 385)))
    sealed[place] ^= 1 << bit
    with pytest.raises(NotOpened):
        open_chunk(KEY, 0, True, bytes(sealed))


@given(st.binary(max_size=300))
def test_any_bytes_do_not_open(data: bytes) -> None:
    with pytest.raises(NotOpened):
        open_chunk(KEY, 0, True, data)


def test_a_chunk_opens_in_its_place_only() -> None:
    first, second, third = seal_whole(KEY, stuff("content", 150_000))
    size, hash_ = 150_000, digest(stuff("content", 150_000))
    for chunks in (
        (second, first, third),
        (first, first, third),
        (first, third, third),
        (first, second, second),
        (first, second, third[:-1]),
    ):
        with pytest.raises(NotOpened):
            open_whole(KEY, size, hash_, chunks)
    for chunks in ((), (first,), (first, second), (first, second, third, third)):
        with pytest.raises(Malformed):
            open_whole(KEY, size, hash_, chunks)
        with pytest.raises(CryptoError):
            open_unsized(KEY, chunks)


def test_a_chunk_that_is_not_the_last_does_not_end_a_file() -> None:
    first, *_ = seal_whole(KEY, stuff("content", 150_000))
    with pytest.raises(NotOpened):
        open_chunk(KEY, 0, True, first)


def test_a_blob_of_another_size_or_content_than_the_message_says_is_refused() -> None:
    content = stuff("content", 200)
    chunks = seal_whole(KEY, content)
    for size in (199, 201):
        with pytest.raises(Malformed, match="size"):
            open_part(KEY, size, 0, chunks[0])
    with pytest.raises(Malformed, match="content"):
        open_whole(KEY, 200, digest(b"another"), chunks)
    with pytest.raises(Malformed):
        open_whole(KEY, FILE_MAX + 1, digest(content), chunks)


@given(st.sampled_from([n for n in EDGES if n]), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_parts_may_come_in_any_order(size: int, random: object) -> None:
    content = stuff("content", size)
    numbers = list(range(chunk_count(size)))
    random.shuffle(numbers)  # type: ignore[attr-defined]
    parts = {}
    for n in numbers:
        part = content[slice(*chunk_range(size, n))]
        parts[n] = open_part(KEY, size, n, seal_part(KEY, size, n, part))
    assert b"".join(parts[n] for n in sorted(parts)) == content


def test_sealing_a_part_again_gives_the_same_bytes_so_that_an_upload_goes_on_after_a_restart() -> None:
    content = stuff("content", 150_000)
    assert seal_whole(KEY, content) == seal_whole(KEY, content)


def test_a_part_of_the_wrong_length_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="takes"):
        seal_part(KEY, 200, 0, bytes(199))
    with pytest.raises(ValueError, match="chunk"):
        seal_chunk(KEY, 0, False, bytes(100))
    with pytest.raises(ValueError, match="chunk"):
        seal_chunk(KEY, 0, True, b"")
    with pytest.raises(ValueError, match="number"):
        seal_chunk(KEY, -1, True, b"x")
    for n in (-1, 1):
        with pytest.raises(ValueError, match="of 1"):
            chunk_range(200, n)
    with pytest.raises(ValueError, match="32"):
        seal_chunk(KEY[:16], 0, True, b"x")


def test_a_chunk_of_more_than_a_chunk_does_not_open_though_it_is_sealed_well() -> None:
    sealed = AESGCM(KEY).encrypt(bytes(11) + b"\x01", bytes(CHUNK + 1), b"whimbrel/1 chunk")
    with pytest.raises(NotOpened, match="size"):
        open_chunk(KEY, 0, True, sealed)


def test_a_chunk_is_aes_256_gcm_as_the_page_says() -> None:
    sealed = seal_chunk(KEY, 258, False, bytes(CHUNK))
    nonce = bytes(9) + b"\x01\x02" + b"\x00"
    assert AESGCM(KEY).decrypt(nonce, sealed, b"whimbrel/1 chunk") == bytes(CHUNK)
