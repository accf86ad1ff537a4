"""MIMI content: the examples of the standard to the byte, and any bytes at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.mangling import hostile
from whimbrel.chat.content import (
    CONTENT_MAX,
    EXTENSION_MAX,
    PARTS_MAX,
    ROOM_URI,
    SENDER_URI,
    TOPIC_MAX,
    ContentError,
    Disposition,
    Expiration,
    ExternalPart,
    MimiContent,
    MultiPart,
    NestedPart,
    NullPart,
    Opaque,
    PartSemantics,
    SinglePart,
    decode,
    encode,
    message_id,
    parts_in_order,
)

EXAMPLES = Path(__file__).parents[2].parent / "shared" / "vectors" / "mimi"
NAMES = ("attachment", "delete", "edit", "expiring", "mention", "original", "reaction", "reply")


@pytest.fixture(params=NAMES)
def example_name(request: pytest.FixtureRequest) -> str:
    if not EXAMPLES.is_dir():
        pytest.skip(f"the examples of MIMI content are not there: {EXAMPLES}")
    return str(request.param)


@pytest.fixture
def example_bytes(example_name: str) -> bytes:
    return (EXAMPLES / f"{example_name}.cbor").read_bytes()


def single(text: str = "hello", disposition: int = Disposition.RENDER) -> NestedPart:
    return NestedPart(disposition, "", SinglePart("text/plain;charset=utf-8", text.encode()))


def message(body: NestedPart | None = None, **changes: Any) -> MimiContent:
    plain = MimiContent(bytes(range(16)), None, b"", None, None, (), body or single())
    return replace(plain, **changes)


# ------------------------------------------------------------------------------------------- the examples


def test_an_example_decodes_and_encodes_to_the_same_bytes(example_bytes: bytes) -> None:
    assert encode(decode(example_bytes)) == example_bytes


def test_an_example_has_the_id_that_the_standard_says(example_name: str, example_bytes: bytes) -> None:
    said = re.search(
        r"message ID = h'([0-9a-f]+)\s*#\s*([0-9a-f]+)'",
        (EXAMPLES / f"{example_name}.edn").read_text("utf-8"),
    )
    assert said is not None
    uris = dict(decode(example_bytes).extensions)
    sender, room = uris[SENDER_URI], uris[ROOM_URI]
    assert isinstance(sender, str)
    assert isinstance(room, str)
    assert message_id(example_bytes, sender, room).hex() == said[1] + said[2]


def changed(value: Any) -> Iterator[Any]:
    """Copies of a value, each with one thing in it changed."""
    match value:
        case bool():
            yield not value
        case int():
            yield value + 1
        case bytes():
            yield bytes([value[0] ^ 1]) + value[1:] if value else b"\x01"
        case str():
            yield f"{value}x"
        case tuple():
            for n, one in enumerate(value):
                yield from ((*value[:n], other, *value[n + 1 :]) for other in changed(one))
        case _ if is_dataclass(value):
            for field in fields(value):
                for other in changed(getattr(value, field.name)):
                    yield replace(value, **{field.name: other})  # type: ignore[type-var]


def test_a_changed_value_encodes_differently(example_bytes: bytes) -> None:
    content = decode(example_bytes)
    others = list(changed(content))
    encoded = set()
    for other in others:
        try:
            encoded.add(encode(other))
        except ContentError:
            encoded.add(repr(other).encode())  # a value that no message has, such as an empty kind of part
    assert len(others) >= 6
    assert example_bytes not in encoded
    assert len(encoded) == len(others)


def test_what_the_original_says() -> None:
    if not EXAMPLES.is_dir():
        pytest.skip(f"the examples of MIMI content are not there: {EXAMPLES}")
    content = decode((EXAMPLES / "original.cbor").read_bytes())
    assert content == MimiContent(
        salt=bytes.fromhex("5eed9406c2545547ab6f09f20a18b003"),
        replaces=None,
        topic_id=b"",
        expires=None,
        in_reply_to=None,
        extensions=(
            (SENDER_URI, "mimi://example.com/u/alice-smith"),
            (ROOM_URI, "mimi://example.com/r/engineering_team"),
        ),
        body=NestedPart(
            Disposition.RENDER,
            "",
            SinglePart(
                "text/markdown;variant=GFM-MIMI",
                b"Hi everyone, we just shipped release 2.0. __Good  work__!",
            ),
        ),
    )


def test_what_the_attachment_and_the_expiring_message_say() -> None:
    if not EXAMPLES.is_dir():
        pytest.skip(f"the examples of MIMI content are not there: {EXAMPLES}")
    part = decode((EXAMPLES / "attachment.cbor").read_bytes()).body.part
    assert isinstance(part, ExternalPart)
    assert (part.size, part.filename, part.enc_alg) == (708234961, "bigfile.mp4", 1)
    expiring = decode((EXAMPLES / "expiring.cbor").read_bytes())
    assert expiring.expires == Expiration(relative=False, time=1644390004)


# ------------------------------------------------------------------------------------------ what there is

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
octets = st.binary(max_size=40)
ids = st.one_of(st.none(), st.binary(min_size=32, max_size=32))
external_parts = st.builds(
    ExternalPart,
    texts,
    texts,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**16 - 1),
    octets,
    octets,
    octets,
    st.integers(0, 255),
    octets,
    texts,
    texts,
)
simple_parts = st.one_of(st.builds(NullPart), st.builds(SinglePart, texts, octets), external_parts)


def nested(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[NestedPart]:
    return st.builds(NestedPart, st.integers(0, 255), texts, parts)


def multi(inner: st.SearchStrategy[NestedPart]) -> st.SearchStrategy[NestedPart]:
    several = st.lists(inner, min_size=2, max_size=4).map(tuple)
    return nested(st.builds(MultiPart, st.sampled_from(tuple(map(int, PartSemantics))), several))


one_level = nested(simple_parts)
two_levels = st.one_of(one_level, multi(one_level))
bodies = st.one_of(one_level, multi(two_levels))
names = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1).filter(lambda n: n not in (SENDER_URI, ROOM_URI)),
    texts.filter(lambda t: 0 < len(t.encode()) < 256),
)
opaque = st.sampled_from(
    [
        Opaque(bytes.fromhex(raw))
        for raw in ("80", "8101", "a10102", "c11a514b67b0", "fb3ff199999999999a", "f97e00", "f7", "f93c00")
    ]
)
values = st.one_of(st.integers(-(2**63), 2**64 - 1), octets, texts, st.booleans(), st.none(), opaque)
extensions = st.dictionaries(names, values, max_size=4).map(lambda d: tuple(d.items()))
contents = st.builds(
    MimiContent,
    st.binary(min_size=16, max_size=16),
    ids,
    octets,
    st.one_of(st.none(), st.builds(Expiration, st.booleans(), st.integers(0, 2**32 - 1))),
    ids,
    extensions,
    bodies,
)


@given(contents)
def test_any_content_comes_back(content: MimiContent) -> None:
    data = encode(content)
    again = decode(data)
    assert encode(again) == data
    assert replace(again, extensions=()) == replace(content, extensions=())
    assert dict(again.extensions) == dict(content.extensions)


@given(contents)
def test_what_we_write_is_what_another_cbor_library_reads(content: MimiContent) -> None:
    read = cbor2.loads(encode(content))
    assert read[0] == content.salt
    assert len(read) == 7


PLAIN = encode(message())
FULL = encode(
    message(
        NestedPart(
            1,
            "en",
            MultiPart(
                0,
                (
                    single(),
                    NestedPart(6, "", ExternalPart("a/b", "x:y", 1, 2, 3, *[b"k"] * 3, 1, b"h", "d", "f")),
                ),
            ),
        ),
        replaces=bytes(32),
        in_reply_to=bytes(32),
        expires=Expiration(True, 60),
        extensions=((1, "a"), (-7, Opaque(b"\x81\x01")), ("name", b"value")),
    )
)


@settings(max_examples=1000)
@given(hostile(PLAIN, FULL))
@example(b"")
@example(b"\x87" * 5000)
@example(b"\x9b" + b"\xff" * 8)
@example(PLAIN + b"\x00")
def test_any_bytes_are_content_with_this_one_encoding_or_an_error(data: bytes) -> None:
    try:
        content = decode(data)
    except ContentError:
        return
    assert encode(content) == data


# --------------------------------------------------------------------------------- what is no content at all


@pytest.mark.parametrize(
    ("change", "to"),
    [
        ("salt", b"short"),
        ("salt", "text"),
        ("salt", None),
        ("replaces", b"short"),
        ("replaces", 7),
        ("topic_id", bytes(TOPIC_MAX + 1)),
        ("topic_id", None),
        ("expires", Expiration(True, 2**32)),
        ("expires", Expiration(1, 5)),
        ("expires", (True, 5)),
        ("in_reply_to", bytes(33)),
        ("extensions", ((SENDER_URI, b"bytes"),)),
        ("extensions", ((256, 1), (256, 1))),
        ("extensions", ((2**53, 1),)),
        ("extensions", (("", 1),)),
        ("extensions", (("x" * 256, 1),)),
        ("extensions", ((b"bytes", 1),)),
        ("extensions", ((300, bytes(EXTENSION_MAX)),)),
        ("extensions", ((300, 2**70),)),
        ("extensions", ((300, 1.5),)),
        ("extensions", ((300, (1, 2)),)),
        ("extensions", ((300, Opaque(b"\x01")),)),
        ("extensions", ((300, Opaque(b"")),)),
        ("extensions", ((300, Opaque(b"\x01\x02")),)),
        ("extensions", ((300, Opaque(b"\x81" * 4 + b"\x01")),)),
        ("extensions", ((300, Opaque(b"\x81\x18\x01")),)),
        ("extensions", ((300, Opaque(b"\x81\x19\x00\xff")),)),
        ("extensions", ((300, Opaque(b"\x81\x1a\x00\x00\xff\xff")),)),
        ("extensions", ((300, Opaque(b"\x81\x1b\x00\x00\x00\x00\xff\xff\xff\xff")),)),
        ("extensions", ((300, Opaque(b"\xa1\xf5\x00")),)),
        ("extensions", ((300, Opaque(b"\xa2\x02\x00\x01\x00")),)),
        ("extensions", ((300, Opaque(b"\xa1\x80\x00")),)),
        ("extensions", ((300, Opaque(b"\xfa\x3f\x80\x00\x00")),)),
        ("extensions", ((300, Opaque(b"\xf9\x7e\x01")),)),
        ("extensions", ((300, Opaque(b"\xf8\x18")),)),
        ("extensions", ((300, Opaque(b"\x61\xff")),)),
        ("extensions", ((300, Opaque(b"\x9f\xff")),)),
        ("body", None),
        ("body", single(disposition=256)),
        ("body", single(disposition=-1)),
        ("body", NestedPart(1, "", MultiPart(0, (single(),)))),
        ("body", NestedPart(1, "", MultiPart(3, (single(), single())))),
        ("body", NestedPart(1, "", SinglePart("text/plain", "text"))),  # type: ignore[arg-type]
        ("body", NestedPart(1, "\ud800", NullPart())),
        ("body", NestedPart(1, "", ExternalPart("", "", 2**32, 0, 0, b"", b"", b"", 0, b"", "", ""))),
        ("body", NestedPart(1, "", ExternalPart("", "", 0, 2**64, 0, b"", b"", b"", 0, b"", "", ""))),
        ("body", NestedPart(1, "", ExternalPart("", "", 0, 0, 2**16, b"", b"", b"", 0, b"", "", ""))),
        ("body", NestedPart(1, "", ExternalPart("", "", 0, 0, 0, b"", b"", b"", 256, b"", "", ""))),
    ],
)
def test_a_value_that_no_message_may_have_is_not_encoded(change: str, to: Any) -> None:
    with pytest.raises(ContentError):
        encode(replace(message(), **{change: to}))


def test_parts_nest_four_deep_and_no_deeper() -> None:
    body = single()
    for _ in range(3):
        body = NestedPart(1, "", MultiPart(2, (body, single())))
    assert decode(encode(message(body))).body == body
    with pytest.raises(ContentError, match="levels"):
        encode(message(NestedPart(1, "", MultiPart(2, (body, single())))))


def test_a_message_has_so_many_parts_and_no_more() -> None:
    full = NestedPart(1, "", MultiPart(2, (single(),) * (PARTS_MAX - 1)))
    assert decode(encode(message(full))).body == full
    with pytest.raises(ContentError, match="too many parts"):
        encode(message(NestedPart(1, "", MultiPart(2, (single(),) * PARTS_MAX))))


def test_an_extension_of_any_kind_is_kept_to_the_byte() -> None:
    # The example of the standard, 6.3: an array of a tagged URI and a number.
    raw = cbor2.dumps([[b"\x12\x34", cbor2.CBORTag(32, "http://example.com")], [b"\x34\x56", 5771]])
    content = message(extensions=((SENDER_URI, "mimi://a.example/u/alice"), (256, Opaque(raw))))
    assert decode(encode(content)) == content


def test_extensions_stand_in_one_order_however_they_are_given() -> None:
    pairs = (("b", 1), ("aa", 2), (-1, 3), (256, 4), (5, 5))
    data = encode(message(extensions=pairs))
    assert encode(message(extensions=tuple(reversed(pairs)))) == data
    # RFC 8949, 4.2.1: by the bytes of the key, so 5, 256, -1, "b", "aa".
    assert [name for name, _ in decode(data).extensions] == [5, 256, -1, "b", "aa"]


def test_unknown_dispositions_are_kept() -> None:
    assert decode(encode(message(single(disposition=200)))).body.disposition == 200


def test_a_long_text_of_combining_characters_comes_through() -> None:
    body = single("e" + "\u0301" * 524_287)
    data = encode(message(body))
    assert len(data) > 1024 * 1024
    assert decode(data).body == body


def test_content_has_an_end() -> None:
    with pytest.raises(ContentError, match="allowed"):
        decode(bytes(CONTENT_MAX + 1))
    with pytest.raises(ContentError, match="allowed"):
        encode(message(NestedPart(1, "", SinglePart("a/b", bytes(CONTENT_MAX)))))


def test_parts_are_counted_depth_first() -> None:
    inner = NestedPart(1, "x", MultiPart(0, (single("2"), single("3"))))
    body = NestedPart(1, "", MultiPart(2, (inner, single("4"))))
    found = [
        (index, part.part.content if isinstance(part.part, SinglePart) else None)
        for index, part in parts_in_order(body)
    ]
    assert found == [(0, None), (1, None), (2, b"2"), (3, b"3"), (4, b"4")]


# ------------------------------------------------------------------------------------------- message ids


def test_a_message_id_depends_on_sender_room_and_every_byte() -> None:
    one = message_id(PLAIN, "mimi://a/u/a", "mimi://a/r/r")
    others = {
        message_id(PLAIN, "mimi://a/u/b", "mimi://a/r/r"),
        message_id(PLAIN, "mimi://a/u/a", "mimi://a/r/s"),
        message_id(PLAIN, "mimi://a/u/amimi", "://a/r/r"),
        message_id(encode(message(single("hellp"))), "mimi://a/u/a", "mimi://a/r/r"),
    }
    assert one not in others
    assert len(others) == 4
    assert (len(one), one[0]) == (32, 1)


@pytest.mark.parametrize("content", [b"", b"\x87\x50short", b"\x86" + PLAIN[1:]])
def test_what_has_no_salt_has_no_id(content: bytes) -> None:
    with pytest.raises(ContentError, match="salt"):
        message_id(content, "a", "b")


def test_a_uri_has_an_end() -> None:
    with pytest.raises(ContentError, match="URI"):
        message_id(PLAIN, "x" * 65536, "b")
    with pytest.raises(ContentError, match="URI"):
        message_id(PLAIN, "\ud800", "b")
