"""MIMI content: what one message says, in the words of the standard (draft-ietf-mimi-content-08).

Values, their bytes, and the message id. Nothing here knows accounts, files or the store; `composing` makes messages of
texts and files, and reads them. `decode` is total: any bytes give a value or ContentError. Every value has one encoding
(RFC 8949, 4.2.1, as the draft asks in 6.1), and `decode` refuses any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import cbor2

from whimbrel.chat.mimi_cbor import NotCbor, Reader

CONTENT_MAX = 4 * 1024 * 1024
"""Bytes of one content, so of all texts in it; what is larger is sent as a file."""
SALT = 16
MESSAGE_ID = 32
DEPTH_MAX = 4
"""Parts within parts (6.3), and containers within the extensions, their map counted."""
PARTS_MAX = 1024
"""Parts of one content (9.1)."""
TOPIC_MAX = 4096
"""Bytes of a topic id (9.1)."""
EXTENSION_NAME_MAX = 255
EXTENSION_MAX = 4095
"""Bytes of an extension's value (4.3)."""
EXTENSION_KEY_MAX = (1 << 53) - 1
URI_MAX = 65535
"""Bytes of a URI that counts in the message id: its length is written in 16 bits."""
SHA256 = 1
"""Number of SHA-256 in the registry of hash algorithms: first byte of a message id, `hash_alg` of an ExternalPart."""

SENDER_URI = 1
"""Extension: who sent it."""
ROOM_URI = 2
"""Extension: where it was sent."""


class ContentError(ValueError):
    """Not MIMI content: malformed, above a limit, or a value that has no encoding. The text says what is wrong."""


class Disposition(IntEnum):
    """What a part is for (8.2.2). Values up to 255 may come; unknown ones are treated like RENDER."""

    UNSPECIFIED = 0
    RENDER = 1
    REACTION = 2
    PROFILE = 3
    INLINE = 4
    ICON = 5
    ATTACHMENT = 6
    SESSION = 7
    PREVIEW = 8


class PartSemantics(IntEnum):
    """How the parts of a MultiPart belong together (4.4)."""

    CHOOSE_ONE = 0
    SINGLE_UNIT = 1
    PROCESS_ALL = 2


class _Cardinality(IntEnum):
    NULL = 0
    SINGLE = 1
    EXTERNAL = 2
    MULTI = 3


@dataclass(frozen=True, slots=True)
class Expiration:
    """When the message is to be deleted: `time` seconds after it was read (relative), or at that Unix time."""

    relative: bool
    time: int


@dataclass(frozen=True, slots=True)
class Opaque:
    """An extension's value that is no plain one: an array, a map, a tag, a float. Its CBOR, kept byte for byte."""

    cbor: bytes


ExtensionValue = int | bytes | str | bool | None | Opaque


@dataclass(frozen=True, slots=True)
class NullPart:
    """Nothing: a delete, or a reaction taken back."""


@dataclass(frozen=True, slots=True)
class SinglePart:
    """Content that stands in the message."""

    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ExternalPart:
    """Content that lies elsewhere (4.5). `expires` in Unix seconds or 0; `size` in bytes or 0; `enc_alg` from the registry of
    AEAD algorithms or 0; `hash_alg` from the registry of hash algorithms or 0."""

    content_type: str
    url: str
    expires: int
    size: int
    enc_alg: int
    key: bytes
    nonce: bytes
    aad: bytes
    hash_alg: int
    content_hash: bytes
    description: str
    filename: str


@dataclass(frozen=True, slots=True)
class MultiPart:
    """Two parts or more, and how they belong together."""

    semantics: int
    parts: tuple[NestedPart, ...]


@dataclass(frozen=True, slots=True)
class NestedPart:
    """A part, what it is for, and its language tags (comma-separated, may be empty)."""

    disposition: int
    language: str
    part: NullPart | SinglePart | ExternalPart | MultiPart


@dataclass(frozen=True, slots=True)
class MimiContent:
    """One message. `salt` is 16 random bytes; `replaces` and `in_reply_to` are message ids; `extensions` are pairs of
    name and value, in any order (their bytes have one)."""

    salt: bytes
    replaces: bytes | None
    topic_id: bytes
    expires: Expiration | None
    in_reply_to: bytes | None
    extensions: tuple[tuple[int | str, ExtensionValue], ...]
    body: NestedPart


def encode(value: MimiContent) -> bytes:
    """The one encoding of a content. Raises ContentError for a value that `decode` would refuse."""
    try:
        data = _encode(value)
    except (AttributeError, TypeError, ValueError, RecursionError, cbor2.CBORError, NotCbor):
        raise ContentError("a value of a kind that MIMI content does not have") from None
    decode(data)
    return data


def decode(data: bytes) -> MimiContent:
    """The content of these bytes. Raises ContentError."""
    if len(data) > CONTENT_MAX:
        raise ContentError(f"{len(data)} bytes of content; {CONTENT_MAX} are allowed")
    reader = Reader(data)
    try:
        reader.array(7)
        content = MimiContent(
            salt=reader.octets(SALT, SALT),
            replaces=_read_message_id(reader),
            topic_id=reader.octets(0, TOPIC_MAX),
            expires=_read_expiration(reader),
            in_reply_to=_read_message_id(reader),
            extensions=_read_extensions(reader),
            body=_read_part(reader, DEPTH_MAX, iter(range(PARTS_MAX))),
        )
        reader.end()
    except NotCbor as error:
        raise ContentError(str(error)) from None
    return content


def message_id(content: bytes, sender_uri: str, room_uri: str) -> bytes:
    """Id of a message (3.3): the number of SHA-256, then 31 bytes of the hash over both URIs, the content and its salt.

    `content` is encoded; ContentError if its salt is not where it belongs, or a URI is too long.
    """
    if content[:2] != b"\x87\x50" or len(content) < 2 + SALT:
        raise ContentError("no MIMI content: its salt is missing")
    hashed = hashlib.sha256()
    for uri in (sender_uri, room_uri):
        try:
            raw = uri.encode("utf-8")
        except UnicodeEncodeError:
            raise ContentError("a URI with characters that are none") from None
        if len(raw) > URI_MAX:
            raise ContentError(f"a URI of {len(raw)} bytes; {URI_MAX} are allowed")
        hashed.update(len(raw).to_bytes(2, "big"))
        hashed.update(raw)
    hashed.update(content)
    hashed.update(content[2 : 2 + SALT])
    return bytes((SHA256,)) + hashed.digest()[:31]


def parts_in_order(body: NestedPart) -> Iterator[tuple[int, NestedPart]]:
    """All parts with their index: depth first, counted from 0 (4.4)."""
    waiting, index = [body], 0
    while waiting:
        part = waiting.pop()
        yield index, part
        index += 1
        if isinstance(part.part, MultiPart):
            waiting.extend(reversed(part.part.parts))


# -------------------------------------------------------------------------------------------------- reading


def _read_message_id(reader: Reader) -> bytes | None:
    return None if reader.null() else reader.octets(MESSAGE_ID, MESSAGE_ID)


def _read_expiration(reader: Reader) -> Expiration | None:
    if reader.null():
        return None
    reader.array(2)
    return Expiration(reader.boolean(), reader.number(32))


def _read_extensions(reader: Reader) -> tuple[tuple[int | str, ExtensionValue], ...]:
    found: list[tuple[int | str, ExtensionValue]] = []
    for name in reader.keys(EXTENSION_NAME_MAX, EXTENSION_KEY_MAX):
        value = _read_extension(reader)
        if name in (SENDER_URI, ROOM_URI) and not isinstance(value, str):
            raise NotCbor("a URI in the extensions that is no text")
        found.append((name, value))
    return tuple(found)


def _read_extension(reader: Reader) -> ExtensionValue:
    raw = reader.item(DEPTH_MAX - 1)
    if len(raw) > EXTENSION_MAX:
        raise NotCbor(f"an extension of {len(raw)} bytes; {EXTENSION_MAX} are allowed")
    plain = Reader(raw).plain()
    return Opaque(raw) if plain is None else plain[0]


def _read_part(reader: Reader, depth: int, indexes: Iterator[int]) -> NestedPart:
    if depth == 0:
        raise NotCbor(f"parts within parts; {DEPTH_MAX} levels are allowed")
    if next(indexes, None) is None:
        raise NotCbor(f"too many parts; {PARTS_MAX} are allowed")
    length = reader.array()
    disposition, language = reader.number(8), reader.text()
    cardinality = reader.number(8)
    part: NullPart | SinglePart | ExternalPart | MultiPart
    match cardinality, length:
        case _Cardinality.NULL, 3:
            part = NullPart()
        case _Cardinality.SINGLE, 5:
            part = SinglePart(reader.text(), reader.octets())
        case _Cardinality.EXTERNAL, 15:
            part = ExternalPart(
                content_type=reader.text(),
                url=reader.text(),
                expires=reader.number(32),
                size=reader.number(64),
                enc_alg=reader.number(16),
                key=reader.octets(),
                nonce=reader.octets(),
                aad=reader.octets(),
                hash_alg=reader.number(8),
                content_hash=reader.octets(),
                description=reader.text(),
                filename=reader.text(),
            )
        case _Cardinality.MULTI, 5:
            semantics, count = reader.number(8), reader.array()
            if semantics > max(PartSemantics):
                raise NotCbor("parts that belong together in a way that is not known")
            if count < 2:
                raise NotCbor("a part of several that has fewer than two")
            part = MultiPart(semantics, tuple(_read_part(reader, depth - 1, indexes) for _ in range(count)))
        case _:
            raise NotCbor("a part of a kind that is not known, or with too much or too little in it")
    return NestedPart(disposition, language, part)


# -------------------------------------------------------------------------------------------------- writing


def _encode(value: MimiContent) -> bytes:
    expires = value.expires and [value.expires.relative, value.expires.time]
    named = sorted((cbor2.dumps(name), _encode_extension(item)) for name, item in value.extensions)
    return b"".join(
        (
            b"\x87",
            *map(cbor2.dumps, (value.salt, value.replaces, value.topic_id, expires, value.in_reply_to)),
            _head_of_map(len(named)),
            *(part for pair in named for part in pair),
            cbor2.dumps(_pack_part(value.body)),
        )
    )


def _head_of_map(count: int) -> bytes:
    head = cbor2.dumps(count)
    return bytes((head[0] | 0xA0,)) + head[1:]


def _encode_extension(value: ExtensionValue) -> bytes:
    if isinstance(value, Opaque):
        if Reader(value.cbor).plain() is not None:
            raise ValueError("a plain value that is given as an opaque one")
        return value.cbor
    if type(value) is int and not -(1 << 64) <= value < 1 << 64:
        raise ValueError("a number of more than 64 bits")
    if value is not None and type(value) not in (int, bytes, str, bool):
        raise TypeError(type(value).__name__)
    return cbor2.dumps(value)


def _pack_part(nested: NestedPart) -> list[object]:
    part = nested.part
    head: list[object] = [int(nested.disposition), nested.language]
    match part:
        case NullPart():
            return [*head, 0]
        case SinglePart():
            return [*head, 1, part.content_type, part.content]
        case ExternalPart():
            return [
                *head,
                2,
                part.content_type,
                part.url,
                part.expires,
                part.size,
                part.enc_alg,
                part.key,
                part.nonce,
                part.aad,
                part.hash_alg,
                part.content_hash,
                part.description,
                part.filename,
            ]
        case MultiPart():
            return [*head, 3, int(part.semantics), [_pack_part(inner) for inner in part.parts]]
