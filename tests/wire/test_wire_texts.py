"""Texts that people hand to each other: one form each, forgiving to read, clear about what is wrong."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_values import admissions, ids, routes, shown_names

from whimbrel.wire import admission as adm
from whimbrel.wire.base32 import read_text, write_text
from whimbrel.wire.errors import Malformed, NotOurText, OtherText, TextAltered, TextCut, TextError, TextNewer
from whimbrel.wire.purpose import digest, labelled
from whimbrel.wire.routes import Route, parse_route, read_routes, write_routes
from whimbrel.wire.texts import Address, Invite, OneUse, Open, parse_address, parse_invite

PATH = "/k3jq7zp2mf5x4c6w"
THREE_WAYS = (
    Route("wss", "relay.example.org", 443, PATH),
    Route("wss", "203.0.113.7", 8443, PATH),
    Route("https", "2001:db8::7", 443, PATH, sni="cdn.example.net", addresses=("198.51.100.9",)),
)
RELAY, SEED = bytes(range(32)), bytes(range(32, 64))
INVITE = Invite(RELAY, THREE_WAYS, "Ada Lovelace", OneUse(SEED))
PLACE = adm.narrow(
    adm.mint(b"R" * 32, b"hosthost", adm.Limits()), b"guest..1", adm.Limits(1, 20, 200, 1_900_000_000)
)

route_tuples = st.lists(routes, max_size=4).map(tuple)
invites = st.builds(
    Invite,
    relay=ids,
    routes=route_tuples,
    name=shown_names,
    secret=st.builds(OneUse, seed=ids) | st.builds(Open, card=ids, card_key=ids, inbox=ids, token=ids),
    place=st.none() | admissions,
)
addresses = st.builds(Address, relay=ids, routes=route_tuples, admission=st.none() | admissions)


@given(invites)
def test_an_invite_is_read_as_it_was_written(invite: Invite) -> None:
    assert parse_invite(invite.text) == invite
    assert parse_invite(invite.text).text == invite.text


@given(addresses)
def test_an_address_is_read_as_it_was_written(address: Address) -> None:
    assert parse_address(address.text) == address


@given(invites, st.data())
def test_how_it_was_copied_does_not_matter(invite: Invite, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([invite.text, invite.text.upper(), invite.text.title()]))
    marks = ["", " ", "\n", "\r\n> ", "\t", "-", "\u00ad", "\u200b", "\u00a0", "\u2011", "*"]
    for _ in range(3):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(marks)) + text[at:]
    around = data.draw(st.sampled_from(["{}", "<{}>", '"{}"', "“{}”", "Here you are: {}", "{}.", " {} "]))
    assert parse_invite(around.format(text)) == invite


@pytest.mark.parametrize("start", ["", "whimbrel:", "WHIMBREL:", "whimbrel://", "Whimbrel: "])
def test_the_prefix_may_be_missing_or_different(start: str) -> None:
    assert parse_invite(start + INVITE.text.removeprefix("whimbrel:")) == INVITE


@given(st.integers(1, 240))
def test_a_text_that_was_cut_says_so(missing: int) -> None:
    cut = INVITE.text[:-missing] if missing < len(INVITE.text) else ""
    if len(cut) > len("whimbrel:"):
        with pytest.raises(TextCut, match="missing"):
            parse_invite(cut)


@given(
    st.integers(len("whimbrel:") + 2, len(INVITE.text) - 1),
    st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"),
)
def test_a_text_with_a_wrong_character_says_so(at: int, other: str) -> None:
    altered = INVITE.text[:at] + other + INVITE.text[at + 1 :]
    if altered == INVITE.text:
        assert parse_invite(altered) == INVITE
        return
    # A wrong character in the length may look like a text that was cut; it is refused all the same.
    with pytest.raises((TextAltered, TextCut)) as refused:
        parse_invite(altered)
    assert at < 15 or isinstance(refused.value, TextAltered)


@pytest.mark.parametrize("wrong", ["0", "1", "8", "ä", "!", "/"])
def test_a_character_that_never_stands_in_one_is_damage(wrong: str) -> None:
    with pytest.raises(TextAltered, match="damaged"):
        parse_invite(INVITE.text[:50] + wrong + INVITE.text[51:])


def test_two_characters_that_changed_places_are_damage() -> None:
    at = next(i for i in range(30, 90) if INVITE.text[i] != INVITE.text[i + 1])
    swapped = INVITE.text[:at] + INVITE.text[at + 1] + INVITE.text[at] + INVITE.text[at + 2 :]
    with pytest.raises(TextAltered):
        parse_invite(swapped)


def test_something_added_is_damage() -> None:
    for more in ("a", "aa", "aaaaaaaa", INVITE.text.removeprefix("whimbrel:")):
        with pytest.raises(TextAltered):
            parse_invite(INVITE.text + more)


def test_an_address_is_not_an_invite() -> None:
    with pytest.raises(OtherText, match="This is the address of a relay, not an invite"):
        parse_invite(Address(RELAY, THREE_WAYS).text)
    with pytest.raises(OtherText, match="This is an invite, not the address of a relay"):
        parse_address(INVITE.text)


def later(version: int, kind: int) -> str:
    data = bytes((version, kind << 4, 3)) + b"new"
    data += digest(labelled("text") + b"\x00" + data)[:4]
    return "whimbrel:" + base64.b32encode(data).decode().rstrip("=").lower()


def test_a_text_of_a_newer_version_says_so() -> None:
    for text in (later(2, 2), later(255, 0), later(1, 9)):
        with pytest.raises(TextNewer, match="newer version"):
            parse_invite(text)


def sealed_text(data: bytes) -> str:
    """A text of these bytes with the checksum that belongs to them."""
    whole = data + digest(labelled("text") + b"\x00" + data)[:4]
    return "whimbrel:" + base64.b32encode(whole).decode().rstrip("=").lower()


@pytest.mark.parametrize("length", [-1, 1, 300])
def test_a_length_that_is_not_the_texts_own_is_damage(length: int) -> None:
    kind, payload = read_text(INVITE.text, {2: "an invite"}, (2,))
    head = b"\x01" + (kind << 12 | len(payload)).to_bytes(2, "big")
    assert sealed_text(head + payload) == INVITE.text
    with pytest.raises(TextAltered):
        parse_invite(sealed_text(b"\x01" + (kind << 12 | len(payload) + length).to_bytes(2, "big") + payload))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (1, RELAY + b"\x00\x00" + b"more"),
        (1, RELAY + b"\x00"),
        (1, RELAY + b"\x11"),
        (1, RELAY + b"\x00\x05abc"),
        (1, RELAY[:31]),
        (2, SEED),
        (2, SEED + RELAY + b"\x00\x00" + b"\xff"),
        (2, SEED + RELAY + b"\x00\x00" + b"a\nb"),
        (2, SEED + RELAY + b"\x00\x00" + b"x" * 65),
        (3, SEED * 3),
    ],
)
def test_a_payload_that_is_not_well_formed_is_refused(kind: int, payload: bytes) -> None:
    with pytest.raises(TextAltered, match="nothing that works"):
        (parse_address if kind == 1 else parse_invite)(write_text(kind, payload))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "https://example.org/x",
        "wss://relay.example/x",
        "zzzz" * 40,
        "whimbrels are birds",
        "x" * 30_000,
        "\ud800",
    ],
)
def test_something_else_is_not_an_invite(text: str) -> None:
    with pytest.raises(NotOurText, match=r"not an invite|too long to be an invite"):
        parse_invite(text)


@given(st.text(max_size=300) | st.text("abcdefghijklmnopqrstuvwxyz234567:whimbrel", max_size=300))
def test_any_text_is_read_or_refused_in_plain_words(text: str) -> None:
    for parse in (parse_invite, parse_address):
        for pasted in (text, "whimbrel:" + text, "whimbrel:ae" + text):
            with pytest.raises(TextError) as refused:
                parse(pasted)
            assert str(refused.value)[-1] in string.punctuation


@given(st.sampled_from([1, 2, 3]), st.binary(max_size=300))
def test_any_payload_is_read_or_refused(kind: int, payload: bytes) -> None:
    text = write_text(kind, payload)
    for parse in (parse_invite, parse_address):
        try:
            found = parse(text)
        except TextError:
            continue
        assert found.text == text


@given(invites, st.data())
def test_an_altered_payload_under_a_good_checksum_is_the_one_form_of_something_or_refused(
    invite: Invite, data: st.DataObject
) -> None:
    kind, payload = read_text(invite.text, {2: "an invite", 3: "an invite"}, (2, 3))
    at = data.draw(st.integers(0, len(payload) - 1))
    altered = payload[:at] + data.draw(st.binary(max_size=2)) + payload[at + data.draw(st.integers(0, 2)) :]
    try:
        found = parse_invite(write_text(kind, altered))
    except TextError:
        return
    assert found.text == write_text(kind, altered)


def test_lengths() -> None:
    assert len(INVITE.text) <= 300
    assert len(Invite(RELAY, THREE_WAYS, "Ada Lovelace", OneUse(SEED), PLACE).text) <= 400
    assert INVITE.text.upper().isascii()
    with pytest.raises(ValueError, match="too much"):
        write_text(1, bytes(4096))
    with pytest.raises(ValueError, match="ways"):
        _ = Address(RELAY, THREE_WAYS * 6).text
    with pytest.raises(ValueError, match="32 bytes"):
        _ = Invite(RELAY, THREE_WAYS, "Ada", OneUse(b"short")).text


@pytest.mark.parametrize("name", ["x" * 65, "a\nb", "a\x00", "\u202eada", "\ud800"])
def test_a_name_that_could_deceive_does_not_stand_in_an_invite(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        _ = Invite(RELAY, THREE_WAYS, name, OneUse(SEED)).text


def test_secrets_are_not_shown_where_an_invite_is_printed() -> None:
    assert repr(SEED) not in repr(INVITE)


# --------------------------------------------------------------------------------------------------- routes


@given(routes)
def test_a_route_is_read_as_it_was_written(route: Route) -> None:
    assert parse_route(route.text) == route


@given(route_tuples, st.binary(max_size=4))
def test_routes_in_bytes_are_read_as_they_were_written(some: tuple[Route, ...], after: bytes) -> None:
    data = write_routes(some)
    assert read_routes(data + after, len(some), 0) == (some, len(data))


@given(st.binary(max_size=80), st.integers(0, 4))
def test_any_bytes_are_the_one_form_of_routes_or_refused(data: bytes, count: int) -> None:
    try:
        found, end = read_routes(data, count, 0)
    except Malformed:
        return
    assert write_routes(found) == data[:end]


@given(
    st.text(max_size=80)
    | st.from_regex(
        r"(wss?|https?)://[a-z0-9.\[\]:%-]{1,20}(:[0-9]{0,6})?(/[a-z%?=&#|]{0,20})?", fullmatch=True
    )
)
def test_any_text_is_a_route_with_one_canonical_text_or_refused(text: str) -> None:
    try:
        route = parse_route(text)
    except Malformed:
        return
    assert parse_route(route.text) == route


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("wss://relay.example.org", "wss://relay.example.org/"),
        ("WSS://Relay.Example.ORG:443/Path", "wss://relay.example.org/Path"),
        ("ws://127.0.0.1:8080/x", "ws://127.0.0.1:8080/x"),
        ("ws://[::1]:80/x", "ws://[::1]/x"),
        ("https://[2001:0DB8:0:0:0:0:0:7]/x", "https://[2001:db8::7]/x"),
        ("https://[::ffff:1.2.3.4]/x", "https://1.2.3.4/x"),
        (
            "wss://a.example/x?sni=B.Example&ip=1.2.3.4&ip=2001:DB8::1",
            "wss://a.example/x?sni=b.example&ip=1.2.3.4&ip=2001:db8::1",
        ),
        ("wss://a.example/x?sni=", "wss://a.example/x?sni="),
        (" frag|wss://a.example/x\n", "frag|wss://a.example/x"),
        (
            "socks5://127.0.0.1:9050|frag:2|wss://a.example/x",
            "socks5://127.0.0.1:9050|frag:2|wss://a.example/x",
        ),
    ],
)
def test_a_route_has_one_canonical_text(text: str, canonical: str) -> None:
    assert parse_route(text).text == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "relay.example.org",
        "ftp://a.example/",
        "wss:///x",
        "wss://a.example:0/",
        "wss://a.example:65536/",
        "wss://a.example:/",
        "wss://user@a.example/",
        "wss://a.example/x#y",
        "wss://a.example/x y",
        "wss://a.example/x?ip=1.2.3",
        "wss://a.example/x?ip=1.2.3.4&sni=b.example",
        "wss://a.example/x?sni=b.example&sni=c.example",
        "wss://a.example/x?host=b",
        "wss://1.2.3/x",
        "wss://1.2.3.256/x",
        "wss://0x7f000001/x",
        "wss://127.1/x",
        "wss://[fe80::1%eth0]/x",
        "wss://a..example/x",
        "wss://-a.example/x",
        "wss://аpple.example/x",
        "|wss://a.example/x",
        "wss://a.example/x|",
        "wss://a.example/x\r\nHost: b",
        "wss://" + "a." * 130 + "example/x",
        "wss://a.example/" + "x" * 255,
    ],
)
def test_is_no_route(text: str) -> None:
    with pytest.raises(Malformed):
        parse_route(text)


PLAIN = bytes((0, 1)) + b"a" + bytes((1,)) + b"x"


@pytest.mark.parametrize(
    ("data", "count", "what"),
    [
        (b"\x10\x01a\x01\xbb\x01x", 1, "the usual port"),
        (b"\x40\x01a\x01x\x00\x00", 1, "extras without any"),
        (b"\x40\x01a\x01x\x00\x02\x00", 1, "a flag that is 2"),
        (b"\x00\x01A\x01x", 1, "a capital in a name"),
        (b"\x00\x071.2.3.4\x01x", 1, "an address written as a name"),
        (b"\x08" + bytes(10) + b"\xff\xff\x01\x02\x03\x04" + b"\x01x", 1, "an IPv4 address as IPv6"),
        (b"\x0c\x01a\x01x", 1, "a kind of host that does not exist"),
        (b"\x20\x01a", 1, "the path of no way before"),
        (b"\x80\x01x", 1, "the host of no way before"),
        (PLAIN + b"\x00\x01a\x01y", 2, "the same host again"),
        (PLAIN + b"\x00\x01b\x01x", 2, "the same path again"),
        (PLAIN + b"\x84\x01y", 2, "a kind of a host that is left out"),
        (PLAIN[:-1], 1, "an end too early"),
        (b"\x40\x01a\x01x\x10\x00\x05abcde", 1, "an address of five bytes"),
        (b"\x00\x01a\x01\xff", 1, "a foreign character"),
    ],
)
def test_ways_in_another_than_their_one_form_are_refused(data: bytes, count: int, what: str) -> None:
    with pytest.raises(Malformed):
        read_routes(data, count, 0)
    assert read_routes(PLAIN, 1, 0)[0][0].text == "wss://a/x"


def test_ways_that_share_their_path_or_host_are_short() -> None:
    first = Route("wss", "relay.example.org", 443, PATH)
    one = len(write_routes((first,)))
    assert one == 1 + 1 + 17 + 1 + 16
    assert len(write_routes((first, Route("https", "relay.example.org", 443, PATH)))) == one + 1
    assert len(write_routes((first, Route("wss", "203.0.113.7", 8443, PATH)))) == one + 1 + 4 + 2
