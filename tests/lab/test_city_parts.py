"""The parts of the city that touch no network: certificates, lines, what is remembered of traffic, answers of resolvers, files of packets."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from dnslib import RCODE, DNSRecord

from lab import packets, pcap, world
from lab.accounts import Accounts
from lab.ca import Authority
from lab.line import Line
from lab.packets import ACK, FIN, RST, SYN
from lab.policy import ResolverPolicy, Side
from lab.services import answer
from lab.traffic import Traffic, key_of

WORLD = world.the_world("root.pem")
ADA = packets.number("198.18.1.11")
RELAY = packets.number(WORLD.relay_addresses[0])
BENIGN = packets.number(WORLD.benign_address)


# -- addresses and certificates ------------------------------------------------------------------------------------


def test_each_server_has_a_subnet_of_its_own_where_measures_count_by_subnet() -> None:
    servers = [*WORLD.relay_addresses, *WORLD.bridge_addresses, WORLD.benign_address, WORLD.cdn_address]
    assert len({address.rpartition(".")[0] for address in servers}) == len(servers)


def test_no_address_of_the_city_is_taken_for_a_private_one() -> None:
    from whimbrel.transports.policy import is_private

    addresses = [address for host in world.HOSTS for address in host.addresses]
    assert not any(map(is_private, addresses + [address for _, address in world.PEOPLE.values()]))


def test_a_chain_has_the_size_that_one_meets_and_is_trusted_by_its_root_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("relay", [*world.RELAY.names], world.RELAY.addresses)
    chain = x509.load_pem_x509_certificates(issued.chain.read_bytes())
    assert len(chain) == 2
    assert 1_300 <= sum(len(one.public_bytes(Encoding.DER)) for one in chain) <= 1_500

    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(issued.chain, issued.key)
    client = ssl.create_default_context(cafile=str(authority.root))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert shake_hands(client, server, WORLD.relay_name)
    assert shake_hands(client, server, WORLD.relay_addresses[1])


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bool:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_hostname=name),
        server.wrap_bio(there, back, server_side=True),
    ]
    done = [False, False]
    for _ in range(10):
        for number, end in enumerate(ends):
            try:
                end.do_handshake()
                done[number] = True
            except ssl.SSLWantReadError:
                pass
    return all(done)


# -- the line ------------------------------------------------------------------------------------------------------


def test_a_line_adds_its_delay_and_the_time_of_the_bits() -> None:
    line = Line(rate=8_000.0, delay=0.03, queue=0.5)
    assert line.arrival(10.0, 100) == 10.0 + 0.1 + 0.03
    assert line.arrival(10.0, 100) == 10.0 + 0.2 + 0.03, "the second one waits for the first"
    assert line.arrival(20.0, 100) == 20.0 + 0.1 + 0.03, "what was idle has saved nothing up"


def test_a_full_queue_drops_what_would_wait_too_long() -> None:
    line = Line(rate=8_000.0, delay=0.03, queue=0.25)
    arrivals = [line.arrival(0.0, 100) for _ in range(5)]
    assert [arrival is None for arrival in arrivals] == [False, False, False, True, True]
    assert line.dropped == 2


# -- traffic -------------------------------------------------------------------------------------------------------


def up(flags: int, port: int = 5000, to: int = RELAY, payload: bytes = b"") -> bytes:
    return packets.tcp(ADA, to, port, 443, 1, 1, flags, payload)


def down(flags: int, port: int = 5000, source: int = RELAY, payload: bytes = b"") -> bytes:
    return packets.tcp(source, ADA, 443, port, 1, 1, flags, payload)


def test_both_directions_of_a_flow_have_one_key() -> None:
    assert key_of(up(SYN), Side.HOME) == key_of(down(SYN | ACK), Side.WORLD) is not None


def test_what_has_no_ports_has_no_key() -> None:
    assert key_of(packets.icmp(ADA, RELAY, 8, 0, b"12345678"), Side.HOME) is None
    fragment = bytearray(up(ACK))
    fragment[7] = 1
    assert key_of(bytes(fragment), Side.HOME) is None
    assert key_of(b"", Side.HOME) is None


def test_a_cut_ends_what_is_open_to_these_addresses_both_ways_and_for_ever() -> None:
    traffic = Traffic()
    assert traffic.passes(0.0, Side.HOME, up(SYN))
    assert traffic.passes(0.1, Side.HOME, up(SYN, port=5001, to=BENIGN))
    assert len(traffic.cut_open(WORLD.service_addresses)) == 1
    assert not traffic.passes(0.2, Side.WORLD, down(SYN | ACK))
    assert not traffic.passes(99.0, Side.HOME, up(ACK))
    assert traffic.passes(0.2, Side.HOME, up(ACK, port=5001, to=BENIGN)), "a flow to elsewhere lives on"
    assert traffic.passes(0.3, Side.HOME, up(SYN, port=5002)), "a new one to the same place begins"


def test_a_cut_connection_that_knocks_again_stays_dead_and_a_new_one_on_its_ports_lives() -> None:
    traffic = Traffic()
    traffic.passes(0.0, Side.HOME, up(SYN))
    traffic.cut_open(WORLD.service_addresses)
    assert not traffic.passes(1.0, Side.HOME, up(SYN)), "the same SYN, sent again"
    anew = packets.tcp(ADA, RELAY, 5000, 443, 77, 0, SYN)
    assert traffic.passes(2.0, Side.HOME, anew)
    assert traffic.passes(2.1, Side.WORLD, down(SYN | ACK))


def test_what_has_ended_is_not_cut() -> None:
    traffic = Traffic()
    for came_from, data in (
        (Side.HOME, up(SYN)),
        (Side.HOME, up(FIN | ACK)),
        (Side.WORLD, down(FIN | ACK)),
        (Side.HOME, up(SYN, port=5001)),
        (Side.WORLD, down(RST, port=5001)),
        (Side.HOME, up(SYN, port=5002)),
        (Side.HOME, up(FIN | ACK, port=5002)),
    ):
        traffic.passes(0.0, came_from, data)
    [left] = traffic.cut_open(WORLD.service_addresses)
    assert left == key_of(up(SYN, port=5002), Side.HOME), "half of it is still open"


def test_flows_are_told_with_their_person_and_counts() -> None:
    traffic = Traffic()
    traffic.passes(1.0, Side.HOME, up(SYN))
    traffic.passes(2.0, Side.WORLD, down(SYN | ACK))
    [told] = traffic.report(0.0, lambda address: {"198.18.1.11": "ada"}[address])
    assert told["person"] == "ada"
    assert told["packets"] == [1, 1]
    assert told["to"] == f"{WORLD.relay_addresses[0]}:443"
    assert told["open"] is True
    assert traffic.report(3.0, str) == []


# -- resolvers -----------------------------------------------------------------------------------------------------


def asked(name: str, policy: ResolverPolicy, kind: str = "A") -> DNSRecord:
    found = answer(bytes(DNSRecord.question(name, kind).pack()), world.zone(), policy)
    assert found is not None
    return DNSRecord.parse(found[0])


def test_an_honest_resolver_knows_all_names_and_no_others() -> None:
    reply = asked(WORLD.relay_name, ResolverPolicy())
    assert [str(record.rdata) for record in reply.rr] == [*WORLD.relay_addresses]
    assert asked("nowhere.example", ResolverPolicy()).header.rcode == RCODE.NXDOMAIN


def test_a_name_without_ipv6_exists_all_the_same() -> None:
    reply = asked(WORLD.relay_name, ResolverPolicy(), "AAAA")
    assert (reply.header.rcode, reply.rr) == (RCODE.NOERROR, [])


def test_a_removed_suffix_takes_all_below_it_and_nothing_beside_it() -> None:
    policy = ResolverPolicy(removed=("whimbrel.example",))
    assert asked(WORLD.relay_name, policy).header.rcode == RCODE.NXDOMAIN
    assert asked(WORLD.benign_name, policy).header.rcode == RCODE.NOERROR
    assert answer(b"no question", world.zone(), policy) is None


def test_a_forged_answer_has_one_address() -> None:
    reply = asked(WORLD.relay_name, ResolverPolicy(forged=(("whimbrel.example", "10.10.34.34"),)))
    assert [str(record.rdata) for record in reply.rr] == ["10.10.34.34"]


# -- packets in files, and what they are accounted for --------------------------------------------------------------


def test_what_was_written_to_a_file_is_read_from_it(tmp_path: Path) -> None:
    writer = pcap.Writer(tmp_path / "a.pcap", pcap.ETHERNET)
    writer.write(1_800_000_000.25, b"\0" * 12 + b"\x08\x00" + up(SYN))
    writer.write(1_800_000_001.5, b"\0" * 12 + b"\x08\x06arp")
    writer.close()
    [(at, packet), (_, frame)] = pcap.read(tmp_path / "a.pcap")
    assert at == 1_800_000_000.25
    assert packet == up(SYN)
    assert frame[12:14] == b"\x08\x06"


def accounts() -> Accounts:
    return Accounts(WORLD, "198.18.1.11", "198.18.1.53", may_ask=[WORLD.relay_name])


def question(name: str) -> bytes:
    packed = bytes(DNSRecord.question(name).pack())
    return packets.udp(ADA, packets.number("198.18.1.53"), 4000, 53, packed)


def test_a_question_for_an_allowed_name_is_accounted_for_and_another_is_stray() -> None:
    found = accounts()
    found.take(question(WORLD.relay_name))
    found.take(question("fonts.example"))
    account = found.close()
    assert account.kinds["dns"] == 2
    assert account.strays == ["the provider's resolver was asked for fonts.example"]


def test_what_goes_elsewhere_is_stray_whatever_it_is() -> None:
    for data in (
        up(SYN, to=BENIGN),
        packets.tcp(ADA, RELAY, 5000, 80, 1, 1, SYN),
        packets.udp(ADA, RELAY, 5000, 443, b"quic"),
        packets.udp(ADA, packets.number("198.19.53.8"), 5000, 53, b"a question in the clear"),
        packets.icmp(ADA, RELAY, 8, 0, b"ping"),
        b"\x33\x33" + b"\0" * 10 + b"\x86\xdd" + b"\x60" + b"\0" * 50,
    ):
        found = accounts()
        found.take(data)
        assert len(found.close().strays) == 1


def test_a_connection_to_the_relay_that_is_no_tls_is_stray() -> None:
    found = accounts()
    found.take(up(SYN))
    found.take(up(ACK, payload=b"GET / HTTP/1.1\r\n"))
    assert found.close().strays == ["a connection to a relay that is no TLS"]


def test_a_name_that_nobody_is_meant_to_show_is_stray() -> None:
    for name, strays in ((WORLD.relay_name, 0), ("elsewhere.example", 1)):
        there = ssl.MemoryBIO()
        end = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), there, server_hostname=name)
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
        found = accounts()
        found.take(up(SYN))
        found.take(up(ACK, payload=there.read()))
        account = found.close()
        assert len(account.strays) == strays
        assert account.shown[f"relay {name}"] == 1
