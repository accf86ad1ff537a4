"""What people say to each other: MIMI content, receipts, file names; and how foreign text is shown and searched for."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

import sqlcipher3

from fuzz.target import Shape, target
from fuzz.targets._seeds import vectors
from support.people import ADA, secret
from whimbrel.chat import composing, content, extensions, receipts_report
from whimbrel.chat.content import ContentError, MultiPart
from whimbrel.cli import foreign
from whimbrel.crypto.files import FILE_MAX
from whimbrel.crypto.names import fault_of_name
from whimbrel.store.search import query_of
from whimbrel.wire.texts import name_is_fit

_EXTENSIONS = content.MimiContent(
    bytes(16),
    None,
    b"topic",
    content.Expiration(True, 60),
    b"\x01" * 32,
    (
        (1, "mimi://a/u/b"),
        ("x", content.Opaque(b"\x82\x01\xf9\x3c\x00")),
        (-3, None),
        (200, b"z"),
        ("at", 1_790_000_000_000),
    ),
    content.NestedPart(
        0,
        "fa,en",
        MultiPart(
            0,
            (
                content.NestedPart(1, "", content.SinglePart("text/html", b"<p>")),
                content.NestedPart(1, "", content.SinglePart("text/markdown;variant=GFM", "سلام".encode())),
                content.NestedPart(3, "", MultiPart(2, (content.NestedPart(1, "", content.NullPart()),) * 2)),
            ),
        ),
    ),
)


def _messages() -> Iterator[bytes]:
    for vector in vectors("content")["messages"]:
        yield bytes.fromhex(vector["encoded"])
    yield content.encode(_EXTENSIONS)


def _depth(nested: content.NestedPart) -> int:
    return 1 + max(map(_depth, nested.part.parts), default=0) if isinstance(nested.part, MultiPart) else 1


@target("chat-content", "chat.content.decode", "chat.composing.text_of", "chat.composing.attachments_of", "chat.extensions.unpack_mentions", seeds=_messages, shape=Shape.CBOR, longest=65536)  # fmt: skip
def message(data: bytes) -> bool:
    """MIMI content, and whatever is read of it: one encoding for each value, and every reader total."""
    try:
        found = content.decode(data)
    except ContentError:
        return False
    assert content.encode(found) == data
    assert sum(1 for _ in content.parts_in_order(found.body)) <= content.PARTS_MAX
    assert _depth(found.body) <= content.DEPTH_MAX
    assert len(composing.text_of(found).encode()) <= 3 * len(data) + content.PARTS_MAX
    assert len(composing.reaction_of(found)) <= composing.REACTION_MAX
    assert composing.takes_back(found) <= composing.is_reaction(found)
    mentions = extensions.mentions_of(found, composing.text_of(found))
    assert extensions.unpack_mentions(extensions.pack_mentions(mentions)) == mentions
    extensions.is_forwarded(found)
    composing.shows_all(found)
    at = composing.sent_at(found)
    assert at is None or 0 < at < 1 << 53
    for file in composing.attachments_of(found):
        assert (len(file.relay), len(file.blob), len(file.key), len(file.hash)) == (32, 32, 32, 32)
        assert 0 <= file.size <= FILE_MAX
        assert len(file.type) <= composing.TYPE_MAX
        item = extensions.media_as_json(file.media).decode()
        assert not item or extensions.media_from_json(item).voice == file.media.voice
        _is_safe(composing.safe_file_name(file.name))
    assert len(composing.id_of(data, ADA.account.public, secret("chat"))) == 32
    return True


@target("chat-media-json", "chat.extensions.media_from_json", seeds=lambda: [b'{"width":1280,"height":720,"thumbhash":"AAEC","voice":true}', b'{"duration_ms":4200,"waveform":[0,255]}'], shape=Shape.TEXT, longest=4096, words=(b'"width":', b"[", b"-1", b"1e9", b"null"))  # fmt: skip
def media_json(data: bytes) -> bool:
    """What the page says of a file: it fits an extension, and comes out of it as it went in."""
    try:
        found = extensions.media_from_json(data.decode("utf-8", "replace"))
    except ValueError:
        return False
    value = extensions.media_extension({7: found})
    if value is None:
        assert found == extensions.UNKNOWN
        return True
    message = content.MimiContent(
        bytes(16), None, b"", None, None, (("media", value),), content.NestedPart(1, "", content.NullPart())
    )
    assert extensions.media_of(content.decode(content.encode(message))) == {7: found}
    return True


@target("chat-report", "chat.receipts_report.decode_report", seeds=lambda: [bytes.fromhex(vectors("content")["report"]["encoded"])], shape=Shape.CBOR, longest=160_000)  # fmt: skip
def report(data: bytes) -> bool:
    """Receipts."""
    try:
        found = receipts_report.decode_report(data)
    except ContentError:
        return False
    assert receipts_report.encode_report(found) == data
    assert len(found) <= receipts_report.PAIRS_MAX
    return True


def _is_safe(name: str) -> None:
    assert name
    assert name not in (".", "..")
    assert not name.startswith(".")
    assert not set(name) & set('/\\<>:"|?*\x00')
    assert len(name.encode()) <= composing.FILE_NAME_MAX
    assert all(unicodedata.category(sign)[0] != "C" or sign in "\u200c\u200d" for sign in name)


def _text(data: bytes) -> str:
    """A text as it may stand in CBOR (valid Unicode) or, where that is no UTF-8, in JSON (lone surrogates)."""
    return data.decode("utf-8", "surrogateescape")


_NAMES = (b"photo.jpg", b"../../etc/passwd", b"CON.txt", "\u202egpj.exe".encode(), b".bashrc", b"a" * 300 + b".tar.gz", "نامه\u200cها.pdf".encode())  # fmt: skip


@target("chat-file-name", "chat.composing.safe_file_name", seeds=lambda: _NAMES, shape=Shape.TEXT, longest=70_000, words=(b"../", b"..\\", b".", b" ", b"NUL", b"com1.", b":"))  # fmt: skip
def file_name(data: bytes) -> bool:
    """Names of files that others send: what they are written as harms nobody, and stays as it is when made safe again."""
    safe = composing.safe_file_name(data.decode("utf-8", "replace"))
    _is_safe(safe)
    assert composing.safe_file_name(safe) == safe
    return True


@target("cli-foreign-text", "cli.foreign.in_lines", "cli.foreign.fit", "crypto.names.fault_of_name", seeds=lambda: [*_NAMES, b"two\r\nlines\x1b[31m", "\U0001f468\u200d\U0001f469 ❤\ufe0f 漢字".encode()], shape=Shape.TEXT, longest=70_000)  # fmt: skip
def foreign_text(data: bytes) -> bool:
    """Whatever others wrote, before it goes to a terminal: nothing that a terminal obeys, and never wider than there is room."""
    text = _text(data)
    lines = foreign.in_lines(text)
    assert lines
    for line in lines:
        assert not any(ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 for sign in line)
        assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
        line.encode("utf-8")
    for columns in (1, 20):
        assert foreign.width(foreign.fit(lines[0], columns)) <= columns
    name_is_fit(text)
    fault_of_name(text)
    return True


@cache
def _index() -> Any:
    connection = sqlcipher3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
    connection.execute("INSERT INTO words VALUES ('are you there')")
    return connection


@target("store-search", "store.search.query_of", seeds=lambda: [b"there", b'"are" you*', b"NEAR(a b) AND NOT", "漢字 ни".encode()], shape=Shape.TEXT, longest=70_000, words=(b'"', b"*", b"NEAR", b" OR ", b"^", b"text:", b"\x00"))  # fmt: skip
def search(data: bytes) -> bool:
    """Words to search for: whatever they are, the full-text index takes the query that is made of them."""
    query = query_of(_text(data))
    if query is None:
        return False
    _index().execute("SELECT count(*) FROM words WHERE words MATCH ?", (query,)).fetchone()
    return True
