"""Names: what of an answer is believed, what comes first, what is kept; and DNS messages, against those of another implementation."""

from __future__ import annotations

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.transports import dns
from whimbrel.transports.names import ADDRESSES_MAX, FAILED_FOR, NAMES_MAX, Names, is_public, sift
from whimbrel.transports.resolving import SERVERS, Server, parse_servers, servers_of

NAME = "relay.example"


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("relay.example", True),
        ("a.b.relay.example.", True),
        ("localhost", False),
        ("box", False),
        ("box.local", False),
        ("box.home.arpa", False),
        ("locallocal.example", True),
    ],
)
def test_which_names_the_world_can_know(name: str, public: bool) -> None:
    assert is_public(name) is public


def test_false_answers_are_dropped_and_private_ones_come_last() -> None:
    said = ["10.10.34.34", "127.0.0.1", "0.0.0.0", "::", "203.0.113.7", "192.168.1.5", "224.0.0.9", "fd00::1"]
    assert sift(NAME, [*said, "203.0.113.7", "nonsense"]) == (["203.0.113.7"], ["192.168.1.5", "fd00::1"])
    assert sift("box.local", ["192.168.1.5", "127.0.0.1"]) == (["192.168.1.5", "127.0.0.1"], [])


def test_what_led_there_comes_first_and_what_did_not_comes_last_for_a_while() -> None:
    names = Names()
    assert names.in_order(NAME, ["203.0.113.1", "203.0.113.2"], 0) == ["203.0.113.1", "203.0.113.2"]
    names.failed(NAME, "203.0.113.1", 0)
    assert names.is_doubted(NAME)
    assert names.in_order(NAME, ["203.0.113.1", "203.0.113.2"], 1) == ["203.0.113.2", "203.0.113.1"]
    assert names.in_order(NAME, ["203.0.113.1", "203.0.113.2"], FAILED_FOR) == ["203.0.113.1", "203.0.113.2"]
    assert not names.is_wrong(NAME, "203.0.113.1", 1), "it may be the right one, behind a filter"
    names.failed(NAME, "203.0.113.1", 0, wrong=True)
    assert names.is_wrong(NAME, "203.0.113.1", 1)
    assert not names.is_wrong(NAME, "203.0.113.1", FAILED_FOR)
    names.worked(NAME, "203.0.113.2")
    names.worked(NAME, "203.0.113.3")
    assert not names.is_doubted(NAME)
    assert names.known(NAME, 2) == ["203.0.113.3", "203.0.113.2"]
    assert names.known("other.example", 2) == []


def test_a_name_that_only_this_network_knows_is_never_asked_for_elsewhere() -> None:
    names = Names()
    names.failed("box.local", "192.168.1.5", 0)
    assert not names.is_doubted("box.local")


def test_answers_of_our_own_resolvers_hold_for_a_time_and_settle_the_doubt() -> None:
    names = Names()
    names.failed(NAME, "203.0.113.66", 0)
    assert names.answered(NAME, ["10.10.34.35", "203.0.113.66", "203.0.113.7"], 5, 10) == [
        "203.0.113.7",
        "203.0.113.66",
    ]
    assert not names.is_doubted(NAME)
    names.failed(NAME, "203.0.113.7", 20)
    assert not names.is_doubted(NAME), "they were asked a moment ago"
    assert names.has_answers(NAME, 69)
    assert not names.has_answers(NAME, 71)
    names.failed(NAME, "203.0.113.7", 72)
    assert names.is_doubted(NAME)


def test_what_worked_is_kept_as_plain_data_and_nothing_else_is_taken() -> None:
    names = Names()
    for number in range(NAMES_MAX + 5):
        for last in range(ADDRESSES_MAX + 2):
            names.worked(f"n{number}.example", f"203.0.113.{last}")
    value = names.value()
    assert len(value) == NAMES_MAX
    assert Names.from_value(value).value() == value
    assert Names.from_value(value).known(f"n{NAMES_MAX}.example", 0)[0] == f"203.0.113.{ADDRESSES_MAX + 1}"
    strange = [1, ["x"], ["y", ["no address", 5]], [5, []], ["z", ["203.0.113.1", "x"]]]
    assert Names.from_value(strange).value() == [["z", ["203.0.113.1"]]]
    for odd in (None, 5, {}, "text"):
        assert Names.from_value(odd).value() == []


def test_on_another_network_grudges_are_forgotten() -> None:
    names = Names()
    names.worked(NAME, "203.0.113.2")
    names.failed(NAME, "203.0.113.2", 0)
    names.network_changed()
    assert not names.is_doubted(NAME)
    assert names.known(NAME, 1) == ["203.0.113.2"]


# --------------------------------------------------------------------------------------------- DNS messages


@pytest.mark.parametrize(("kind", "word"), [(dns.A, "A"), (dns.AAAA, "AAAA")])
def test_a_question_is_what_others_read_and_has_a_size_of_steps(kind: int, word: str) -> None:
    for name in (NAME, "a.much.longer.name.of.a.relay.example"):
        message = dns.question(name, kind)
        read = dnslib.DNSRecord.parse(message)
        assert str(read.q.qname) == name + "."
        assert dnslib.QTYPE[read.q.qtype] == word
        assert read.header.id == 0
        assert read.header.rd
        assert len(message) % 128 == 0


def test_an_answer_of_others_is_read() -> None:
    asked = dnslib.DNSRecord.parse(dns.question(NAME, dns.A))
    reply = asked.reply()
    reply.add_answer(dnslib.RR(NAME, dnslib.QTYPE.CNAME, rdata=dnslib.CNAME("other.example"), ttl=30))
    reply.add_answer(dnslib.RR("other.example", dnslib.QTYPE.A, rdata=dnslib.A("203.0.113.7"), ttl=600))
    reply.add_answer(dnslib.RR("other.example", dnslib.QTYPE.AAAA, rdata=dnslib.AAAA("2001:db8::7"), ttl=600))
    assert dns.addresses_in(reply.pack(), dns.A) == dns.Found(("203.0.113.7",), 30)
    assert dns.addresses_in(reply.pack(), dns.AAAA) == dns.Found(("2001:db8::7",), 30)
    none = asked.reply()
    none.header.rcode = dnslib.RCODE.NXDOMAIN
    assert dns.addresses_in(none.pack(), dns.A).addresses == ()
    none.header.rcode = dnslib.RCODE.SERVFAIL
    with pytest.raises(dns.BadMessage):
        dns.addresses_in(none.pack(), dns.A)
    with pytest.raises(dns.BadMessage):
        dns.addresses_in(dns.question(NAME, dns.A), dns.A)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_none(data: bytes) -> None:
    for message in (data, b"\0\0\x81\x80\0\x01\0\x05\0\0\0\0" + data):
        try:
            dns.addresses_in(message, dns.A)
        except dns.BadMessage:
            pass


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example"])
def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    with pytest.raises(dns.BadMessage):
        dns.question(name, dns.A)


def test_resolvers_are_data() -> None:
    assert parse_servers("https://203.0.113.53/dns-query#dns.example, https://[2001:db8::53]:8443/x") == (
        Server("203.0.113.53", "/dns-query", "dns.example"),
        Server("2001:db8::53", "/x", None, 8443),
    )
    assert parse_servers("http://203.0.113.53/ https://dns.example/x nonsense https://203.0.113.53:x/") == ()
    assert servers_of({}) == SERVERS
    assert servers_of({"WHIMBREL_RESOLVERS": ""}) == ()
    assert servers_of({"WHIMBREL_RESOLVERS": "https://203.0.113.53"}) == (Server("203.0.113.53"),)
