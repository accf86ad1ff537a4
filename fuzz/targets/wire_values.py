"""What relays and apps say to each other, as values: CBOR, operations, answers, what is stored, admissions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fuzz.target import Shape, target
from fuzz.targets._seeds import encoded, vectors
from whimbrel.wire import admission, answering, asking, cbor, heads, parts, stored
from whimbrel.wire.answers import Extent, Failure, Status
from whimbrel.wire.errors import Malformed
from whimbrel.wire.operations import ENTRY_BODY_MIN, ENTRY_MAX, Append, Entry, Unknown

# ------------------------------------------------------------------------------------------------------ CBOR


def _parts(value: Any) -> int:
    """Values in a value."""
    if isinstance(value, list):
        return 1 + sum(map(_parts, value))
    if isinstance(value, dict):
        return 1 + sum(map(_parts, value.values()))
    return 1


def _depth(value: Any) -> int:
    """In how many containers the deepest value lies."""
    if isinstance(value, list):
        return max((1 + _depth(part) for part in value), default=0)
    if isinstance(value, dict):
        return max((1 + _depth(part) for part in value.values()), default=0)
    return 0


@target(
    "wire-cbor",
    "wire.cbor.decode",
    seeds=lambda: encoded("cbor", "accepted"),
    shape=Shape.CBOR,
    longest=65536,
)
def cbor_value(data: bytes) -> bool:
    """Deterministic CBOR: one encoding for each value; depth and number of parts bounded."""
    try:
        value = cbor.decode(data)
    except Malformed:
        return False
    assert cbor.encode(value) == data
    assert cbor.encode_ordered(value) == data
    assert _parts(value) <= cbor.PARTS_MAX + 1
    assert _depth(value) <= cbor.DEPTH_MAX
    return True


# ---------------------------------------------------------------------------------- operations and answers


def _same_again(
    data: bytes, value: Any, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]
) -> None:
    """What was read is written as the same bytes, but for odd keys, which a reader overlooks."""
    again = encode(value)
    assert again == data or (_has_odd_key(cbor.decode(data)) and decode(again) == value)


def _has_odd_key(value: Any) -> bool:
    if isinstance(value, dict):
        return any(key % 2 for key in value) or any(map(_has_odd_key, value.values()))
    return isinstance(value, list) and any(map(_has_odd_key, value))


def _operations() -> Iterator[bytes]:
    one_by_one = list(encoded("operations", "operations"))
    yield from (heads.array(1) + operation for operation in one_by_one)
    yield heads.array(len(one_by_one)) + b"".join(one_by_one)


@target("wire-operations", "wire.asking.decode_operations", "wire.asking.decode_operation", seeds=_operations, shape=Shape.CBOR, longest=32768)  # fmt: skip
def operations(data: bytes) -> bool:
    """Lists of operations. One that is not well formed is answered alone; all others come back as the same bytes."""
    try:
        found = asking.decode_operations(data)
    except Malformed:
        return False
    assert len(found) <= asking.OPERATIONS_MAX
    for value, operation in zip(cbor.decode(data), found, strict=True):
        alone = cbor.encode(value)
        if isinstance(operation, Failure):
            assert operation.status in (Status.MALFORMED, Status.TOO_LARGE)
            try:
                asking.decode_operation(alone)
            except Malformed:
                continue
            raise AssertionError("refused in a list and taken alone")
        assert asking.decode_operation(alone) == operation
        if not isinstance(operation, Unknown):
            _same_again(alone, operation, asking.encode_operation, asking.decode_operation)
    return not any(isinstance(operation, Failure) for operation in found)


def _plain_appends() -> Iterator[bytes]:
    entry = stored.encode_entry(Entry(1, bytes(16), bytes(48)))
    long = stored.encode_entry(Entry(1, bytes(16), bytes(300)))
    for n, turn, one in ((1, 0, entry), (24, 300, entry), (70_000, 2**40, long)):
        append = Append(b"l" * 32, b"w" * 32, turn, (one,))
        yield b"\x83\x00" + heads.number(n) + asking.encode_operations([append])


@target(
    "wire-plain-append",
    "wire.asking.read_plain_append",
    seeds=_plain_appends,
    shape=Shape.CBOR,
    longest=70_000,
)
def plain_append(data: bytes) -> bool:
    """The short way through the most usual frame says what the long way says, or nothing."""
    short = asking.read_plain_append(data)
    try:
        kind, n, operations = cbor.decode(data)
        long = asking.understand_operations(operations)
        whole = kind == 0 and type(kind) is int and type(n) is int
    except (Malformed, TypeError, ValueError):
        whole, n, long = False, 0, []
    if short is not None:
        assert whole
        assert short == (n, long[0])
        assert len(long) == 1
    return short is not None


@target("wire-answers", "wire.answering.decode_answers", "wire.answering.decode_answer", seeds=lambda: [heads.array(1) + one for one in encoded("answers", "answers")], shape=Shape.CBOR, longest=32768)  # fmt: skip
def answers(data: bytes) -> bool:
    """Lists of answers: taken as a whole or not at all, and the same bytes again."""
    try:
        found = answering.decode_answers(data)
    except Malformed:
        return False
    _same_again(data, found, answering.encode_answers, answering.decode_answers)
    for one in found:
        assert answering.decode_answer(answering.encode_answer(one)) == one
        for n, there in one.started if isinstance(one, Extent) else ():
            # Something of it is there, and something is missing.
            wanted = sum(length for _, length in parts.missing(one.size, n, there, 4096))
            assert 0 < wanted < parts.length_of(one.size, n)
    return True


# ---------------------------------------------------------------------------------------------- what is stored


def _stored(start: str) -> Callable[[], Iterator[bytes]]:
    return lambda: (
        bytes.fromhex(one["encoded"]) for one in vectors("stored")["stored"] if one["name"].startswith(start)
    )


@target(
    "wire-log-body",
    "wire.stored.decode_log_body",
    seeds=_stored("log body"),
    shape=Shape.CBOR,
    longest=20_000,
)
def log_body(data: bytes) -> bool:
    """Bodies of logs: hashed, so the same bytes again."""
    try:
        found = stored.decode_log_body(data)
    except Malformed:
        return False
    assert stored.encode_log_body(found) == data
    assert len(data) <= stored.LOG_BODY_MAX
    assert len(found.admins) <= stored.ADMINS_MAX
    return True


@target("wire-entry", "wire.stored.decode_entry", "wire.stored.check_entry", seeds=_stored("entry"), shape=Shape.CBOR, longest=70_000)  # fmt: skip
def entry(data: bytes) -> bool:
    """Entries: what the quick check lets through is CBOR, and nothing else that is an entry is refused."""
    try:
        found = stored.decode_entry(data)
    except Malformed:
        _is_no_entry(data)
        return False
    assert stored.encode_entry(found) == data
    assert len(data) <= ENTRY_MAX
    assert cbor.decode(data) == [found.kind, found.own_tag, found.body]
    return True


def _is_no_entry(data: bytes) -> None:
    try:
        kind, own_tag, body = cbor.decode(data, ENTRY_MAX)
    except (Malformed, TypeError, ValueError):
        return
    fits = (
        type(kind) is int and 0 <= kind <= stored.KIND_MAX and type(own_tag) is bytes and len(own_tag) == 16
    )
    assert not (fits and type(body) is bytes and len(body) >= ENTRY_BODY_MIN)


@target("wire-pointer", "wire.stored.decode_pointer", seeds=_stored("pointer"), shape=Shape.CBOR, longest=256)
def pointer(data: bytes) -> bool:
    """Pointers to blobs."""
    try:
        found = stored.decode_pointer(data)
    except Malformed:
        return False
    assert stored.encode_pointer(found) == data
    return True


@target(
    "wire-change", "wire.stored.decode_change", seeds=_stored("change"), shape=Shape.CBOR, longest=120_000
)
def change(data: bytes) -> bool:
    """Admins' changes."""
    try:
        found = stored.decode_change(data)
    except Malformed:
        return False
    assert stored.encode_change(found) == data
    assert len(found.grants) <= stored.GRANTS_MAX
    assert len(found.revokes) <= stored.GRANTS_MAX
    return True


@target(
    "wire-signed-change",
    "wire.stored.decode_signed_change",
    seeds=_stored("signed"),
    shape=Shape.CBOR,
    longest=120_000,
)
def signed_change(data: bytes) -> bool:
    """Changes with their signature, which is for somebody else to verify."""
    try:
        found = stored.decode_signed_change(data)
    except Malformed:
        return False
    assert stored.encode_signed_change(found) == data
    return True


@target("wire-admission", "wire.admission.decode_admission", seeds=lambda: encoded("admission", "admissions"), shape=Shape.CBOR, longest=300)  # fmt: skip
def admissions(data: bytes) -> bool:
    """Chains of admissions; no chain that was not made with the root is granted."""
    try:
        found = admission.decode_admission(data)
    except Malformed:
        return False
    assert admission.encode_admission(found) == data
    assert len(found.links) <= admission.LINKS_MAX
    assert isinstance(admission.verify(b"another root".ljust(32), found, 0), admission.Denied)
    admission.narrowest(found)
    return True
