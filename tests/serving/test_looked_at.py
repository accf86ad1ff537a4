"""Relay and bridge, looked at by programs that others wrote or that know nothing of them: the prober of the lab's censor, and curl.

Debian's nginx with the same folder is the model, as in `test_like_nginx`.
"""

import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from lab import prober
from lab.censor.probing import questions, unlike_a_site
from lab.policy import Probe
from support import probes
from support.nginx import NGINX, Look, Seen, differences, shown
from support.street import Street

CURL = shutil.which("curl")
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(NGINX is None, reason="nginx is missing: apt-get install nginx"),
    pytest.mark.skipif(CURL is None, reason="curl is missing: apt-get install curl"),
]


# -- the lab's prober --------------------------------------------------------------------------------------


def asked(said: bytes, seed: int) -> list[Probe]:
    """What the censor of the lab asks about a server to which somebody wrote this first; at once, not after minutes."""
    chance = random.Random(seed)
    all_of_them = questions(
        chance, "127.0.0.1", 0, said, "site.example", other_name="another.example", scale=0.0
    )
    return [replace(one, after=0.0) for one in all_of_them]


def by_prober(probe: Probe) -> Look:
    def look(port: int) -> Seen:
        there = replace(probe, port=port)
        seen = prober.look(there)
        assert seen.connected
        assert not unlike_a_site(there, seen), probe.label
        return Seen(seen.answer, f"{seen.end} {'inside TLS' if seen.tls else ''}")

    return look


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_censors_prober_sees_nginx_behind_tls(street: Street, seed: int) -> None:
    looks = {one.label: by_prober(one) for one in asked(probes.hello(protocols=["http/1.1"]), seed)}
    assert len(looks) == 8
    assert not shown(differences(looks, street.tls[0], street.tls[1:], at_a_time=16))


def test_the_censors_prober_sees_nginx_without_tls(street: Street) -> None:
    """Here a replay is a letter, and what it meets is no relay's answer."""
    letter = probes.request("/secret/path", "POST", body=random.Random(4).randbytes(600))
    looks = {one.label: by_bytes(one) for one in asked(letter, 4) if one.send is not None}
    assert len(looks) == 6
    assert not shown(differences(looks, street.plain[0], street.plain[1:], at_a_time=16))


def by_bytes(probe: Probe) -> Look:
    """As `by_prober`, for a port without TLS, which is no HTTPS site."""

    def look(port: int) -> Seen:
        seen = prober.look(replace(probe, port=port))
        assert seen.connected
        return Seen(seen.answer, seen.end)

    return look


# -- curl --------------------------------------------------------------------------------------------------

UPGRADE = "-H Connection:upgrade -H Upgrade:websocket -H Sec-WebSocket-Version:13 -H Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ=="
REQUESTS: dict[str, str] = {
    "a page": "/",
    "its head": "-I /",
    "the head of nothing": "-I /nothing",
    "a folder": "/sub/",
    "a folder without its slash": "/sub",
    "a folder without a page": "/empty/",
    "a name with a blank": "/a%20b/",
    "a name without an ending": "/none",
    "an empty file": "/zero.txt",
    "a large file": "/big.bin",
    "HTTP/1.0": "--http1.0 /",
    "HTTP/2 where it is offered": "--http2 /",
    "HTTP/2 as if it had been": "--http2-prior-knowledge /",
    "without a protocol in the handshake": "--no-alpn /",
    "OPTIONS": "-X OPTIONS /",
    "OPTIONS of all": "-X OPTIONS --request-target * /",
    "DELETE": "-X DELETE /style.css",
    "TRACE": "-X TRACE /",
    "CONNECT": "-X CONNECT /",
    "a method of nobody": "-X WHIMBREL /",
    "a form": "-d name=value /",
    "a large form": "-H Expect: --data-binary @{big} /",
    "a form that waits to be asked for": "-H Expect:100-continue -d name=value /",
    "a file put there": "-T {big} /big.bin",
    "a form in chunks": "-H Transfer-Encoding:chunked -d name=value /",
    "the first bytes": "-r 0-9 /style.css",
    "the last bytes": "-r -7 /style.css",
    "bytes from the middle on": "-r 5- /style.css",
    "bytes behind the end": "-r 99999999- /style.css",
    "two ranges": "-r 0-1,4-5 /style.css",
    "if it is newer": "-z 2035-01-01 /style.css",
    "if it is older": "-z -2001-01-01 /style.css",
    "compressed": "--compressed /style.css",
    "up and out of the folder": "--path-as-is /../../../etc/passwd",
    "up and out, in disguise": "--path-as-is /%2e%2e/%2e%2e/etc/passwd",
    "another host": "-H Host:another.example /",
    "no host": "-H Host: /",
    "a strange host": "-H Host:a/b /",
    "a password": "-u somebody:secret /",
    "a session": f"--http1.1 {UPGRADE} /",
    "a session at a path of nobody": f"--http1.1 {UPGRADE} /aaaaaaaaaaaaaaaa",
    "a few bytes to a path of nobody": "-d name=value -H Content-Type:application/octet-stream /aaaaaaaaaaaaaaaa",
    "a letter to a path of nobody": "--data-binary @{big} -H Content-Type:application/octet-stream /aaaaaaaaaaaaaaaa",
    "a long path": "/" + "a" * 9000,
    "a long head": "-H X-Long:" + "b" * 40_000 + " /",
    "two after each other": "/ --next -sSik /style.css",
}
HANDSHAKES: dict[str, str] = {
    "TLS 1.3 alone": "--tlsv1.3 /",
    "TLS 1.2 at most": "--tls-max 1.2 /",
    "TLS 1.1 at most": "--tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 /",
    "a cipher of nobody's": "--tls-max 1.2 --ciphers AES128-SHA /",
    "one curve": "--curves P-521 /",
}


def by_curl(words: str, scheme: str, big: str) -> Callable[[int], Seen]:
    def look(port: int) -> Seen:
        command = [CURL or "curl", "-sSik", "--max-time", "8"]
        for word in words.split():
            word = word.format(port=port, big=big) if "{" in word else word
            command.append(
                f"{scheme}://127.0.0.1:{port}{word}" if word.startswith("/") and word != big else word
            )
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        said = done.stderr.decode().replace(str(port), "(port)")
        return Seen(done.stdout, f"{done.returncode} {said}")

    return look


def differing(looks: dict[str, str], scheme: str, ports: list[int], big: str) -> str:
    by = {name: by_curl(words, scheme, big) for name, words in looks.items()}
    return shown(differences(by, ports[0], ports[1:]))


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("big") / "big"
    path.write_bytes(random.Random(5).randbytes(3_000_000))
    return str(path)


def test_curl_sees_nginx(street: Street, big: str) -> None:
    assert not differing(REQUESTS, "http", street.plain, big)


def test_curl_sees_nginx_inside_tls(street: Street, big: str) -> None:
    assert not differing(REQUESTS | HANDSHAKES, "https", street.tls, big)


def test_curl_sees_nginx_when_it_takes_the_wrong_scheme(street: Street, big: str) -> None:
    assert not differing(REQUESTS, "http", street.tls, big)
    some = {name: REQUESTS[name] for name in ("a page", "HTTP/1.0", "HTTP/2 as if it had been")}
    assert not differing(some | HANDSHAKES, "https", street.plain, big)


def test_curl_tells_servers_apart(street: Street, big: str) -> None:
    found = by_curl("/", "http", big)(street.plain[0])
    assert found.heard.startswith(b"HTTP/1.1 200 OK\r\nServer: nginx")
    assert found.ended == "0 "
    assert by_curl("/nothing", "http", big)(street.plain[0]) != found
