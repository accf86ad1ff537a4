"""A city: what stands in it answers, people talk through it, a strike and a cut are what they say, and each packet is accounted for."""

from __future__ import annotations

import base64
import socket
import threading
from pathlib import Path

import pytest
from dnslib import DNSRecord

from lab import pcap, people, talk, world
from lab.accounts import Accounts
from lab.city import City
from lab.namespaces import LabError, inside

pytestmark = [pytest.mark.lab, pytest.mark.processes]

RELAY_BY_NAME = """
from lab.policy import Measure, ResolverPolicy


class Names(Measure):
    name = "names"

    def rules(self, world, provider):
        return [f"iptables -A LAB -d {world.relay_addresses[1]} -j DROP", "nft add chain ip lab f { type filter hook forward priority 0 ; }"]

    def resolver(self, world, provider):
        return ResolverPolicy(removed=(world.relay_name,), forged=((world.neutral_name, world.benign_address),)) if provider == 0 else ResolverPolicy()


MEASURE = Names()
"""


def test_everything_in_the_city_answers_by_its_name(city: City) -> None:
    world_ = city.world
    for name in (world_.benign_name, world_.neutral_name, *world_.bridge_names, *world_.cdn_names):
        assert city.get("ada", f"https://{name}/")["ok"], name
    assert city.get("bo", f"https://{city.world.domestic_names[0]}/")["ok"]
    assert city.get("bo", f"https://{city.world.benign_name}/picture.bin")["bytes"] == 100_000
    plain = city.plain("bo")
    assert plain["ok"]
    # Name, TCP, TLS, upgrade and ten pings, each a round trip of 60 ms.
    assert plain["seconds"] > 13 * 0.060


def test_two_names_of_the_host_of_many_names_lead_on_to_the_relay_and_the_third_to_a_shop(city: City) -> None:
    *fronting, shop = city.world.cdn_names
    for name in fronting:
        assert city.plain("ada", name)["ok"]
    refused = city.plain("ada", shop)
    assert (refused["ok"], refused["why"]) == (False, "InvalidStatus")


def test_public_resolvers_answer_by_https_under_name_and_address_and_in_the_clear(city: City) -> None:
    name = city.world.relay_name
    packed = bytes(DNSRecord.question(name).pack())
    dns = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    for called, address in city.world.resolvers:
        for host in (called, address):
            answered = city.get("ada", f"https://{host}/dns-query?dns={dns}")
            assert answered["ok"], (host, answered)
        with inside(city.ground.name("ada"), lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as one:
            one.settimeout(5.0)
            one.sendto(packed, (address, 53))
            reply = DNSRecord.parse(one.recv(1500))
        assert {str(record.rdata) for record in reply.rr} == {*city.world.relay_addresses}
    asked = [line[1:] for line in city.resolvers.ask("asked")["asked"] if line[4] == name]
    for _, address in city.world.resolvers:
        for by in ("udp", "https"):
            assert ["198.18.1.11", address, by, name] in asked


def test_a_strike_reaches_resolvers_and_kernel_and_lifting_undoes_it(city: City, tmp_path: Path) -> None:
    measure = tmp_path / "names.py"
    measure.write_text(RELAY_BY_NAME)
    city.strike(str(measure))
    try:
        assert city.plain("ada")["why"] == "gaierror", "the name is removed at the first provider"
        assert city.get("ada", f"https://{city.world.neutral_name}/")["why"] == "SSLCertVerificationError"
        assert city.plain("bo")["ok"], "the second one's resolver tells the truth"
        blocked = city.world.relay_addresses[1]
        assert not city.get("bo", f"https://{blocked}/", patience=1.0)["ok"]
    finally:
        city.lift()
    assert city.plain("ada")["ok"]
    assert city.get("bo", f"https://{blocked}/")["ok"]


def test_two_people_talk_on_after_all_their_flows_were_cut_and_every_packet_is_accounted_for(
    city: City,
) -> None:
    pair = (people.Person(city, "ada"), people.Person(city, "bo"))
    newcomer = people.Person(city, "cleo")
    everybody = (*pair, newcomer)
    taps = [person.tap() for person in everybody]
    people.friends(city, *pair)
    invite = pair[0].one("invite")["invite"]
    newcomer.start(with_relay=True)
    cold = people.cold_start(newcomer, pair[0], invite)
    assert cold.delivered is not None

    strikes: list[float] = []
    timer = threading.Timer(1.6, lambda: strikes.append(city.strike("S0", cut=True)))
    timer.start()
    sent, arrived = people.converse(pair, 12, 0.5)
    city.lift()
    found = talk.figures(sent, arrived, strikes[0])
    assert (found.lost, found.doubled, found.out_of_order) == (0, 0, 0)
    assert found.recovered_both is not None
    cut = [flow for flow in city.border.ask("flows")["flows"] if flow["cut"]]
    assert {flow["person"] for flow in cut} == {"ada", "bo", "cleo"}
    assert people.send_file(*pair, 100_000, patience=60.0) is not None
    for person in everybody:
        people.until(person.is_at_rest, "the outbox is not empty")
    assert len(pair[0].texts("Bo")) == 25
    for person in everybody:
        person.kill()

    for tap, person in zip(taps, everybody, strict=True):
        assert tap.close() == 0, "packets that were not written down"
        accounts = Accounts(city.world, person.address, world.resolver_address(person.provider))
        for _, data in pcap.read(tap.path):
            accounts.take(data)
        account = accounts.close()
        assert account.strays == []
        assert account.kinds["relay"] + account.kinds["bridge"] > 50


RELAY_BY_ADDRESS = """
from lab.policy import Measure


class Addresses(Measure):
    name = "addresses"

    def rules(self, world, provider):
        return [f"iptables -A LAB -d {address} -j DROP" for address in world.relay_addresses]


MEASURE = Addresses()
"""


def test_where_the_relay_is_out_of_reach_people_talk_through_a_bridge(city: City, tmp_path: Path) -> None:
    measure = tmp_path / "addresses.py"
    measure.write_text(RELAY_BY_ADDRESS)
    pair = people.friends(city, people.Person(city, "ada", "Eve"), people.Person(city, "dov"))
    at = city.strike(str(measure), cut=True)
    try:
        sent, arrived = people.converse(pair, 4, 0.5)
    finally:
        city.lift()
    found = talk.figures(sent, arrived, at)
    assert (found.lost, found.doubled, found.out_of_order) == (0, 0, 0)
    far = {
        flow["to"].partition(":")[0] for flow in city.border.ask("flows", since=at)["flows"] if flow["open"]
    }
    assert far & {*city.world.bridge_addresses}
    for person in pair:
        person.kill()


FAULTY = """
from lab.policy import Measure, Policy


class Faulty(Policy):
    def packet(self, now, came_from, data):
        return 1 / 0


class Broken(Measure):
    name = "broken"

    def policy(self, world, provider, scale, seed):
        return Faulty()


MEASURE = Broken()
"""


def test_a_measure_that_fails_is_told_and_leaves_the_network_open(city: City, tmp_path: Path) -> None:
    measure = tmp_path / "broken.py"
    measure.write_text(FAULTY)
    city.strike(str(measure))
    assert city.get("ada", f"https://{city.world.benign_name}/")["ok"]
    with pytest.raises(LabError, match="ZeroDivisionError"):
        city.border.ask("counters")
    city.lift()
    city.border.ask("counters")


def test_the_border_writes_down_what_it_sees(city: City) -> None:
    path = city.folder / "border.pcap"
    city.border.ask("capture", file=str(path))
    assert city.get("ada", f"https://{city.world.benign_name}/")["ok"]
    city.border.ask("capture")
    packets = [data for _, data in pcap.read(path)]
    assert len(packets) > 10
    assert {data[0] >> 4 for data in packets} == {4}


def test_a_device_carries_no_segment_longer_than_a_packet(city: City) -> None:
    dov = people.Person(city, "dov")
    tap = dov.tap()
    assert city.get("dov", f"https://{city.world.benign_name}/picture.bin")["bytes"] == 100_000
    tap.close()
    sizes = [len(data) for _, data in pcap.read(tap.path)]
    assert max(sizes) == world.MTU, "with offloads there would be segments of 64 KB"
    assert len([size for size in sizes if size == world.MTU]) > 50
