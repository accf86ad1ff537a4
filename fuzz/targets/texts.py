"""Texts that people hand to each other: addresses, invites, routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from fuzz.target import Shape, target
from fuzz.targets._seeds import vectors
from whimbrel.link.ways import neighbourhood
from whimbrel.wire import base32, paths, routes, texts
from whimbrel.wire.admission import Limits, encode_admission, mint
from whimbrel.wire.errors import Malformed, TextError
from whimbrel.wire.routes import Route
from whimbrel.wire.texts import Address, Invite

KINDS = texts._KINDS
WORDS = (
    b"whimbrel:",
    b"whimbrel://",
    b"aeq",
    b"afa",
    b"=",
    b"\xc2\xad",
    b"\xe2\x80\x93",
    b"\xe2\x80\x8b",
    b"\xff",
    b" \n",
)


def _as_text(data: bytes) -> str:
    """As Python makes text of what is typed: what is no UTF-8 becomes lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def _parsed(parse: Callable[[str], Address | Invite], text: str) -> bool:
    words = ""
    try:
        found: Address | Invite | None = parse(text)
    except TextError as error:
        words = str(error)
        found = None
    if found is None:
        assert words.endswith(".")
        return False
    assert len(text) <= base32.TEXT_MAX
    assert parse(found.text) == found
    assert len(found.routes) <= texts.WAYS_MAX
    return True


def _pasted(parts: str, *more: str) -> Callable[[], Iterator[bytes]]:
    def seeds() -> Iterator[bytes]:
        yield from (vector["text"].encode() for vector in vectors("texts")[parts])
        for name in more:
            yield from (text.encode() for text in vectors("texts")[name])

    return seeds


@target("text-invite", "wire.texts.parse_invite", "wire.base32.read_text", seeds=_pasted("invites", "the same invite"), shape=Shape.TEXT, longest=21_000, words=WORDS)  # fmt: skip
def invite(data: bytes) -> bool:
    """Pasted invites, whatever happened to them on the way; each says in a sentence what is wrong with it."""
    return _parsed(texts.parse_invite, _as_text(data))


@target(
    "text-address",
    "wire.texts.parse_address",
    seeds=_pasted("addresses"),
    shape=Shape.TEXT,
    longest=21_000,
    words=WORDS,
)
def address(data: bytes) -> bool:
    """Pasted addresses of relays."""
    return _parsed(texts.parse_address, _as_text(data))


def _payloads() -> Iterator[bytes]:
    for part in ("invites", "addresses"):
        for vector in vectors("texts")[part]:
            kind, payload = base32.read_text(vector["text"], KINDS, tuple(KINDS))
            yield bytes((kind,)) + payload
    place = encode_admission(mint(b"r" * 32, b"i" * 8, Limits(1, 2, 3, 4)))
    yield b"\x02" + bytes(32) + b"r" * 32 + b"\x00" + bytes((len(place),)) + place + "Žofie".encode()


@target(
    "text-inside",
    "wire.texts.parse_invite",
    "wire.texts.parse_address",
    seeds=_payloads,
    skip=1,
    longest=4097,
)
def inside(data: bytes) -> bool:
    """What is inside a text: any payload, with its right length and checksum."""
    kind, payload = (data[0] if data else 1) & 3 or 1, data[1 : 1 + base32.PAYLOAD_MAX]
    text = base32.write_text(kind, payload)
    assert base32.read_text(text, KINDS, tuple(KINDS)) == (kind, payload)
    parse = texts.parse_address if kind == 1 else texts.parse_invite
    try:
        found = parse(text)
    except TextError:
        return False
    assert found.text == text
    return True


def _routes() -> Iterator[bytes]:
    yield from (vector["text"].encode() for vector in vectors("texts")["routes"])
    yield b"frag|WSS://Relay.Example:443/x?sni=&ip=1.2.3.4&ip=[2001:db8::1]"
    yield b"socks5:127.0.0.1:9050|https://[2001:0db8::0001]:8443/"


@target("text-route", "wire.routes.parse_route", "link.ways.neighbourhood", seeds=_routes, shape=Shape.TEXT, longest=2048, words=(b"wss://", b"https://", b"?sni=", b"&ip=", b"[::ffff:1.2.3.4]", b"127.0.0.1", b"0x7f", b"|", b"%25", b"xn--", b"key:" + b"a" * 52 + b"|"))  # fmt: skip
def route(data: bytes) -> bool:
    """Routes as text: one canonical form, which is read as the same route; and their bytes."""
    try:
        found = routes.parse_route(_as_text(data))
    except Malformed:
        return False
    assert routes.parse_route(found.text) == found
    for wrapper in found.wrappers:
        with suppress(Malformed):
            assert routes.with_key(routes.parse_route("wss://x"), routes.key_of(wrapper)).wrappers == (
                wrapper,
            )
    assert len(found.text) <= routes.ROUTE_TEXT_MAX
    encoded = routes.write_routes((found, found))
    assert routes.read_routes(encoded, 2, 0) == ((found, found), len(encoded))
    near, subnet = neighbourhood(found.host, found.addresses)
    assert subnet
    assert near in (True, False)
    return True


OWN = paths.SecretPath(b"place", (), b"a tag of X")


def _paths() -> Iterator[bytes]:
    yield OWN.text.encode()
    yield OWN.handed_on(b"first").text.encode()
    yield OWN.handed_on(b"first").handed_on(b"later").text.encode()


@target("text-path", "wire.paths.parse_path", seeds=_paths, shape=Shape.TEXT, longest=200)
def path(data: bytes) -> bool:
    """Secret paths: one text each; they lead to a bridge by their tag alone, and never with other names."""
    text = _as_text(data)
    try:
        found = paths.parse_path(text)
    except Malformed:
        assert paths.names_of(data, OWN) is None
        return False
    assert found.text == text
    assert paths.names_of(text.encode(), OWN) in (None, found.names)
    assert found.names or paths.names_of(text.encode(), found) == ()
    return True


def _ways() -> Iterator[bytes]:
    yield from (b"\x01" + bytes.fromhex(vector["bytes"]) for vector in vectors("texts")["routes"])
    together = vectors("texts")["ways together"]
    yield bytes((len(together["texts"]),)) + bytes.fromhex(together["bytes"])
    yield b"\x01" + routes.write_routes((Route("ws", "localhost", 80, "/", "", ("::1",), ("a:b", "c")),))


@target("wire-routes", "wire.routes.read_routes", seeds=_ways, skip=1)
def ways(data: bytes) -> bool:
    """Routes as bytes: one form, and each has a text that is read as the same route."""
    count, encoded = (data[0] if data else 0) % 17, data[1:]
    try:
        found, end = routes.read_routes(encoded, count, 0)
    except Malformed:
        return False
    assert len(found) == count
    assert end <= len(encoded)
    assert routes.write_routes(found) == encoded[:end]
    for one in found:
        assert routes.parse_route(one.text) == one
    return True
