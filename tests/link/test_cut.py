"""A chunk in parts: whatever is lost and in whatever order it comes, it is whole in the end, and nothing is asked twice."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from link_table import H

from whimbrel.link.cut import Cut
from whimbrel.wire.answers import Chunk, Done, Failure, Part, Status
from whimbrel.wire.asking import decode_operation, encode_operation
from whimbrel.wire.operations import SEALED_CHUNK, Get, Put

CONTENT = bytes(i * 7 % 256 for i in range(SEALED_CHUNK))


def test_a_part_begins_at_a_mark_and_the_last_one_ends_with_the_chunk() -> None:
    cut = Cut(Put(H, H, H, SEALED_CHUNK, 0, CONTENT))
    taken = cut.take(10_000)
    assert taken is not None
    piece, operation = taken
    assert piece == (0, 9216)
    assert isinstance(operation, Put)
    assert operation.at == 0
    assert operation.chunk == CONTENT[:9216]
    last = piece
    while (more := cut.take(30_000)) is not None:
        last = more[0]
    assert sum(last) == SEALED_CHUNK
    assert cut.left == 0


def test_all_of_a_chunk_is_no_part() -> None:
    taken = Cut(Put(H, H, H, 100, 0, CONTENT[:100])).take(4096)
    assert taken is not None
    assert taken[1] == Put(H, H, H, 100, 0, CONTENT[:100])


def test_how_long_a_chunk_is_is_known_with_its_first_part() -> None:
    cut = Cut(Get(H, 1))
    first = cut.take(8192)
    assert first == ((0, 8192), Get(H, 1, 0, 8192))
    assert cut.take(8192) is None
    assert cut.answered((0, 8192), Part(CONTENT[:8192], SEALED_CHUNK + 10_000, 0)) is None
    second = cut.take(8192)
    assert second == ((8192, 1808), Get(H, 1, 8192, 2048))
    whole = cut.answered((8192, 1808), Part(CONTENT[8192:10_000], SEALED_CHUNK + 10_000, 8192))
    assert whole == Chunk(CONTENT[:10_000], SEALED_CHUNK + 10_000)


def test_a_refusal_of_a_part_is_one_of_the_whole() -> None:
    cut = Cut(Get(H, 0))
    taken = cut.take(4096)
    assert taken is not None
    assert cut.answered(taken[0], Failure(Status.MISSING)) == Failure(Status.MISSING)


@given(st.integers(0, 2**32), st.booleans(), st.integers(1, SEALED_CHUNK))
def test_whatever_is_lost_it_is_whole_in_the_end(seed: int, is_put: bool, length: int) -> None:
    chance = random.Random(seed)
    content = CONTENT[:length]
    cut = Cut(Put(H, H, H, length, 0, content) if is_put else Get(H, 0))
    there = bytearray(length)
    under_way = []
    whole = None
    while whole is None:
        taken = cut.take(chance.choice([1, 3000, 6144, 40_000]))
        if taken is not None:
            under_way.append(taken)
        assert under_way, "it would wait for ever"
        if taken is not None and chance.random() < 0.5:
            continue
        piece, operation = under_way.pop(chance.randrange(len(under_way)))
        assert decode_operation(encode_operation(operation)) == operation, "a relay would refuse it"
        if chance.random() < 0.25:
            cut.lost(piece)
            continue
        at, size = piece
        if isinstance(operation, Put):
            there[at : at + size] = operation.chunk
            whole = cut.answered(piece, Done())
        else:
            whole = cut.answered(piece, Part(content[at : at + size], length, at))
    assert whole == (Done() if is_put else Chunk(content, length))
    assert not is_put or there == content
