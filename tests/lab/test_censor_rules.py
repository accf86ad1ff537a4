"""Each rule blocks what it should, when it should, for as long as it should, and nothing else."""

from __future__ import annotations

from random import Random

import pytest
from censor_play import ADA, BENIGN, NAME, RELAY, WORLD, Play, hello, in_records, nameless

from lab import tls
from lab.censor import (
    Ban,
    Bans,
    ByAddress,
    ByEch,
    ByJa4,
    ByName,
    Capacity,
    Curtain,
    DnsInjection,
    Filter,
    FullyEncrypted,
    LargeAndUnknown,
    Listing,
    OpenVpn,
    Policing,
    Prober,
    QuicV1,
    Reading,
    Recognise,
    Reset,
    Rule,
    Stun,
    Swallow,
    Throttle,
    Trigger,
    UdpPenalty,
    WireGuard,
)
from lab.censor.probing import unlike_a_site
from lab.censor.shape import looks_fully_encrypted
from lab.packets import ACK, RST, number, parse
from lab.policy import Policy, Probe, Seen, Side

BO = "198.18.2.11"
OTHER = "www.tidewater.example"
CHROME = hello("chrome150")
PAGE = b"\x17\x03\x03\x20\x00" + b"p" * 8192


def by_name(action: Reset | Swallow, reading: Reading = Reading.RECORDS) -> Play:
    bans, rng = Bans(), Random(1)
    return Play(Filter([bans, Trigger("named", ByName([NAME], reading), action, bans, rng)]))


def with_rule(*rules: Rule) -> Play:
    return Play(Filter(rules))


# -- by name ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "client", ["python", "openssl", "go", "curl", "chrome107", "chrome150", "firefox147"]
)
@pytest.mark.parametrize("reading", Reading)
def test_a_listed_name_is_seen_in_any_hello_that_is_not_cut(client: str, reading: Reading) -> None:
    play = by_name(Swallow(), reading)
    assert not play.dial().say(hello(client), size=4000)
    assert play.dial().say(hello(client, "tidewater.example"), size=4000)


@pytest.mark.parametrize(
    ("reading", "segments_pass", "records_pass", "both_pass"),
    [
        (Reading.PACKET, True, True, True),
        (Reading.SEGMENTS, False, True, True),
        (Reading.RECORDS, False, False, False),
    ],
)
def test_what_is_cut_passes_whoever_does_not_put_it_together(
    reading: Reading, segments_pass: bool, records_pass: bool, both_pass: bool
) -> None:
    data = hello("python")
    inside = data.index(NAME.encode()) + 5
    recorded = in_records(data, inside - 5)
    play = by_name(Swallow(), reading)
    assert play.dial().cut(data[:inside], data[inside:]) == segments_pass
    assert play.dial().say(recorded) == records_pass
    assert play.dial().cut(recorded[:inside], recorded[inside:]) == both_pass


@pytest.mark.parametrize("reading", Reading)
@pytest.mark.parametrize(
    ("listed", "blocked"),
    [
        ("talk.whimbrel.example", True),
        ("whimbrel.example", True),
        ("whimbrel.example.", True),
        ("WHIMBREL.example", True),
        ("alk.whimbrel.example", False),
        ("brel.example", False),
        ("talk.whimbrel.exampl", False),
        ("talk.whimbrel", False),
        ("www.talk.whimbrel.example", False),
    ],
)
def test_a_name_is_listed_with_all_names_below_it_and_no_other(
    listed: str, blocked: bool, reading: Reading
) -> None:
    bans, rng = Bans(), Random(1)
    play = with_rule(bans, Trigger("named", ByName([listed], reading), Swallow(), bans, rng))
    assert play.dial().say(hello("python")) != blocked


def test_names_are_compared_without_case_and_the_host_of_plain_http_counts() -> None:
    play = by_name(Swallow())
    assert not play.dial().say(hello("python").replace(NAME.encode(), NAME.upper().encode()))
    assert not play.dial(port=80).say(f"GET / HTTP/1.1\r\nAccept: */*\r\nHOST:  {NAME}:80\r\n\r\n".encode())
    assert not play.dial(port=80).cut(b"GET / HTTP/1.1\r\nHo", f"st: x.{NAME}\r\n\r\n".encode())
    assert play.dial(port=80).say(f"GET /?at={NAME} HTTP/1.1\r\nHost: {OTHER}\r\n\r\n".encode())


def test_a_hello_without_a_name_passes_a_filter_of_names() -> None:
    found = tls.client_hello(nameless())
    assert isinstance(found, tls.Hello)
    assert found.name == ""
    assert by_name(Reset()).dial().say(nameless())


def test_a_reset_goes_to_both_ends_with_the_numbers_that_they_wait_for() -> None:
    play = by_name(Reset(75.0))
    talk = play.dial()
    ahead, back = talk.ahead, talk.back
    data = hello("python")
    assert not talk.say(data)
    resets = dict(talk.resets)
    assert set(resets) == {Side.HOME, Side.WORLD}
    home, world = resets[Side.HOME], resets[Side.WORLD]
    assert (home.src, home.dst, home.sport) == (number(RELAY), number(ADA), 443)
    assert (home.seq, home.ack, home.flags) == (back % 2**32, (ahead + len(data)) % 2**32, RST | ACK)
    assert (world.src, world.dst, world.dport) == (number(ADA), number(RELAY), 443)
    assert (world.seq, world.flags) == (ahead % 2**32, RST | ACK)
    assert not talk.answer(b"x"), "nothing of it passes any more"


def test_a_reset_hello_in_two_segments_resets_at_the_second_one() -> None:
    play = by_name(Reset())
    talk = play.dial()
    ahead = talk.ahead
    talk.say(CHROME, size=1400)
    resets = dict(talk.resets)
    # The name may be in the first of them; what a filter of whole hellos waits for is the end.
    assert resets[Side.WORLD].seq == (ahead + 1400) % 2**32


def test_the_five_tuple_stays_blocked_for_its_time_and_other_ports_do_not() -> None:
    play = by_name(Reset(75.0))
    play.dial(sport=50_001).say(hello("python"))
    assert play.dial(sport=50_002).opened
    assert not play.dial(sport=50_001).opened
    assert play.dial(server=BENIGN, sport=50_001).opened
    play.wait(74.9)
    assert not play.dial(sport=50_001).opened
    play.wait(0.2)
    again = play.dial(sport=50_001)
    assert again.opened
    assert again.say(hello("python", "tidewater.example"))


def test_a_ban_of_the_pair_hits_any_port_of_the_client_and_no_other_client() -> None:
    play = by_name(Reset(90.0, Ban.PAIR))
    play.dial().say(hello("python"))
    assert not play.dial().opened
    assert play.dial(client=BO).opened
    assert play.dial(port=8443).opened
    play.wait(90.1)
    assert play.dial().opened


@pytest.mark.parametrize("more", [5, 8])
def test_silence_comes_after_so_many_more_packets_in_both_directions(more: int) -> None:
    play = by_name(Swallow((more, more), 420.0))
    talk = play.dial(sport=50_001)
    assert talk.say(hello("python"))
    passed = sum((talk.answer(b"s") if number % 2 else talk.say(b"c")) for number in range(20))
    assert passed == more - 1, "the hello was the first of them"
    assert not talk.answer(b"s")
    assert not play.dial(sport=50_001).opened
    play.wait(421)
    assert play.dial(sport=50_001).opened


def test_a_hello_that_is_sent_again_is_neither_answered_nor_does_it_arm_the_ban_anew() -> None:
    play = by_name(Swallow((0, 0), 40.0))
    data = hello("python")
    talk = play.dial(sport=50_001)
    assert not talk.say(data)
    for _ in range(5):
        play.wait(7.9)
        assert not talk.again(data, len(data))
        talk.ahead += len(data)
    play.wait(0.6)
    assert play.dial(sport=50_001).opened


# -- by fingerprint --------------------------------------------------------------------------------------------------


def test_listed_fingerprints_are_dropped_after_the_answer_and_current_browsers_are_not() -> None:
    from lab.measures.s12_fingerprints import DROPPED

    bans, rng = Bans(), Random(1)
    play = with_rule(bans, Trigger("print", ByJa4(DROPPED), Swallow((2, 2)), bans, rng))
    for client in ("python", "python-http11", "go", "chrome107", "chrome120", "chrome133a"):
        talk = play.dial()
        assert talk.say(hello(client), size=4000)
        assert talk.answer(b"\x16\x03\x03" + b"h" * 900), "the ServerHello arrives"
        assert not talk.say(b"\x17\x03\x03" + b"a" * 40), "and nothing after it"
    for client in ("chrome150", "firefox147", "curl", "openssl"):
        talk = play.dial()
        assert talk.say(hello(client))
        assert talk.answer(PAGE)
        assert talk.say(b"a")


def test_what_is_no_fingerprint_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        ByJa4(["t13d1516h2"])


def test_ech_is_dropped_under_a_listed_outer_name_alone() -> None:
    bans, rng = Bans(), Random(1)
    play = with_rule(bans, Trigger("ech", ByEch([NAME]), Swallow(), bans, rng))
    assert not play.dial().say(CHROME), "the recorded one has ECH (GREASE) and this name"
    assert play.dial().say(hello("chrome150", "tidewater.example"))
    assert play.dial().say(hello("python")), "this name without ECH"


# -- by shape --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "blocked"),
    [
        (bytes(Random(1).randbytes(300)), True),
        (b"\0" * 200, False),  # Ex1
        (b"\xff" * 200, False),  # Ex1
        (b"abcdef" + Random(1).randbytes(300), False),  # Ex2
        (b"\x90" + b"a\x9fbc" * 60, False),  # Ex3
        (b"\x90\x91" + Random(2).randbytes(120) + b"q" * 21 + Random(3).randbytes(120), False),  # Ex4
        (b"\x16\x03\x01" + Random(1).randbytes(300), False),  # Ex5
        (b"\x17\x03\x03" + Random(1).randbytes(300), False),  # Ex5
        (b"GET /" + Random(1).randbytes(300), False),  # Ex5
        (b"\x15\x03\x01" + Random(1).randbytes(300), True),
    ],
)
def test_what_looks_fully_encrypted(payload: bytes, blocked: bool) -> None:
    assert looks_fully_encrypted(payload) == blocked


@pytest.mark.parametrize("client", ["python", "go", "openssl", "chrome150", "firefox147"])
def test_no_hello_looks_fully_encrypted(client: str) -> None:
    assert not looks_fully_encrypted(hello(client))


def test_a_quarter_of_the_fully_encrypted_is_blocked_and_its_server_for_three_minutes() -> None:
    bans = Bans()
    play = with_rule(bans, FullyEncrypted(WORLD.foreign, bans, Random(5), scale=1.0))
    noise = Random(7)
    blocked = 0
    for _ in range(400):
        talk = play.dial(port=9001)
        if not talk.say(noise.randbytes(300)):
            blocked += 1
            assert not play.dial(port=9001).opened
            assert play.dial(port=9001, client=BO).opened
            play.wait(179)
            assert not play.dial(port=9001).opened
            play.wait(1.1)
        else:
            assert talk.say(noise.randbytes(300)), "only the first payload is looked at"
    assert 80 <= blocked <= 130, "0.263 of 400"
    assert all(play.dial().say(CHROME) for _ in range(50))


def test_three_large_unknown_packets_freeze_and_shorter_or_known_ones_do_not() -> None:
    noise = Random(7).randbytes
    play = with_rule(LargeAndUnknown(WORLD.foreign))
    talk = play.dial()
    assert talk.cut(noise(411), noise(500))
    assert not talk.cut(noise(411))
    assert not talk.answer(b"x")
    assert play.dial().cut(noise(410), noise(500), noise(600), noise(700))
    assert play.dial().cut(CHROME[:600], CHROME[600:1200], CHROME[1200:], noise(900), noise(900))
    assert play.dial(server="198.18.100.10").cut(*(noise(900) for _ in range(5))), (
        "not in the listed networks"
    )


# -- by volume, number and speed ---------------------------------------------------------------------------------------


def test_the_curtain_falls_after_twenty_five_packets_both_ways_together() -> None:
    play = with_rule(Curtain(WORLD.foreign))
    talk = play.dial()  # three packets
    assert talk.say(CHROME)  # two
    for _ in range(10):
        assert talk.answer(b"x" * 1400)
        assert talk.nod()
    assert not talk.answer(b"y")
    assert not talk.say(b"z")
    assert not talk.resets
    assert play.dial().opened, "a new one begins anew"


def test_the_curtain_counts_datagrams_too() -> None:
    play = with_rule(Curtain(WORLD.foreign))
    passed = sum(bool(play.datagram(b"x" * 50, RELAY, 3478)) for _ in range(40))
    assert passed == 25


def test_the_curtain_of_bytes_stops_the_answer_alone() -> None:
    play = with_rule(Curtain(WORLD.foreign, packets=None, reply_bytes=16_384))
    talk = play.dial()
    arrived = 40
    for _ in range(20):
        if not talk.answer(b"x" * 1400):
            break
        arrived += 1440
        assert talk.nod()
    assert 14_000 < arrived <= 16_384
    assert talk.say(b"z"), "the client may go on, in vain"


def test_the_curtain_lets_exempt_names_ssh_and_other_networks_through() -> None:
    play = with_rule(Curtain(WORLD.foreign, exempt=[NAME]))
    exempt, ssh, near, other = play.dial(), play.dial(port=22), play.dial(server="198.18.100.10"), play.dial()
    assert exempt.say(CHROME)
    assert ssh.say(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    assert other.say(hello("chrome150", "tidewater.example"))
    for talk, passes in ((exempt, True), (ssh, True), (near, True), (other, False)):
        assert talk.answer(b"x" * 60_000) == passes


@pytest.mark.parametrize("limit", [4, 12])
def test_policing_swallows_the_hello_after_the_limit_and_forgives_after_a_minute(limit: int) -> None:
    play = with_rule(Policing(limit))
    for _ in range(limit):
        assert play.dial().say(CHROME)
        play.wait(1.0)
    hanging = play.dial()
    assert hanging.opened, "the SYN passes, the hello does not"
    assert not hanging.say(CHROME)
    assert not hanging.answer(b"x")
    play.wait(59.0)
    assert not play.dial().say(CHROME)
    play.wait(1.1)
    assert play.dial().say(CHROME)


def test_policing_knows_subnets_names_and_fingerprints_apart_and_not_a_hello_without_a_name() -> None:
    play = with_rule(Policing(4))
    assert [play.dial().say(CHROME) for _ in range(5)] == [True] * 4 + [False]
    assert not play.dial(server="203.0.113.77").say(CHROME), "the same /24"
    assert play.dial(server="198.51.100.10").say(CHROME), "another one"
    assert play.dial().say(hello("python")), "another fingerprint"
    assert play.dial().say(hello("chrome150", "tidewater.example")), "another name"
    assert play.dial(client=BO).say(CHROME), "another client"
    assert all(play.dial().say(nameless()) for _ in range(20))


def test_four_a_minute_never_trigger_policing() -> None:
    play = with_rule(Policing(4))
    for _ in range(40):
        assert play.dial().say(CHROME)
        play.wait(15.1)


@pytest.mark.parametrize("queue", [None, 2.0])
def test_throttling_lets_the_rate_through_and_no_more(queue: float | None) -> None:
    play = with_rule(Throttle(ByAddress(["203.0.113.0/24"]), 140_000, queue=queue))
    talk, free = play.dial(), play.dial(server=BENIGN)
    before = len(play.out)
    for _ in range(1000):  # ten seconds, ten times the rate
        talk.answer(b"x" * 1400)
        assert free.answer(b"x" * 1400)
        play.wait(0.0098)
    begun = play.now - 9.8
    arrived = [
        len(out.data)
        for out in play.out[before:]
        if parse(out.data).src == number(RELAY)  # type: ignore[union-attr]
    ]
    seconds = play.now - begun + (queue or 0)
    rate = (sum(arrived) - (20_000 if queue is None else 0)) * 8 / seconds
    assert 125_000 <= rate <= 150_000


def test_a_shaper_keeps_the_order_and_says_how_long_each_waits() -> None:
    play = with_rule(Throttle(ByAddress(["203.0.113.0/24"]), 140_000, queue=2.0))
    talk = play.dial()
    for _ in range(10):
        talk.answer(b"x" * 1400)
    delays = [out.delay for out in play.out[-8:]]
    assert delays == sorted(delays)
    assert delays[-1] - delays[0] == pytest.approx(7 * 1440 * 8 / 140_000)
    assert talk.say(b"y"), "the other direction has a bucket of its own"
    assert play.out[-1].delay == 0.0


def test_throttling_by_name_leaves_other_names_alone() -> None:
    play = with_rule(Throttle(ByName([NAME]), 140_000))
    named, other = play.dial(), play.dial()
    assert named.say(CHROME)
    assert other.say(hello("chrome150", "tidewater.example"))
    assert not named.answer(b"x" * 60_000)
    assert other.answer(b"x" * 60_000)


def test_capacity_five_lets_five_in_a_hundred_through_from_the_hello_on() -> None:
    play = with_rule(Capacity(ByName([NAME]), 0.95, Random(3)))
    talk, other = play.dial(), play.dial()
    talk.say(hello("python"))
    passed = sum(talk.answer(b"x") for _ in range(2000))
    assert 60 <= passed <= 140
    assert other.say(hello("python", "tidewater.example"))
    assert all(other.answer(b"x") for _ in range(200))


def test_capacity_for_new_connections_touches_nothing_that_runs() -> None:
    play = with_rule(Capacity(ByAddress(["203.0.113.0/24"]), 0.8, Random(3), only_syn=True))
    talks = [play.dial() for _ in range(500)]
    came_up = [talk for talk in talks if talk.opened]
    assert 1 <= len(came_up) <= 60, "both its SYN and the answer to it have to pass"
    assert all(talk.say(CHROME) and talk.answer(PAGE) for talk in came_up)


# -- by signature ------------------------------------------------------------------------------------------------------

INITIAL = b"\xc3\0\0\0\1" + b"q" * 1195


@pytest.mark.parametrize(
    ("payload", "port", "passes"),
    [
        (INITIAL, 443, False),
        (INITIAL, 5000, True),
        (INITIAL[:1000], 443, True),
        (b"\xc3\x6b\x33\x43\xcf" + b"q" * 1195, 443, True),  # version 2
        (b"\x43" + b"q" * 1199, 443, True),  # a short header
    ],
)
def test_quic_version_1_to_443_alone_is_dropped(payload: bytes, port: int, passes: bool) -> None:
    assert bool(with_rule(QuicV1()).datagram(payload, RELAY, port)) == passes


def test_stun_is_dropped_and_what_is_like_it_is_not() -> None:
    play = with_rule(Stun())
    assert not play.datagram(b"\0\1\0\0\x21\x12\xa4\x42" + b"t" * 12, RELAY, 3478)
    assert play.datagram(b"\0\1\0\0\x21\x12\xa4\x43" + b"t" * 12, RELAY, 3478)
    assert play.datagram(b"\0", RELAY, 3478)


def test_wireguard_ends_after_its_handshake_and_openvpn_after_fifteen_packets() -> None:
    play = with_rule(WireGuard(), OpenVpn())
    assert play.datagram(b"\1\0\0\0" + b"w" * 144, RELAY, 51820)
    assert [bool(play.datagram(b"\4\0\0\0" + b"d" * 60, RELAY, 51820)) for _ in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert play.datagram(b"\x38" + b"o" * 13, RELAY, 1194)
    data = [bool(play.datagram(b"\x48" + b"d" * 60, RELAY, 1194)) for _ in range(20)]
    assert data == [True] * 16 + [False] * 4
    assert all(play.datagram(b"\2\0\0\0" + b"g" * 144, RELAY, 27015) for _ in range(50)), "a game"


def test_udp_that_is_recognised_costs_all_udp_to_that_server_for_ten_minutes() -> None:
    bans = Bans()
    play = with_rule(bans, UdpPenalty(bans, scale=1.0))
    assert play.datagram(b"\1\0\0\0" + b"w" * 144, RELAY, 51820)
    assert not play.datagram(b"hello", RELAY, 53)
    assert play.datagram(b"hello", BENIGN, 53)
    assert play.dial().opened, "TCP is not meant"
    play.wait(601)
    assert play.datagram(b"hello", RELAY, 53)


def question(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + labels + b"\0" + kind.to_bytes(2, "big") + b"\0\1"


@pytest.mark.parametrize("in_path", [False, True])
def test_a_forged_answer_comes_first_or_alone(in_path: bool) -> None:
    import dnslib

    play = with_rule(DnsInjection([NAME], in_path=in_path))
    outs = play.datagram(question(f"WWW.{NAME}"), "198.19.53.8", 53, sport=6000)
    assert [out.side for out in outs] == [Side.HOME] if in_path else [Side.HOME, Side.WORLD]
    lie = parse(outs[0].data)
    assert lie is not None
    assert (lie.src, lie.sport, lie.dport) == (number("198.19.53.8"), 53, 6000)
    answer = dnslib.DNSRecord.parse(lie.payload)
    assert answer.header.id == 0x1234
    assert str(answer.q.qname) == f"WWW.{NAME}."
    assert [str(record.rdata) for record in answer.rr] == ["10.10.34.34"]
    (empty, *_) = play.datagram(question(NAME, kind=28), "198.19.53.8", 53)
    ipv6 = parse(empty.data)
    assert ipv6 is not None
    assert dnslib.DNSRecord.parse(ipv6.payload).rr == []


def test_other_questions_and_other_datagrams_are_not_touched() -> None:
    play = with_rule(DnsInjection([NAME], in_path=True))
    for payload in (question(OTHER), question("y" + NAME), b"", b"rubbish" * 5, question(NAME)[:20]):
        assert [out.side for out in play.datagram(payload, "198.19.53.8", 53)] == [Side.WORLD]
    assert [out.side for out in play.datagram(question(NAME), "198.19.53.8", 5353)] == [Side.WORLD]


# -- in two stages -----------------------------------------------------------------------------------------------------


def two_stages(scale: float = 1.0) -> Play:
    bans, rng = Bans(), Random(11)
    listing = Listing(bans, rng, scale=scale)
    return with_rule(bans, Recognise(ByName([NAME]), listing), listing)


def test_an_address_is_listed_five_to_fifteen_minutes_after_its_first_use_and_then_it_is_gone_for_all() -> (
    None
):
    play = two_stages()
    running = play.dial()
    assert running.say(CHROME)
    play.wait(299)
    assert running.answer(PAGE), "running flows live until then"
    assert play.dial().say(CHROME)
    assert play.policy.learnt() == []
    play.wait(601)
    assert play.policy.learnt() == [f"{RELAY}:443"]
    assert not running.answer(PAGE)
    assert not play.dial(client=BO).opened
    assert play.dial(port=8443).opened
    assert play.dial(server="198.51.100.10").opened


def test_the_wait_is_scaled_and_the_timer_says_when() -> None:
    play = two_stages(scale=0.01)
    play.dial().say(CHROME)
    _, at = play.policy.timer(play.now)
    assert at is not None
    assert 3.0 <= at - play.now <= 9.0


def test_other_names_are_never_listed() -> None:
    play = two_stages()
    for _ in range(20):
        assert play.dial().say(hello("chrome150", "tidewater.example"))
    play.wait(10_000)
    assert play.policy.learnt() == []


def probing() -> tuple[Play, Listing]:
    bans, rng = Bans(), Random(11)
    listing = Listing(bans, rng, scale=0.1)
    prober = Prober(
        WORLD.foreign, listing, rng, scale=0.1, spared=[WORLD.benign_name], other_name="www.example.com"
    )
    return with_rule(bans, prober, listing), listing


def test_a_server_that_answers_is_looked_at_once_with_its_own_hello_and_with_garbage() -> None:
    play, _ = probing()
    talk = play.dial()
    talk.say(CHROME, size=1400)
    assert play.policy.probes() == [], "not before it has answered"
    talk.answer(PAGE)
    talk.say(b"\x17\x03\x03\0\x10" + b"f" * 16)
    probes = list(play.policy.probes())
    assert play.policy.probes() == []
    assert {probe.label: probe.send for probe in probes}["replay"] == CHROME
    assert [probe.after for probe in probes] == [0.28, 1.0, 1.0, 6.0, 6.0, 6.0, 6.0, 90.0]
    sizes = {probe.label: len(probe.send or b"") for probe in probes}
    assert 6 <= sizes["short garbage"] <= 221
    assert 8_000 <= sizes["long garbage"] <= 17_000
    assert {probe.name for probe in probes if probe.send is None} == {"www.example.com", None}
    again = play.dial()
    again.say(CHROME)
    again.answer(PAGE)
    again.say(b"x")
    assert play.policy.probes() == []


def test_a_server_under_a_harmless_name_is_not_looked_at() -> None:
    bans, rng = Bans(), Random(11)
    listing = Listing(bans, rng, scale=1.0)
    play = with_rule(
        Prober(WORLD.foreign, listing, rng, scale=1.0, spared=[NAME], other_name="www.example.com")
    )
    talk = play.dial(server=BENIGN)
    talk.say(CHROME)
    talk.answer(PAGE)
    talk.say(b"x")
    assert play.policy.probes() == []


@pytest.mark.parametrize(
    ("send", "label", "seen", "like_a_site"),
    [
        (b"h", "replay", Seen(True, b"\x16\x03\x03", end="open", seconds=6.0), True),
        (b"h", "replay", Seen(True, b"", end="open", seconds=6.0), False),
        (b"g", "plain GET", Seen(True, b"HTTP/1.1 400 Bad Request", end="closed", seconds=0.1), True),
        (b"g", "plain GET", Seen(True, b"", end="open", seconds=6.0), False),
        (b"n", "short garbage", Seen(True, b"", end="closed", seconds=0.1), True),
        (b"n", "long garbage", Seen(True, b"", end="reset", seconds=0.1), True),
        (b"n", "long garbage", Seen(True, b"", end="open", seconds=6.0), False),
        (b"n", "a few bytes", Seen(True, b"", end="open", seconds=6.0), True),
        (b"c", "changed replay", Seen(True, b"", end="open", seconds=6.0), True),
        (None, "another name", Seen(True, b"HTTP/1.1 404 Not Found", tls=True, end="closed"), True),
        (None, "another name", Seen(True, b"alert", end="closed"), True),
        (None, "another name", Seen(True, b"", tls=True, end="closed"), False),
        (None, "no name", Seen(True, b"", end="open", seconds=6.0), False),
        (b"h", "replay", Seen(False), True),
    ],
)
def test_what_is_like_a_site_and_what_is_not(
    send: bytes | None, label: str, seen: Seen, like_a_site: bool
) -> None:
    play, _ = probing()
    probe = Probe(RELAY, 443, 0.0, send, "www.example.com", label)
    assert (unlike_a_site(probe, seen) == "") == like_a_site
    play.policy.probed(play.now, probe, seen)
    assert play.policy.learnt() == ([] if like_a_site else [f"{RELAY}:443"])
    assert play.dial().opened == like_a_site


# -- together ------------------------------------------------------------------------------------------------------------


def test_the_first_rule_with_an_opinion_is_the_last_that_is_asked() -> None:
    play = with_rule(Stun(), Curtain(WORLD.foreign))
    assert not play.datagram(b"\0\1\0\0\x21\x12\xa4\x42" + b"t" * 12, RELAY, 3478)
    assert play.policy.counts() == {"dropped STUN": 1}


def test_a_policy_that_does_nothing_passes_everything() -> None:
    assert Play(Policy()).dial().say(CHROME)
