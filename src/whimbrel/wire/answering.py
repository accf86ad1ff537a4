"""Answers and their bytes: `[number, {key: value}]`, several as an array in the order of what was asked.

The number is 0 for done, the status of a failure (1 to 15), or from 16 on the kind of what was found, so that an answer
can be read without knowing what was asked. What a relay says most often is put together from `heads`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import heads, parts
from .answers import (
    Altered,
    Answer,
    Appended,
    Chunk,
    Created,
    Done,
    Extent,
    Failure,
    Fetched,
    Head,
    Part,
    Record,
    RouteList,
    Status,
    Watched,
)
from .asking import BLOB_MAX, FETCH_MAX, HANDLE, NEEDS_MAX, OPERATIONS_MAX, SLOT_MAX, WATCH_MAX
from .cbor import MESSAGE_MAX, decode, encode_ordered
from .errors import Malformed
from .fields import array, at_most, exactly, fields, ids, listing, number, some
from .operations import CHUNK, ID, PART, SEALED_CHUNK
from .purpose import SIGNATURE
from .stored import SIGNED_CHANGE_MAX, check_entry, entry_id

ROUTES_MAX = 64
"""Ways in a route list."""
ROUTE_TEXT_MAX = 1024
"""Characters of one."""
RANGES_MAX = 32768
"""Ranges of an extent: every other chunk of 4 GiB."""
STARTED_MAX = 64
"""Chunks of one blob that have come in part."""
RETRY_MAX = 86400
"""Seconds that `busy` can ask for."""

DONE, CREATED, APPENDED, FETCHED, WATCHED, ALTERED, CHUNK_FOUND, EXTENT, ROUTE_LIST, PART_FOUND = (
    0,
    *range(16, 25),
)


def encode_answer(answer: Answer) -> bytes:
    """The bytes of one answer."""
    return _WRITERS[type(answer)](answer)


def encode_answers(answers: Sequence[Answer]) -> bytes:
    """The bytes of several, in order. Raises ValueError when they are more than one letter or frame carries."""
    data = heads.array(len(answers)) + b"".join([_WRITERS[type(answer)](answer) for answer in answers])
    if len(data) > MESSAGE_MAX:
        raise ValueError(f"answers of {len(data)} bytes are too much for one letter or frame")
    return data


def decode_answer(data: bytes) -> Answer:
    """One answer. Raises Malformed or TooLarge."""
    return understand_answer(decode(data))


def decode_answers(data: bytes) -> list[Answer]:
    """Several answers. Raises Malformed or TooLarge: a relay that answers nonsense is not to be believed in parts."""
    return understand_answers(decode(data))


def understand_answers(values: Any) -> list[Answer]:
    """As `decode_answers`, of a value that was decoded already (a frame's)."""
    return [understand_answer(value) for value in listing(values, OPERATIONS_MAX)]


def understand_answer(value: Any) -> Answer:
    """As `decode_answer`, of a value that was decoded already."""
    if type(value) is not list or len(value) != 2:
        raise Malformed("not an answer")
    kind, content = value
    if type(kind) is not int:
        raise Malformed("not an answer")
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(content)
    if kind in _FAILURES:
        return _read_failure(_FAILURES[kind], content)
    raise Malformed("an answer of a kind that is not known")


def understand_fetched(value: Any) -> Fetched | Failure:
    """What a slot of a watch set holds, of a value that was decoded already."""
    answer = understand_answer(value)
    if not isinstance(answer, (Fetched, Failure)):
        raise Malformed("records are missing")
    return answer


# ---------------------------------------------------------------------------------------------- failures

_FAILURES = {int(status): status for status in Status if status is not Status.OK}
_FAILURE = frozenset((0, 2, 4, 6))


def _write_failure(failure: Failure) -> bytes:
    content: dict[int, Any] = {}
    if failure.head is not None:
        content[0] = _write_head(failure.head)
    if failure.first is not None:
        content[2] = failure.first
    if failure.missing:
        content[4] = failure.missing
    if failure.retry_after is not None:
        content[6] = failure.retry_after
    return encode_ordered((int(failure.status), content))


def _read_failure(status: Status, value: Any) -> Failure:
    content = fields(value, _FAILURE)
    return Failure(
        status,
        _read_head(content[0]) if 0 in content else None,
        number(content[2]) if 2 in content else None,
        ids(content[4], NEEDS_MAX) if 4 in content else (),
        number(content[6], RETRY_MAX) if 6 in content else None,
    )


# --------------------------------------------------------------------------------- heads, records, fetched


def _write_head(head: Head) -> tuple[int, int, bytes, int]:
    return (head.seq, head.turn, head.h, head.n)


def _read_head(value: Any) -> Head:
    seq, turn, h, n = array(value, 4)
    return Head(number(seq), number(turn), exactly(h), number(n))


def _head_follows(head: Head, last: Record) -> bool:
    """Whether a head says of the log what its last record says: then only the number of its last change is new."""
    return head.seq == last.seq and head.h == last.h and head.turn == last.turn + last.advance


_FETCHED = frozenset((0, 2, 4, 6))
_START_FETCHED = tuple(bytes((0x82, FETCHED, 0xA0 | keys)) for keys in range(5))


def _write_fetched(fetched: Fetched) -> bytes:
    head, records = fetched.head, fetched.records
    parts = [_START_FETCHED[bool(records) + 1 + fetched.more + fetched.ended]]
    if records:
        parts += (b"\x00", heads.array(len(records)))
        for record in records:
            entry, change = record.entry, record.change
            parts += (
                b"\x86",
                heads.number(record.seq),
                heads.number(record.turn),
                heads.TRUE if record.advance else heads.FALSE,
                heads.byte_string(record.id if entry is None else entry),
                heads.NULL if change is None else heads.byte_string(change),
                b"\x58\x20",
                record.h,
            )
    short = bool(records) and _head_follows(head, records[-1])
    parts += (b"\x02", heads.number(head.n) if short else encode_ordered(_write_head(head)))
    if fetched.more:
        parts.append(b"\x04" + heads.TRUE)
    if fetched.ended:
        parts.append(b"\x06" + heads.TRUE)
    return b"".join(parts)


def _read_fetched(value: Any) -> Fetched:
    content = fields(value, _FETCHED)
    records: tuple[Record, ...] = ()
    if 0 in content:
        records = tuple([_read_record(record) for record in listing(content[0], FETCH_MAX, 1)])
        seq = -1
        for record in records:
            if record.seq <= seq:
                raise Malformed("records out of order")
            seq = record.seq
    stands = content.get(2)
    if type(stands) is int:
        if not records:
            raise Malformed("where the log stands is missing")
        last = records[-1]
        head = Head(last.seq, number(last.turn + last.advance), last.h, number(stands))
    else:
        head = _read_head(stands)
        if records and _head_follows(head, records[-1]):
            raise Malformed("a head that has to be left out")
    return Fetched(records, head, _flag(content, 4), _flag(content, 6))


def _read_record(value: Any) -> Record:
    seq, turn, advance, entry, change, h = array(value, 6)
    if type(advance) is not bool:
        raise Malformed("a flag is missing")
    expired = type(entry) is bytes and len(entry) == ID
    if not expired:
        check_entry(entry)
    if change is not None:
        at_most(change, SIGNED_CHANGE_MAX)
    return Record(
        some(seq),
        number(turn),
        advance,
        entry if expired else entry_id(entry),
        None if expired else entry,
        change,
        exactly(h),
    )


def _flag(content: dict[int, Any], key: int) -> bool:
    if key not in content:
        return False
    if content[key] is not True:
        raise Malformed("a flag that has to be left out or true")
    return True


# -------------------------------------------------------------------------------- one answer after the other

_HEAD = frozenset((0,))


def _write_done(_: Done) -> bytes:
    return b"\x82\x00\xa0"


def _read_done(value: Any) -> Done:
    fields(value, frozenset())
    return Done()


def _write_created(created: Created) -> bytes:
    return encode_ordered((CREATED, {0: _write_head(created.head)}))


def _write_altered(altered: Altered) -> bytes:
    return encode_ordered((ALTERED, {0: _write_head(altered.head)}))


def _read_created(value: Any) -> Created:
    return Created(_read_head(fields(value, _HEAD).get(0)))


def _read_altered(value: Any) -> Altered:
    return Altered(_read_head(fields(value, _HEAD).get(0)))


_APPENDED = frozenset((0, 2, 4, 6))


def _write_appended(appended: Appended) -> bytes:
    first, last = appended.first, appended.last
    return b"".join(
        (
            b"\x82\x11\xa3\x00" if last == first else b"\x82\x11\xa4\x00",
            heads.number(first),
            b"" if last == first else b"\x02" + heads.number(last),
            b"\x04",
            heads.number(appended.turn),
            b"\x06\x58\x20",
            appended.h,
        )
    )


def _read_appended(value: Any) -> Appended:
    content = fields(value, _APPENDED)
    first = some(content.get(0))
    last = first
    if 2 in content:
        last = some(content[2])
        if last <= first:
            raise Malformed("a last seq that is none, or has to be left out")
    return Appended(first, last, number(content.get(4)), exactly(content.get(6)))


_WATCHED = frozenset((0, 2))


def _write_watched(watched: Watched) -> bytes:
    results = watched.results
    parts = [b"\x82\x13\xa2\x00" if results else b"\x82\x13\xa1\x00", heads.byte_string(watched.handle)]
    if results:
        parts += (b"\x02", heads.array(len(results)))
        for slot, answer in results:
            parts += (b"\x82", heads.number(slot), _WRITERS[type(answer)](answer))
    return b"".join(parts)


def _read_watched(value: Any) -> Watched:
    content = fields(value, _WATCHED)
    results = []
    for result in listing(content[2], WATCH_MAX, 1) if 2 in content else ():
        slot, answer = array(result, 2)
        results.append((number(slot, SLOT_MAX), understand_fetched(answer)))
    return Watched(exactly(content.get(0), HANDLE), tuple(results))


_CHUNK = frozenset((0, 2))


def _write_chunk(chunk: Chunk) -> bytes:
    return encode_ordered((CHUNK_FOUND, {0: chunk.chunk, 2: chunk.size}))


def _read_chunk(value: Any) -> Chunk:
    content = fields(value, _CHUNK)
    return Chunk(at_most(content.get(0), SEALED_CHUNK), some(content.get(2), BLOB_MAX))


_PART = frozenset((0, 2, 4))


def _write_part(part: Part) -> bytes:
    content: dict[int, Any] = {0: part.part, 2: part.size}
    if part.at:
        content[4] = part.at
    return encode_ordered((PART_FOUND, content))


def _read_part(value: Any) -> Part:
    content = fields(value, _PART)
    at = some(content[4], SEALED_CHUNK) if 4 in content else 0
    part = at_most(content.get(0), SEALED_CHUNK - at)
    if at % PART:
        raise Malformed("a part that begins between two marks")
    return Part(part, some(content.get(2), BLOB_MAX), at)


_EXTENT = frozenset((0, 2, 4, 5))


def _write_extent(extent: Extent) -> bytes:
    content: dict[int, Any] = {0: extent.size}
    if extent.ranges:
        content[2] = extent.ranges
    content[4] = extent.until
    if extent.started:
        content[5] = extent.started
    return encode_ordered((EXTENT, content))


def _read_extent(value: Any) -> Extent:
    content = fields(value, _EXTENT)
    ranges = []
    free = 0
    for part in listing(content[2], RANGES_MAX, 1) if 2 in content else ():
        start, end = array(part, 2)
        if number(start) < free or number(end, BLOB_MAX // CHUNK) <= start:
            raise Malformed("ranges that overlap, touch or are out of order")
        ranges.append((start, end))
        free = end + 1
    size = some(content.get(0), BLOB_MAX)
    until = number(content.get(4))
    return Extent(size, tuple(ranges), until, _read_started(content[5], size) if 5 in content else ())


def _read_started(value: Any, size: int) -> tuple[tuple[int, bytes], ...]:
    """Chunks in part: ascending, each with some of its bits and not all."""
    started = []
    least = 0
    for one in listing(value, STARTED_MAX, 1):
        n, bits = array(one, 2)
        marks = parts.marks_of(size, number(n))
        there = int.from_bytes(exactly(bits, -(-marks // 8)), "little")
        if n < least or not 0 < there < (1 << marks) - 1:
            raise Malformed("chunks in part that are out of order, empty or whole")
        started.append((n, bits))
        least = n + 1
    return tuple(started)


_ROUTE_LIST = frozenset((0, 2, 4))


def _write_route_list(routes: RouteList) -> bytes:
    content: dict[int, Any] = {}
    if routes.routes:
        content[0] = routes.routes
    content[2] = routes.made_at
    content[4] = routes.signature
    return encode_ordered((ROUTE_LIST, content))


def _read_route_list(value: Any) -> RouteList:
    content = fields(value, _ROUTE_LIST)
    texts = tuple(listing(content[0], ROUTES_MAX, 1)) if 0 in content else ()
    for text in texts:
        if type(text) is not str or not 0 < len(text) <= ROUTE_TEXT_MAX:
            raise Malformed("a way that is no text or too long")
    return RouteList(texts, number(content.get(2)), exactly(content.get(4), SIGNATURE))


_READERS: dict[int, Callable[[Any], Answer]] = {
    DONE: _read_done,
    CREATED: _read_created,
    APPENDED: _read_appended,
    FETCHED: _read_fetched,
    WATCHED: _read_watched,
    ALTERED: _read_altered,
    CHUNK_FOUND: _read_chunk,
    EXTENT: _read_extent,
    ROUTE_LIST: _read_route_list,
    PART_FOUND: _read_part,
}
_WRITERS: dict[type, Callable[[Any], bytes]] = {
    Failure: _write_failure,
    Done: _write_done,
    Created: _write_created,
    Appended: _write_appended,
    Fetched: _write_fetched,
    Watched: _write_watched,
    Altered: _write_altered,
    Chunk: _write_chunk,
    Extent: _write_extent,
    RouteList: _write_route_list,
    Part: _write_part,
}
