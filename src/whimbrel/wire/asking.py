"""Operations and their bytes: `[code, {key: value}]`, several as an array of them.

A key that is not needed is left out, and must be: every operation has one encoding. Limits are checked here, so that
whoever gets an `Operation` from `decode_operations` need not check them again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import heads
from .answers import Failure, Status
from .cbor import MESSAGE_MAX, decode, encode_ordered
from .errors import Malformed, TooLarge
from .fields import NUMBER_MAX, array, at_most, exactly, fields, ids, listing, number, some
from .operations import (
    CHUNK,
    ENTRIES_MAX,
    ID,
    OWN,
    OWN_MAX,
    PART,
    SEALED_CHUNK,
    Alter,
    Append,
    Create,
    Drop,
    Fetch,
    Get,
    Keep,
    Operation,
    Proof,
    Put,
    Routes,
    Signal,
    Stat,
    Unknown,
    Watch,
    WatchItem,
)
from .purpose import SIGNATURE
from .stored import (
    LOG_BODY_MAX,
    SIGNED_CHANGE_MAX,
    check_entry,
    decode_log_body,
    decode_signed_change,
    encode_log_body,
    encode_signed_change,
)

OPERATIONS_MAX = 1024
"""Operations in one letter or frame."""
NEEDS_MAX = 1024
"""Blobs that one append needs, or one keep names."""
WATCH_MAX = 4096
"""Logs in a watch set."""
SLOT_MAX = 65535
WAIT_MAX = 3600
"""Seconds that an exchange may ask its answer to be held."""
FETCH_MAX = 1000
FETCH_USUAL = 500
"""Records that a fetch asks for when it does not say."""
SIGNAL_MAX = 16 * 1024
ADMISSION_MAX = 240
"""Bytes of an encoded admission, so that texts can give its length in one byte."""
BLOB_MAX = 1 << 40
"""Sealed bytes of a blob that the protocol can name; a relay's own limit is far lower."""
HANDLE = 16
CODE_MAX = 65535

CREATE, APPEND, FETCH, WATCH, SIGNAL, ALTER, PUT, KEEP, GET, STAT, DROP, ROUTES = range(1, 13)


def encode_operation(operation: Operation) -> bytes:
    """The bytes of one operation. Fields beyond the limits are not checked here but at the reader."""
    return encode_ordered(_ask(operation))


def encode_operations(operations: Sequence[Operation]) -> bytes:
    """The bytes of several, in order. Raises ValueError when they are more than one letter or frame carries."""
    data = encode_ordered([_ask(operation) for operation in operations])
    if len(data) > MESSAGE_MAX or len(operations) > OPERATIONS_MAX:
        raise ValueError(
            f"{len(operations)} operations of {len(data)} bytes are too much for one letter or frame"
        )
    return data


def decode_operation(data: bytes) -> Operation:
    """One operation. Raises Malformed or TooLarge."""
    return _understand(decode(data))


def decode_operations(data: bytes) -> list[Operation | Failure]:
    """Several operations. One that is not well formed gives the Failure that answers it, alone; one with a code of a
    later version gives Unknown. Raises Malformed or TooLarge when the bytes as a whole are no list of operations."""
    return [_one_of_many(value) for value in listing(decode(data), OPERATIONS_MAX)]


def understand_operations(values: Any) -> list[Operation | Failure]:
    """As `decode_operations`, of a value that was decoded already (a frame's)."""
    return [_one_of_many(value) for value in listing(values, OPERATIONS_MAX)]


def read_plain_append(data: bytes) -> tuple[int, Append] | None:
    """The request number and the append of a frame that holds one append of one entry and nothing else; None for any
    other frame, well formed or not.

    Nearly every frame that a relay gets is of this form, and read byte by byte it takes a fifth of the time:

        83 00 n 81 82 02 a4 | 00 5820 log | 02 5820 write | 04 turn | 06 81 entry
    """
    try:
        if data[:2] != b"\x83\x00":
            return None
        n, at = heads.read_number(data, 2)
        if data[at : at + 7] != b"\x81\x82\x02\xa4\x00\x58\x20" or data[at + 39 : at + 42] != b"\x02\x58\x20":
            return None
        if data[at + 74] != 4:
            return None
        turn, end = heads.read_number(data, at + 75)
        head = data[end + 2]
        if head == 0x58:
            start, least, length = end + 4, 24, data[end + 3]
        elif head == 0x59:
            start, least, length = end + 5, 256, data[end + 3] << 8 | data[end + 4]
        else:
            return None
        entry = data[start:]
        if data[end : end + 2] != b"\x06\x81" or len(entry) != length or length < least or turn > NUMBER_MAX:
            return None
        check_entry(entry)
    except (IndexError, Malformed):
        return None
    return n, Append(data[at + 7 : at + 39], data[at + 42 : at + 74], turn, (entry,))


def code_of(operation: Operation) -> int:
    """The number by which an operation is known."""
    return operation.code if isinstance(operation, Unknown) else _CODES[type(operation)]


def _one_of_many(value: Any) -> Operation | Failure:
    try:
        return _understand(value)
    except TooLarge:
        return Failure(Status.TOO_LARGE)
    except Malformed:
        return Failure(Status.MALFORMED)


def _understand(value: Any) -> Operation:
    if type(value) is not list or len(value) != 2:
        raise Malformed("not an operation")
    code, content = value
    reader = _READERS.get(code) if type(code) is int else None
    if reader is None:
        number(code, CODE_MAX)
        if type(content) is not dict:
            raise Malformed("not an operation")
        return Unknown(code)
    return reader(content)


def _ask(operation: Operation) -> tuple[int, dict[int, Any]]:
    if type(operation) is Unknown:
        if operation.code in _READERS:
            raise ValueError(f"code {operation.code} is known")
        return operation.code, {}
    code = _CODES[type(operation)]
    content: dict[int, Any] = _WRITERS[code](operation)
    return code, content


# ------------------------------------------------------------------------------- one operation after the other

_CREATE = frozenset((0, 2))


def _write_create(create: Create) -> dict[int, Any]:
    return {0: encode_log_body(create.body), 2: create.admission}


def _read_create(value: Any) -> Create:
    content = fields(value, _CREATE)
    body = decode_log_body(at_most(content.get(0), LOG_BODY_MAX))
    return Create(body, at_most(content.get(2), ADMISSION_MAX))


_APPEND = frozenset((0, 2, 4, 6, 8, 10, 12, 14))


def _write_append(append: Append) -> dict[int, Any]:
    content: dict[int, Any] = {0: append.log, 2: append.write, 4: append.turn, 6: append.entries}
    if append.advance:
        content[8] = True
    if append.change is not None:
        content[10] = encode_signed_change(append.change)
    if append.admin is not None:
        content[12] = (append.admin.key, append.admin.signature)
    if append.needs:
        content[14] = append.needs
    return content


def _read_append(value: Any) -> Append:
    content = fields(value, _APPEND)
    entries = tuple(listing(content.get(6), ENTRIES_MAX, 1))
    for entry in entries:
        check_entry(entry)
    single = len(entries) == 1
    if not single and len(set(entries)) != len(entries):
        raise Malformed("the same entry twice")
    log, write, turn = exactly(content.get(0)), exactly(content.get(2)), number(content.get(4))
    if len(content) == 4:
        return Append(log, write, turn, entries)
    advance = _flag(content, 8)
    change = decode_signed_change(at_most(content[10], SIGNED_CHANGE_MAX)) if 10 in content else None
    if not single and (advance or change is not None):
        raise Malformed("an advance or a change beside more than one entry")
    return Append(
        log,
        write,
        turn,
        entries,
        advance,
        change,
        _read_proof(content[12]) if 12 in content else None,
        ids(content[14], NEEDS_MAX) if 14 in content else (),
    )


_FETCH = frozenset((0, 2, 4, 6, 7))


def _write_fetch(fetch: Fetch) -> dict[int, Any]:
    content: dict[int, Any] = {0: fetch.log, 2: fetch.read, 4: fetch.after}
    if fetch.limit != FETCH_USUAL:
        content[6] = fetch.limit
    if fetch.own:
        content[7] = b"".join(fetch.own)
    return content


def _read_fetch(value: Any) -> Fetch:
    content = fields(value, _FETCH)
    limit = FETCH_USUAL
    if 6 in content:
        limit = some(content[6], FETCH_MAX)
        if limit == FETCH_USUAL:
            raise Malformed("a limit that has to be left out")
    return Fetch(
        exactly(content.get(0)), exactly(content.get(2)), number(content.get(4)), limit, _read_own(content)
    )


def _read_own(content: dict[int, Any]) -> tuple[bytes, ...]:
    if 7 not in content:
        return ()
    data = at_most(content[7], OWN_MAX * OWN)
    if len(data) % OWN:
        raise Malformed("beginnings of ids of another length")
    return tuple(data[i : i + OWN] for i in range(0, len(data), OWN))


_WATCH = frozenset((0, 2, 4, 6, 7, 9))


def _write_watch(watch: Watch) -> dict[int, Any]:
    content: dict[int, Any] = {}
    if watch.handle is not None:
        content[0] = watch.handle
    if watch.items:
        content[2] = [(item.slot, item.log, item.read, item.after) for item in watch.items]
    if watch.drop:
        content[4] = watch.drop
    if watch.wait:
        content[6] = watch.wait
    if watch.own:
        content[7] = b"".join(watch.own)
    if watch.count:
        content[9] = watch.count
    return content


def _read_watch(value: Any) -> Watch:
    content = fields(value, _WATCH)
    handle = exactly(content[0], HANDLE) if 0 in content else None
    items = []
    for item in listing(content[2], WATCH_MAX, 1) if 2 in content else ():
        slot, log, read, after = array(item, 4)
        items.append(WatchItem(number(slot, SLOT_MAX), exactly(log), exactly(read), number(after)))
    drop = tuple(listing(content[4], WATCH_MAX, 1)) if 4 in content else ()
    for slot in drop:
        number(slot, SLOT_MAX)
    slots = {item.slot for item in items}.union(drop)
    if len(slots) != len(items) + len(drop):
        raise Malformed("the same slot twice")
    if drop and handle is None:
        raise Malformed("slots dropped from no set")
    wait = some(content[6], WAIT_MAX) if 6 in content else 0
    count = some(content[9]) if 9 in content else 0
    return Watch(handle, tuple(items), drop, wait, _read_own(content), count)


_SIGNAL = frozenset((0, 2, 4))


def _write_signal(signal: Signal) -> dict[int, Any]:
    return {0: signal.log, 2: signal.write, 4: signal.body}


def _read_signal(value: Any) -> Signal:
    content = fields(value, _SIGNAL)
    return Signal(exactly(content.get(0)), exactly(content.get(2)), at_most(content.get(4), SIGNAL_MAX))


_ALTER = frozenset((0, 2))


def _write_alter(alter: Alter) -> dict[int, Any]:
    return {0: alter.log, 2: encode_signed_change(alter.change)}


def _read_alter(value: Any) -> Alter:
    content = fields(value, _ALTER)
    signed = at_most(content.get(2), SIGNED_CHANGE_MAX)
    return Alter(exactly(content.get(0)), decode_signed_change(signed))


_PUT = frozenset((0, 2, 4, 6, 8, 10, 12))


def _write_put(put: Put) -> dict[int, Any]:
    content: dict[int, Any] = {0: put.blob}
    _write_place(content, put.place, put.token)
    content[6] = put.size
    if put.n:
        content[8] = put.n
    content[10] = put.chunk
    if put.at is not None:
        content[12] = put.at
    return content


def _read_put(value: Any) -> Put:
    content = fields(value, _PUT)
    place, token = _read_place(content)
    size = some(content.get(6), BLOB_MAX)
    n = some(content[8], BLOB_MAX) if 8 in content else 0
    chunk = at_most(content.get(10), SEALED_CHUNK)
    whole = min(SEALED_CHUNK, size - n * SEALED_CHUNK)
    at = _multiple(content[12]) if 12 in content else None
    if at is None:
        if len(chunk) != whole:
            raise Malformed("a chunk that does not fit its place in the blob")
    else:
        end = at + len(chunk)
        if end > whole or (end % PART and end != whole) or len(chunk) == whole:
            raise Malformed("a part that does not fit its place in the chunk, or is all of it")
    return Put(exactly(content.get(0)), place, token, size, n, chunk, at)


_KEEP = frozenset((2, 4, 6))


def _write_keep(keep: Keep) -> dict[int, Any]:
    content: dict[int, Any] = {}
    _write_place(content, keep.place, keep.token)
    content[6] = keep.blobs
    return content


def _read_keep(value: Any) -> Keep:
    content = fields(value, _KEEP)
    place, token = _read_place(content)
    return Keep(place, token, ids(content.get(6), NEEDS_MAX))


_GET = frozenset((0, 2, 4, 6))


def _write_get(get: Get) -> dict[int, Any]:
    content: dict[int, Any] = {0: get.blob}
    if get.n:
        content[2] = get.n
    if get.at:
        content[4] = get.at
    if get.length is not None:
        content[6] = get.length
    return content


def _read_get(value: Any) -> Get:
    content = fields(value, _GET)
    n = some(content[2], BLOB_MAX // CHUNK) if 2 in content else 0
    at = some(_multiple(content[4])) if 4 in content else 0
    length = some(_multiple(content[6])) if 6 in content else None
    if at and length is None:
        raise Malformed("a part without its length")
    return Get(exactly(content.get(0)), n, at, length)


_STAT = frozenset((0,))


def _write_stat(stat: Stat) -> dict[int, Any]:
    return {0: stat.blob}


def _read_stat(value: Any) -> Stat:
    return Stat(exactly(fields(value, _STAT).get(0)))


_DROP = frozenset((0, 2, 4))


def _write_drop(drop: Drop) -> dict[int, Any]:
    content: dict[int, Any] = {0: drop.log}
    if drop.blob is not None:
        content[2] = drop.blob
    content[4] = (drop.admin.key, drop.admin.signature)
    return content


def _read_drop(value: Any) -> Drop:
    content = fields(value, _DROP)
    blob = exactly(content[2]) if 2 in content else None
    return Drop(exactly(content.get(0)), blob, _read_proof(content.get(4)))


_ROUTES = frozenset((0, 2))


def _write_routes(routes: Routes) -> dict[int, Any]:
    return {0: routes.inbox, 2: (routes.admin.key, routes.admin.signature)}


def _read_routes(value: Any) -> Routes:
    content = fields(value, _ROUTES)
    return Routes(exactly(content.get(0)), _read_proof(content.get(2)))


# ------------------------------------------------------------------------------------------ what several have


def _flag(content: dict[int, Any], key: int) -> bool:
    if key not in content:
        return False
    if content[key] is not True:
        raise Malformed("a flag that has to be left out or true")
    return True


def _multiple(value: Any) -> int:
    """Where a part begins, or how long it is."""
    if number(value, SEALED_CHUNK) % PART:
        raise Malformed("a part that begins or ends between two marks")
    return int(value)


def _read_proof(value: Any) -> Proof:
    key, signature = array(value, 2)
    return Proof(exactly(key), exactly(signature, SIGNATURE))


def _write_place(content: dict[int, Any], place: bytes, token: bytes) -> None:
    if place:
        content[2] = place
    content[4] = token


def _read_place(content: dict[int, Any]) -> tuple[bytes, bytes]:
    """A log and its write token, or nothing and an admission."""
    if 2 in content:
        return exactly(content[2]), exactly(content.get(4), ID)
    return b"", at_most(content.get(4), ADMISSION_MAX)


_CODES: dict[type, int] = {
    Create: CREATE,
    Append: APPEND,
    Fetch: FETCH,
    Watch: WATCH,
    Signal: SIGNAL,
    Alter: ALTER,
    Put: PUT,
    Keep: KEEP,
    Get: GET,
    Stat: STAT,
    Drop: DROP,
    Routes: ROUTES,
}
_WRITERS: dict[int, Callable[[Any], dict[int, Any]]] = {
    CREATE: _write_create,
    APPEND: _write_append,
    FETCH: _write_fetch,
    WATCH: _write_watch,
    SIGNAL: _write_signal,
    ALTER: _write_alter,
    PUT: _write_put,
    KEEP: _write_keep,
    GET: _write_get,
    STAT: _write_stat,
    DROP: _write_drop,
    ROUTES: _write_routes,
}
_READERS: dict[int, Callable[[Any], Operation]] = {
    CREATE: _read_create,
    APPEND: _read_append,
    FETCH: _read_fetch,
    WATCH: _read_watch,
    SIGNAL: _read_signal,
    ALTER: _read_alter,
    PUT: _read_put,
    KEEP: _read_keep,
    GET: _read_get,
    STAT: _read_stat,
    DROP: _read_drop,
    ROUTES: _read_routes,
}
