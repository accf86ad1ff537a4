"""Strategies for every value of the wire, and for bytes and values that are nearly right."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from whimbrel.wire import answers as a
from whimbrel.wire import operations as o
from whimbrel.wire.admission import Admission, Limits, Link
from whimbrel.wire.fields import NUMBER_MAX
from whimbrel.wire.parts import marks_of
from whimbrel.wire.routes import Route
from whimbrel.wire.stored import encode_entry, encode_signed_change, entry_id


def exactly(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


ids = exactly(32)
signatures = exactly(64)
numbers = st.integers(0, 300) | st.integers(0, NUMBER_MAX)
some = st.integers(1, 300) | st.integers(1, NUMBER_MAX)
slots = st.integers(0, 65535)


def distinct_ids(least: int = 0, most: int = 4) -> st.SearchStrategy[tuple[bytes, ...]]:
    return st.lists(ids, min_size=least, max_size=most, unique=True).map(tuple)


# ----------------------------------------------------------------------------------------------- stored

entries = st.builds(
    o.Entry,
    kind=st.integers(0, 23),
    own_tag=exactly(16),
    body=st.binary(min_size=32, max_size=60)
    | st.sampled_from([bytes(n) for n in (32, 255, 256, 257, 65535 - 22, 65536 - 22)]),
)
encoded_entries = entries.map(encode_entry)
pointers = st.builds(o.Pointer, blob=ids, size=some, hash=ids)
log_bodies = st.builds(
    o.LogBody,
    kind=st.sampled_from(o.LogKind),
    read_hash=ids,
    write_hash=ids,
    admins=distinct_ids(),
    nonce=ids,
    version=st.just(1),
)
grants = st.builds(o.Grant, token_hash=ids, entries=numbers, size=numbers)
changes = st.builds(
    o.Change,
    n=some,
    read_hash=st.none() | ids,
    write_hash=st.none() | ids,
    admins=st.none() | distinct_ids(),
    grants=st.lists(grants, max_size=3, unique_by=lambda grant: grant.token_hash).map(tuple),
    revokes=distinct_ids(),
)
signed_changes = st.builds(o.SignedChange, change=changes, key=ids, signature=signatures)
proofs = st.builds(o.Proof, key=ids, signature=signatures)

# ------------------------------------------------------------------------------------------- operations

admissions_bytes = st.binary(min_size=1, max_size=240)


@st.composite
def appends(draw: st.DrawFn) -> o.Append:
    advance = draw(st.booleans())
    change = draw(st.none() | signed_changes)
    most = 1 if advance or change is not None else 3
    return o.Append(
        log=draw(ids),
        write=draw(ids),
        turn=draw(numbers),
        entries=tuple(draw(st.lists(encoded_entries, min_size=1, max_size=most, unique=True))),
        advance=advance,
        change=change,
        admin=draw(st.none() | proofs),
        needs=draw(distinct_ids()),
    )


@st.composite
def watches(draw: st.DrawFn) -> o.Watch:
    handle = draw(st.none() | exactly(16))
    used = draw(st.lists(slots, max_size=5, unique=True))
    dropped = draw(st.integers(0, len(used))) if handle is not None else 0
    items = tuple(o.WatchItem(slot, draw(ids), draw(ids), draw(numbers)) for slot in used[dropped:])
    own = tuple(draw(st.lists(exactly(16), max_size=3)))
    return o.Watch(
        handle, items, tuple(used[:dropped]), draw(st.integers(0, 3600)), own, draw(st.just(0) | numbers)
    )


places = st.tuples(ids, ids) | st.tuples(st.just(b""), admissions_bytes)


@st.composite
def puts(draw: st.DrawFn) -> o.Put:
    place, token = draw(places)
    n = draw(st.sampled_from([0, 1, 2, 32767]))
    last = draw(st.integers(1, 200) | st.just(o.SEALED_CHUNK))
    beyond = draw(st.booleans()) and last == o.SEALED_CHUNK
    size = n * o.SEALED_CHUNK + last + (draw(st.integers(1, 10**9)) if beyond else 0)
    at = draw(st.none() | st.sampled_from(range(0, last, o.PART)))
    length = last
    if at is not None:
        ends = [end for end in (*range(at + o.PART, last, o.PART), last) if end - at < last]
        if not ends:
            at = None
        else:
            length = draw(st.sampled_from(ends)) - at
    return o.Put(draw(ids), place, token, size, n, bytes(length), at)


part_marks = st.integers(0, 64).map(lambda mark: mark * o.PART)


@st.composite
def gets(draw: st.DrawFn) -> o.Get:
    blob, n = draw(ids), draw(st.integers(0, 1 << 24))
    if draw(st.booleans()):
        return o.Get(blob, n)
    return o.Get(blob, n, draw(part_marks), draw(part_marks.filter(bool)))


operations: st.SearchStrategy[o.Operation] = st.one_of(
    st.builds(o.Create, body=log_bodies, admission=admissions_bytes),
    appends(),
    st.builds(
        o.Fetch,
        log=ids,
        read=ids,
        after=numbers,
        limit=st.integers(1, 1000) | st.just(500),
        own=st.lists(exactly(16), max_size=3).map(tuple),
    ),
    watches(),
    st.builds(o.Signal, log=ids, write=ids, body=st.binary(min_size=1, max_size=80)),
    st.builds(o.Alter, log=ids, change=signed_changes),
    puts(),
    st.builds(lambda place, blobs: o.Keep(*place, blobs), places, distinct_ids(1)),
    gets(),
    st.builds(o.Stat, blob=ids),
    st.builds(o.Drop, log=ids, blob=st.none() | ids, admin=proofs),
    st.builds(o.Routes, inbox=ids, admin=proofs),
    st.builds(o.Unknown, code=st.integers(13, 65535) | st.just(0)),
)

# ---------------------------------------------------------------------------------------------- answers

heads = st.builds(a.Head, seq=numbers, turn=numbers, h=ids, n=numbers)
failures = st.builds(
    a.Failure,
    status=st.sampled_from([status for status in a.Status if status is not a.Status.OK]),
    head=st.none() | heads,
    first=st.none() | numbers,
    missing=distinct_ids(),
    retry_after=st.none() | st.integers(0, 86400),
)


@st.composite
def fetches(draw: st.DrawFn) -> a.Fetched:
    seq = draw(numbers.filter(lambda n: n < NUMBER_MAX - 10))
    records = []
    for _ in range(draw(st.integers(0, 3))):
        seq += draw(st.integers(1, 3))
        entry = draw(st.none() | encoded_entries)
        records.append(
            a.Record(
                seq=seq,
                turn=draw(st.integers(0, NUMBER_MAX - 1)),
                advance=draw(st.booleans()),
                id=draw(ids) if entry is None else entry_id(entry),
                entry=entry,
                change=draw(st.none() | signed_changes.map(encode_signed_change)),
                h=draw(ids),
            )
        )
    head = draw(heads)
    if records and draw(st.booleans()):
        last = records[-1]
        head = a.Head(last.seq, last.turn + last.advance, last.h, head.n)
    return a.Fetched(tuple(records), head, draw(st.booleans()), draw(st.booleans()))


@st.composite
def extents(draw: st.DrawFn) -> a.Extent:
    marks = sorted(draw(st.sets(st.integers(0, 1 << 24), max_size=6)))
    ranges = tuple(zip(marks[::2], marks[1::2], strict=False))
    size = draw(st.integers(1, 1 << 40))
    started = []
    for n in sorted(draw(st.sets(st.integers(0, size // o.SEALED_CHUNK), max_size=3))):
        count = marks_of(size, n)
        if count > 1:
            bits = draw(st.integers(1, (1 << count) - 2))
            started.append((n, bits.to_bytes(-(-count // 8), "little")))
    return a.Extent(size, ranges, draw(numbers), tuple(started))


appendeds = st.builds(
    lambda first, more, turn, h: a.Appended(first, first + more, turn, h),
    st.integers(1, 10**9),
    st.integers(0, 127),
    numbers,
    ids,
)
in_slots = fetches() | failures
answers: st.SearchStrategy[a.Answer] = st.one_of(
    failures,
    st.just(a.Done()),
    st.builds(a.Created, head=heads),
    appendeds,
    fetches(),
    st.builds(
        a.Watched,
        handle=exactly(16),
        results=st.lists(st.tuples(slots, in_slots), max_size=3, unique_by=lambda one: one[0]).map(tuple),
    ),
    st.builds(a.Altered, head=heads),
    st.builds(a.Chunk, chunk=st.binary(min_size=1, max_size=100), size=st.integers(1, 1 << 40)),
    extents(),
    st.builds(a.Part, part=st.binary(min_size=1, max_size=16), size=st.integers(1, 1 << 40), at=part_marks),
    st.builds(
        a.RouteList,
        routes=st.lists(st.text(min_size=1, max_size=30), max_size=3).map(tuple),
        made_at=numbers,
        signature=signatures,
    ),
)

# -------------------------------------------------------------------------------------------- the others

limits = st.builds(
    Limits,
    inboxes=st.none() | numbers,
    logs=st.none() | numbers,
    megabytes=st.none() | numbers,
    until=st.none() | numbers,
)
admissions = st.builds(
    Admission,
    links=st.lists(st.builds(Link, id=exactly(8), limits=limits), min_size=1, max_size=4).map(tuple),
    tag=exactly(16),
)

labels = st.from_regex(r"\A[a-z]([a-z0-9-]{0,8}[a-z0-9])?\Z")
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).filter(lambda found: found.ipv4_mapped is None).map(str)  # type: ignore[union-attr]
paths = st.from_regex(r"\A/([a-z0-9A-Z~._-]{0,20}|[a-z]{1,5}/[a-z0-9]{1,5}/?)\Z")
routes = st.builds(
    Route,
    transport=st.sampled_from(["wss", "https", "ws", "http"]),
    host=names | ipv4 | ipv6,
    port=st.sampled_from([443, 80]) | st.integers(1, 65535),
    path=paths,
    sni=st.none() | st.just("") | names,
    addresses=st.lists(ipv4 | ipv6, max_size=3).map(tuple),
    wrappers=st.lists(st.from_regex(r"\A[a-z]{1,8}(:[a-zA-Z0-9.@:/-]{1,12})?\Z"), max_size=2).map(tuple),
)
shown_names = st.text(st.characters(exclude_categories=["C"]), max_size=64)

# ------------------------------------------------------------------------------------------ nearly right

scalars: st.SearchStrategy[Any] = (
    st.integers(-(1 << 64), (1 << 64) - 1)
    | st.integers(0, 20)
    | st.booleans()
    | st.none()
    | st.binary(max_size=40)
    | ids
    | st.text(max_size=8)
)
cbor_values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(0, 16) | st.integers(0, 65535), inner, max_size=4).map(
            lambda value: dict(sorted(value.items()))
        )
    ),
    max_leaves=12,
)


@st.composite
def altered(draw: st.DrawFn, value: Any) -> Any:
    """A value that differs from `value` somewhere: a part replaced, left out, put in, or doubled."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        changed = dict(value)
        match draw(st.integers(0, 3)):
            case 0:
                del changed[key]
            case 1:
                changed[draw(st.integers(0, 17))] = draw(cbor_values)
            case _:
                changed[key] = draw(altered(value[key]))
        return dict(sorted(changed.items()))
    if isinstance(value, list) and value and draw(st.booleans()):
        at = draw(st.integers(0, len(value) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return [*value[:at], draw(cbor_values), *value[at:]]
            case 2:
                return [*value, value[at]]
            case _:
                return [*value[:at], draw(altered(value[at])), *value[at + 1 :]]
    if isinstance(value, bytes) and draw(st.booleans()):
        return draw(st.sampled_from([value[:-1], value + b"\x00", b"", value[::-1]]))
    return draw(cbor_values)


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes that differ from `data`: cut, longer, or with a byte changed."""
    match draw(st.integers(0, 3)):
        case 0:
            return data[: draw(st.integers(0, max(0, len(data) - 1)))]
        case 1:
            return data + draw(st.binary(min_size=1, max_size=5))
        case _:
            at = draw(st.integers(0, len(data) - 1))
            return data[:at] + bytes((data[at] ^ draw(st.integers(1, 255)),)) + data[at + 1 :]
