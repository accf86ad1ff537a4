"""To whoever does not know a way, relay and bridge are nginx: no answer differs from that of a real one that shows the same folder.

Debian's nginx runs beside them. The probes are in `support.probes`; one that sees a difference says what each of them did.
"""

import asyncio
import time
from pathlib import Path

import pytest

from support import probes
from support.nginx import NGINX, Look, Nginx, Seen, differences, probe, shown, unnamed
from support.street import Street, make_certificate, make_site
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import Limits, RelaySettings

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(NGINX is None, reason="nginx is missing: apt-get install nginx"),
]


def sent(pieces: list[bytes], *, tls: bool = False) -> Look:
    pause = 0.01 if len(pieces) > 5 else 0.05

    def look(port: int) -> Seen:
        return probe(port, *pieces, tls=tls, late=True, pause=pause)

    return look


def differing(looks: dict[str, Look], ports: list[int]) -> str:
    """Where what is seen at the other ports is not what is seen at the first, nginx's; nothing when it is."""
    return shown(differences(looks, ports[0], ports[1:]))


def test_the_probes_are_many_and_tell_servers_apart(street: Street) -> None:
    assert len(probes.requests()) > 900
    one, other = sent([probes.request("/")]), sent([probes.request("/nothing")])
    assert differences({"x": lambda port: (one if port == street.plain[0] else other)(port)}, *ends(street))


def ends(street: Street) -> tuple[int, list[int]]:
    return street.plain[0], street.plain[1:]


def test_plain_requests_are_answered_as_by_nginx(street: Street) -> None:
    assert not differing({name: sent(pieces) for name, pieces in probes.requests().items()}, street.plain)


def test_requests_inside_tls_are_answered_as_by_nginx(street: Street) -> None:
    assert not differing(
        {name: sent(pieces, tls=True) for name, pieces in probes.requests().items()}, street.tls
    )


def test_plain_requests_to_the_port_for_tls_are_answered_as_by_nginx(street: Street) -> None:
    some = {name: pieces for n, (name, pieces) in enumerate(probes.requests().items()) if n % 3 == 0}
    some |= {
        name: pieces for name, pieces in probes.requests().items() if "chunks" in name or "garbage" in name
    }
    assert not differing({name: sent(pieces) for name, pieces in some.items()}, street.tls)


@pytest.mark.parametrize("seed", [1, 2])
def test_requests_with_bytes_changed_are_answered_as_by_nginx(street: Street, seed: int) -> None:
    looks = {name: sent(pieces) for name, pieces in probes.changed_requests(seed, 400).items()}
    assert not differing(looks, street.plain)


def test_what_is_no_handshake_ends_as_with_nginx(street: Street) -> None:
    assert not differing({name: sent(pieces) for name, pieces in probes.first_flights(1).items()}, street.tls)


def test_clients_of_every_kind_are_greeted_as_by_nginx(street: Street) -> None:
    assert not differing({name: sent(pieces) for name, pieces in probes.hellos().items()}, street.tls)


@pytest.mark.parametrize("secret", ["relay", "bridge"])
def test_a_first_flight_that_was_recorded_tells_nothing_when_it_comes_again(
    street: Street, secret: str
) -> None:
    """The hello of an app on its way to a secret path is the hello of anybody: what it leads to came later, inside."""
    flight = probes.hello(protocols=["http/1.1"])
    port = street.tls[1 if secret == "relay" else 2]
    for _ in range(3):
        assert not differing(
            {"again": sent([flight]), "and garbage": sent([flight, bytes(50)])}, [street.tls[0], port]
        )


WAITS: dict[str, tuple[bool, list[bytes]]] = {
    "nothing": (False, []),
    "half a head": (False, [b"GET / HT"]),
    "a request and nothing more": (False, [probes.request()]),
    "a request and half of another": (False, [probes.request(), b"GET"]),
    "nothing inside TLS": (True, []),
    "half a head inside TLS": (True, [b"GET / HT"]),
    "a request inside TLS and nothing more": (True, [probes.request()]),
    "half a hello": (False, [probes.hello()[:100]]),
    "a hello and nothing more": (False, [probes.hello()]),
}


async def test_who_says_nothing_more_is_left_as_by_nginx(tmp_path: Path) -> None:
    """With 2 s in place of 60 and 75: when it ends, and how."""
    site, cert, key = tmp_path / "site", tmp_path / "cert.pem", tmp_path / "key.pem"
    make_site(site)
    make_certificate(cert, key)
    times = "client_header_timeout 2s; keepalive_timeout 2s;"
    nginx = Nginx(tmp_path / "nginx", site, cert, key, times)
    limits = Limits(head_timeout=2, keep_alive=2, drain=1)
    plain = Relay(RelaySettings(tmp_path / "plain", site=site, limits=limits))
    tls = Relay(RelaySettings(tmp_path / "tls", site=site, cert=cert, key=key, limits=limits))
    await plain.start()
    await tls.start()

    async def look(name: str, port: int) -> tuple[Seen, float]:
        inside, pieces = WAITS[name]
        begun = time.monotonic()
        seen = await asyncio.to_thread(lambda: probe(port, *pieces, tls=inside, quiet=6))
        return unnamed(seen, port), time.monotonic() - begun

    try:
        for name in WAITS:
            is_tls = "TLS" in name or "hello" in name
            ports = (nginx.tls, tls.port) if is_tls else (nginx.plain, plain.port)
            (model, usual), (ours, took) = await asyncio.gather(*(look(name, port) for port in ports))
            assert ours == model, name
            assert abs(took - usual) < 1.6, (name, took, usual)
    finally:
        await plain.close()
        await tls.close()
        nginx.close()
