"""What the censor reads: packets, streams with pieces in any order, records, hellos, fingerprints."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import subprocess
import threading
from random import Random

import pytest
from censor_play import ADA, NAME, RELAY, Play, hello, in_records
from hypothesis import given
from hypothesis import strategies as st

from lab import tls
from lab.censor import Bans, ByName, Filter, Reading, Swallow, Trigger
from lab.flows import STREAM_LIMIT, Flows
from lab.packets import ACK, ICMP, PSH, SYN, TCP, UDP, icmp, number, parse, sums_are_right, tcp, text, udp
from lab.policy import Side

# By their authors' own tools and lists, so that ours is not judged by itself.
PUBLISHED = {
    "python": "t13d181100_85036bcba153_d41ae481755e",
    "go": "t13d1312h2_f57a46bbacb6_ab7e3b40a677",
    "chrome107": "t13d1516h2_8daaf6152771_e5627efa2ab1",
    "chrome120": "t13d1516h2_8daaf6152771_02713d6af862",
    "chrome133a": "t13d1516h2_8daaf6152771_d8a2da3f94cd",
    "chrome150": "t13d1516h2_8daaf6152771_806a8c22fdea",
    "firefox147": "t13d1717h2_5b57614c22b0_3cbfd9057e0d",
}
CLIENTS = [*PUBLISHED, "python-http11", "openssl", "curl"]


def test_what_is_made_is_read_again_and_its_sums_are_right() -> None:
    ada, relay = number(ADA), number(RELAY)
    made = tcp(ada, relay, 40000, 443, 7, 9, PSH | ACK, b"odd")
    packet = parse(made)
    assert packet is not None
    assert (packet.protocol, packet.src, packet.dst, packet.sport, packet.dport) == (
        TCP,
        ada,
        relay,
        40000,
        443,
    )
    assert (packet.seq, packet.ack, packet.flags, packet.payload) == (7, 9, PSH | ACK, b"odd")
    assert text(packet.dst) == RELAY
    datagram = parse(udp(ada, relay, 5000, 53, b"even"))
    assert datagram is not None
    assert (datagram.protocol, datagram.dport, datagram.payload) == (UDP, 53, b"even")
    unreachable = parse(icmp(relay, ada, 3, 1, b"\0\0\0\0"))
    assert unreachable is not None
    assert unreachable.protocol == ICMP
    for data in (made, udp(ada, relay, 1, 2, b"x"), icmp(relay, ada, 8, 0, b"1234")):
        assert sums_are_right(data)
        assert not sums_are_right(data[:-1] + bytes([data[-1] ^ 1]))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_none(data: bytes) -> None:
    parse(data)
    parse(b"\x45\0" + struct.pack(">H", len(data) + 4) + data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_hello_or_none(data: bytes) -> None:
    for stream in (data, b"\x16\3\1" + len(data).to_bytes(2, "big") + data, hello("python")[:60] + data):
        found = tls.client_hello(stream)
        if isinstance(found, tls.Hello):
            assert isinstance(found.name + found.ja4, str)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_recorded_hello_is_read_with_its_name(client: str) -> None:
    found = tls.client_hello(hello(client))
    assert isinstance(found, tls.Hello)
    assert found.name == NAME
    assert found.size == len(hello(client)) - 5


@pytest.mark.parametrize("client", PUBLISHED)
def test_the_fingerprint_is_the_published_one(client: str) -> None:
    found = tls.client_hello(hello(client))
    assert isinstance(found, tls.Hello)
    assert found.ja4 == PUBLISHED[client]


def test_the_worked_example_of_the_specification() -> None:
    """FoxIO, technical_details/JA4.md."""
    ciphers = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
    kinds = "001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015"
    signatures = b"\0\x10" + bytes.fromhex("0403 0804 0401 0503 0805 0501 0806 0601")
    bodies = {0x000D: signatures, 0x0010: b"\0\x03\x02h2", 0x002B: b"\x04\x03\x04\x03\x03"}
    made = tls.Hello(
        0x0303,
        tuple(int(word, 16) for word in ciphers.split()),
        tuple((int(word, 16), bodies.get(int(word, 16), b"")) for word in kinds.split()),
    )
    assert made.ja4 == "t13d1516h2_8daaf6152771_e5627efa2ab1"


@pytest.mark.parametrize("alpn", [["http/1.1"], ["h2", "http/1.1"], []])
def test_the_hello_of_this_python_is_read(alpn: list[str]) -> None:
    context = ssl.create_default_context()
    if alpn:
        context.set_alpn_protocols(alpn)
    outgoing = ssl.MemoryBIO()
    talk = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="bo.example")
    with pytest.raises(ssl.SSLWantReadError):
        talk.do_handshake()
    found = tls.client_hello(outgoing.read())
    assert isinstance(found, tls.Hello)
    assert found.name == "bo.example"
    assert [part.decode() for part in found.alpn] == alpn
    assert not found.ech


def test_the_hellos_of_a_browser_likeness_and_of_openssl_are_read_from_a_socket() -> None:
    """Real programs on loopback: what they send today, beside what was recorded."""
    curl_cffi = pytest.importorskip("curl_cffi")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def browse() -> None:
            with curl_cffi.Session(impersonate="chrome150", timeout=5) as session:
                session.curl.setopt(curl_cffi.CurlOpt.RESOLVE, [f"bo.example:{port}:127.0.0.1"])
                with contextlib.suppress(curl_cffi.CurlError):  # nobody answers
                    session.get(f"https://bo.example:{port}/")

        def openssl() -> None:
            words = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "bo.example"]
            subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)

        for program, ends in ((browse, "806a8c22fdea"), (openssl, "")):
            thread = threading.Thread(target=program)
            thread.start()
            connection, _ = server.accept()
            data = b""
            while tls.client_hello(data) is tls.Not.YET:
                data += connection.recv(65536)
            connection.close()
            thread.join()
            found = tls.client_hello(data)
            assert isinstance(found, tls.Hello)
            assert found.name == "bo.example"
            assert found.ja4.endswith(ends)
            assert found.ech == (program is browse)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("cut", [1, 6, 50, 120, 300])
def test_records_are_put_together_by_who_reads_all_and_by_nobody_else(client: str, cut: int) -> None:
    data = in_records(hello(client), cut)
    whole = tls.client_hello(data)
    assert isinstance(whole, tls.Hello)
    assert (whole.name, whole.records) == (NAME, 2)
    assert tls.client_hello(data, records=1) is tls.Not.YET


@given(st.permutations(range(6)), st.booleans())
def test_segments_in_any_order_and_doubled_give_the_same_stream(order: list[int], doubled: bool) -> None:
    data = hello("chrome150")
    size = -(-len(data) // 6)
    flows = Flows()
    client, server, start = number(ADA), number(RELAY), (1 << 32) - 700  # numbers run over in the middle
    opening = parse(tcp(client, server, 40000, 443, start - 1, 0, SYN))
    assert opening is not None
    flow = flows.of(0.0, opening, True)
    flow.take(0.0, opening, True)
    for place in order * (2 if doubled else 1):
        part = data[place * size : place * size + size]
        packet = parse(tcp(client, server, 40000, 443, start + place * size, 0, ACK, part))
        assert packet is not None
        assert flows.of(0.0, packet, True) is flow
        flow.take(0.0, packet, True)
    assert bytes(flow.stream) == data
    assert flow.name == NAME


def test_a_segment_sent_again_with_more_behind_it_adds_what_is_new() -> None:
    play = Play(Filter([]))
    talk = play.dial()
    data = hello("python")
    talk.cut(data[:100])
    talk.again(data[:200], 100)
    talk.ahead += 100
    talk.cut(data[200:])
    (flow,) = play.policy.flows._flows.values()  # type: ignore[attr-defined]
    assert bytes(flow.stream) == data


def test_no_more_of_a_stream_is_kept_than_the_limit() -> None:
    play = Play(Filter([]))
    talk = play.dial()
    for _ in range(40):
        talk.say(b"z" * 1400)
    (flow,) = play.policy.flows._flows.values()  # type: ignore[attr-defined]
    assert len(flow.stream) <= STREAM_LIMIT


def test_a_flow_that_was_open_before_has_no_beginning() -> None:
    bans, rng = Bans(), Random(1)
    play = Play(Filter([bans, Trigger("t", ByName([NAME], Reading.RECORDS), Swallow(), bans, rng)]))
    talk = play.dial()
    play.policy = Filter([bans, Trigger("t", ByName([NAME], Reading.RECORDS), Swallow(), bans, rng)])
    assert talk.say(hello("python")), "the filter came in the middle and does not guess"
    assert talk.answer(b"x" * 3000)


def test_idle_flows_are_forgotten() -> None:
    play = Play(Filter([]))
    for _ in range(50):
        play.dial()
    play.wait(10_000)
    play.dial()
    assert len(play.policy.flows) == 1  # type: ignore[attr-defined]


def test_a_packet_of_another_kind_passes_untouched() -> None:
    play = Play(Filter([]))
    ping = icmp(number(ADA), number(RELAY), 8, 0, b"1234")
    assert [(out.side, out.data) for out in play.send(Side.HOME, ping)] == [(Side.WORLD, ping)]
    assert [out.data for out in play.policy.packet(0.0, Side.HOME, b"rubbish")] == [b"rubbish"]
