"""Under each measure the app says what the network does, and on an open but bad network it does not cry censorship.

Two people talk; the measure strikes and cuts what is open; they talk on; then one of them has the network looked at. Several cities at a
time, since they mostly wait. What must be found, and what may be found beside it, stands below: an app that never makes five connections
a minute to a place is not policed, and a network that hinders only others is clear.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import people, world
from lab.ca import Authority
from lab.city import City
from lab.measures import names
from lab.namespaces import inside

pytestmark = [pytest.mark.lab, pytest.mark.processes]

SCALE, SEED = 0.02, 1
JOBS = 8
"""A look is mostly waiting for a minute to pass."""


@dataclass(frozen=True, slots=True)
class Expected:
    must: frozenset[str]
    """Each of these is found."""
    may: frozenset[str] = frozenset()
    """And nothing beside them but these."""


def expect(*must: str, may: str = "") -> Expected:
    return Expected(frozenset(must), frozenset(may.split()))


CLEAR = expect("clear", may="bridge-silent")
BLAMED = (
    "names-removed names-false resolvers-blocked name-reset name-dropped slowed address-blocked handshakes-lost"
    " frozen-by-volume policed programs-blocked"
)
EXPECTED = {
    "S0": CLEAR,
    "S1": expect("names-removed"),
    "S2": expect("names-removed", may="resolvers-blocked"),
    "S3": expect("names-false"),
    "S4": expect("name-reset"),
    "S5": expect("name-dropped"),
    # Relay and bridges are slowed alike: there is no control that tells a slowed line from a slow one.
    "S6": expect("slow"),
    "S6p": expect("slowed"),
    "S7": expect("name-dropped"),
    "S7b": expect("handshakes-lost", may="address-blocked"),
    "S9": CLEAR,
    "S10": CLEAR,
    "S11": CLEAR,
    "S12": expect("programs-blocked"),
    # The relay's addresses are listed one after the other, some of them perhaps after the look.
    "S13": expect(may="clear unclear address-blocked bridge-silent"),
    "S14": expect("frozen-by-volume"),
    "S14b": expect("frozen-by-volume"),
    # Whimbrel stays below what is counted.
    "S15s": expect(may="clear unclear policed"),
    # Any of what is in the mixture; that something is in the way.
    "S16": expect(may=f"{BLAMED} slow bridge-silent resolver-silent"),
    # It is looked at when all is lifted; that connections were counted is believed for ten minutes.
    "S22": expect(may="clear policed bridge-silent"),
}
LOSS = """
from lab.policy import Measure


class Loss(Measure):
    name = "loss"

    def rules(self, world, provider):
        lost = "-m statistic --mode random --probability 0.1 -j DROP"
        return [f"iptables -A LAB -p {protocol} {lost}" for protocol in ("tcp", "udp")]


MEASURE = Loss()
"""
PORTAL = """
from lab.policy import Measure


class Portal(Measure):
    name = "portal"

    def rules(self, world, provider):
        gateway = world.national_resolvers[provider]
        ports = (80, 443)
        to = "iptables -t nat -A PREROUTING -p tcp --dport {0} -j DNAT --to-destination {1}:{0}"
        return [to.format(port, gateway) for port in ports]


MEASURE = Portal()
"""
SIGN_IN = """
import http.server, ssl, sys, threading

address, certificate, key = sys.argv[1:]


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", "https://login.hotel.example/")
        self.end_headers()


plain = http.server.ThreadingHTTPServer((address, 80), Page)
threading.Thread(target=plain.serve_forever, daemon=True).start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
secure = http.server.ThreadingHTTPServer((address, 443), Page)
secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
print("{}", flush=True)
secure.serve_forever()
"""
"""What a network shows to who has not signed in: for each server one's own, with a certificate that nobody trusts for it."""


ALIKE = {"S3b", "S5r", "S11b", "S15"}
"""Variants that look the same from where a person is; `EXPECTED` has the other one."""


def found(look: dict[str, object]) -> frozenset[str]:
    findings = look["findings"]
    assert isinstance(findings, list)
    return frozenset(one["what"] for one in findings)


def under(measure: str) -> dict[str, object]:
    with City() as city:
        pair = people.friends(city)
        try:
            city.prepare(measure, scale=SCALE, seed=SEED)
            city.strike(measure, cut=True, scale=SCALE, seed=SEED)
            people.converse(pair, 5, 0.5)
            if measure == "S22":
                city.lift()
                people.until(pair[0].is_up, "no way is up after it was lifted")
                time.sleep(5.0)
            return pair[0].ask("network", check=True)[-1]
        finally:
            for person in pair:
                person.kill()


@pytest.fixture(scope="module")
def looks(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[dict[str, object]]]]:
    """All that this session asks for are begun at once; each test waits for its own."""
    asked = [
        item.callspec.params["measure"]  # type: ignore[attr-defined]
        for item in request.session.items
        if item.path == request.path
        and "measure" in getattr(item, "callspec", item).__dict__.get("params", {})
    ]
    with ThreadPoolExecutor(JOBS) as pool:
        yield {measure: pool.submit(under, measure) for measure in dict.fromkeys(asked)}


def test_each_measure_is_expected_to_be_told_as_something() -> None:
    assert set(EXPECTED) | ALIKE | {"S8"} == set(names()), "S8 is about calls"


@pytest.mark.parametrize("measure", EXPECTED)
def test_what_is_said_is_so_under(measure: str, looks: dict[str, Future[dict[str, object]]]) -> None:
    look = looks[measure].result()
    expected = EXPECTED[measure]
    assert expected.must <= found(look), look
    assert found(look) <= expected.must | expected.may, look
    if measure == "S16":
        assert found(look) & frozenset(BLAMED.split()), look


# -- open networks that are bad ----------------------------------------------------------------------------------------


def two(city: City, mark: str) -> tuple[people.Person, people.Person]:
    """Two who were never here before."""
    return people.friends(
        city, people.Person(city, "ada", f"Ada {mark}"), people.Person(city, "bo", f"Bo {mark}")
    )


def looked_at(city: City, pair: tuple[people.Person, people.Person]) -> frozenset[str]:
    return found(pair[0].ask("network", check=True)[-1])


def measure_of(text: str, name: str, folder: Path) -> str:
    path = folder / f"{name}.py"
    path.write_text(text)
    return str(path)


def test_a_line_that_loses_packets_is_no_censor(city: City, tmp_path: Path) -> None:
    pair = two(city, "loss")
    try:
        city.strike(measure_of(LOSS, "loss", tmp_path))
        people.converse(pair, 5, 0.5)
        assert not looked_at(city, pair) & frozenset(BLAMED.split())
    finally:
        city.lift()
        for person in pair:
            person.kill()


def test_a_page_to_sign_in_at_is_no_censor(city: City, tmp_path: Path) -> None:
    pair = two(city, "portal")
    servers = []
    try:
        issued = Authority(tmp_path / "hotel").issue("hotel", ["login.hotel.example"], [])
        for number in range(world.PROVIDERS):
            words = [
                sys.executable,
                "-c",
                SIGN_IN,
                world.resolver_address(number),
                str(issued.chain),
                str(issued.key),
            ]
            server = city.start(f"portal{number}", world.provider_name(number), words)
            city.until_ready(server)
            servers.append(server)
        city.strike(measure_of(PORTAL, "portal", tmp_path), cut=True)
        people.until(lambda: not pair[0].is_up(), "what was cut is still up")
        assert looked_at(city, pair) == {"sign-in"}
        status = pair[0].one("status")
        assert [one["blame"] for one in status["network"]["findings"]] == ["line"]
    finally:
        city.lift()
        for number in range(world.PROVIDERS):
            inside(city.ground.name(world.provider_name(number)), _forget_the_portal)
        for server in servers:
            city.end(server)
        for person in pair:
            person.kill()


def _forget_the_portal() -> None:
    subprocess.run(["iptables", "-w", "-t", "nat", "-F", "PREROUTING"], check=True)


def test_a_relay_that_is_down_is_no_censor_and_the_report_names_nobody(city: City) -> None:
    pair = two(city, "down")
    try:
        city.stop_relay()
        people.until(lambda: not pair[0].is_up(), "the relay is gone, and a way is up")
        assert looked_at(city, pair) == {"relay-down"}
        text = pair[0].one("network_report")["text"]
        assert "relay-down" in text
        hosts = [*world.zone(), *(address for found in world.zone().values() for address in found)]
        for named in (*hosts, pair[0].name, pair[1].name, *(one["account"] for one in map(_status, pair))):
            assert named not in text
        assert not re.search(r"[0-9a-f]{16}|[a-z2-7]{24}", text), "a key or a path"
    finally:
        for person in pair:
            person.kill()


def _status(person: people.Person) -> dict[str, str]:
    return person.one("status")
