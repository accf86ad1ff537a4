"""To strangers a relay is a web site: the secret path answers like any path that is not there, byte for byte."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.relay_client import Place
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import Limits, RelaySettings

UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    one = Relay(RelaySettings(tmp_path / "data", limits=Limits(drain=1)))
    await one.start()
    yield one
    await one.close()


async def say(relay: Relay, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send these bytes on a new connection and read all that comes until it ends, or falls silent after an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(pause)
    heard, patience = b"", 5.0
    try:
        while True:
            async with asyncio.timeout(patience):
                more = await reader.read(65536)
            if not more:
                break
            heard, patience = heard + more, 0.3
    except (TimeoutError, ConnectionResetError):
        pass
    writer.close()
    return re.sub(rb"Date: [^\r]*", b"Date: now", heard)


def request(path: str, method: str = "GET", headers: str = "", body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}{length}\r\n".encode() + body


PROBES = {
    "plain": lambda path: request(path),
    "head": lambda path: request(path, "HEAD"),
    "post": lambda path: request(path, "POST"),
    "post of nothing known": lambda path: request(path, "POST", body=b"hello"),
    "post of a letter's beginning": lambda path: request(path, "POST", body=b"\x01" + bytes(100)),
    "post of zeros after another type": lambda path: request(path, "POST", body=b"\x03" + bytes(3000)),
    "post of a reserved type": lambda path: request(path, "POST", body=b"\x10" + bytes(3000)),
    "put": lambda path: request(path, "PUT", body=b"hello"),
    "options": lambda path: request(path, "OPTIONS"),
    "upgrade without a key": lambda path: request(path, headers="Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    "upgrade to something else": lambda path: request(path, headers="Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    "upgrade by post": lambda path: request(path, "POST", headers=UPGRADE),
    "upgrade of another version": lambda path: request(path, headers=UPGRADE.replace("13", "8")),
    "query": lambda path: request(path + "?x=1"),
    "slash": lambda path: request(path + "/"),
    "query and upgrade": lambda path: request(path + "?x=1", headers=UPGRADE),
    "upper case": lambda path: request(path.upper(), headers=UPGRADE),
    "http/1.0": lambda path: f"GET {path} HTTP/1.0\r\n\r\n".encode(),
    "http/1.0 upgrade": lambda path: f"GET {path} HTTP/1.0\r\nHost: x\r\n{UPGRADE}\r\n".encode(),
    "no host": lambda path: f"GET {path} HTTP/1.1\r\n\r\n".encode(),
    "too large": lambda path: request(path, "POST", headers="Content-Length: 99999999\r\n"),
    "chunked nonsense": lambda path: request(path, "POST", headers="Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n0\r\n\r\n",
    "expect": lambda path: request(path, "POST", headers="Expect: 100-continue\r\n", body=b"hello"),
    "two in one": lambda path: request(path) + request(path, "POST", body=b"hello") + request("/"),
}  # fmt: skip


@pytest.mark.parametrize("probe", PROBES)
async def test_the_secret_path_answers_as_any_path_that_is_not_there(relay: Relay, probe: str) -> None:
    secret, other = relay.way_in.decode(), "/" + "q" * (len(relay.way_in) - 1)
    make = PROBES[probe]
    assert make(secret) != make(other)
    at_secret, elsewhere = await asyncio.gather(say(relay, make(secret)), say(relay, make(other)))
    assert at_secret == elsewhere
    assert at_secret.startswith(b"HTTP/1.1 ")


async def test_only_the_true_path_with_a_true_handshake_becomes_a_stream(relay: Relay) -> None:
    heard = await say(relay, request(relay.way_in.decode(), headers=UPGRADE))
    assert heard.startswith(b"HTTP/1.1 101 Switching Protocols\r\nServer: nginx/1.22.1\r\n")
    assert (await say(relay, request("/other", headers=UPGRADE))).startswith(b"HTTP/1.1 404")


async def test_connections_are_kept_alive(relay: Relay) -> None:
    heard = await say(relay, request("/"), request("/nothing"), request("/style.css", "HEAD"), pause=0.05)
    assert [int(code) for code in re.findall(rb"HTTP/1.1 (\d+)", heard)] == [200, 404, 200]
    assert heard.count(b"Connection: keep-alive") == 3


async def test_who_asks_for_it_gets_the_connection_closed(relay: Relay) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(request("/", headers="Connection: close\r\n"))
    async with asyncio.timeout(30):
        heard = await reader.read()
    assert b"Connection: close" in heard
    writer.close()


async def test_after_an_upgrade_that_was_overlooked_the_connection_goes_on(relay: Relay) -> None:
    heard = await say(relay, request("/nothing", headers=UPGRADE) + request("/"))
    assert [int(code) for code in re.findall(rb"HTTP/1.1 (\d+)", heard)] == [404, 200]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"A: " + b"b" * 4000 + b"\r\n") * 9 + b"\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
    ],
)  # fmt: skip
async def test_bad_requests_are_refused_and_the_connection_ends(
    relay: Relay, sent: bytes, status: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(sent)
    async with asyncio.timeout(30):
        heard = await reader.read()
    writer.close()
    assert heard.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close" in heard
    assert b"nginx" in heard


async def test_a_body_in_chunks_beyond_the_limit_is_refused(relay: Relay) -> None:
    piece = b"10000\r\n" + bytes(65536) + b"\r\n"
    way = relay.way_in.decode()
    heard = await say(relay, request(way, "POST", headers="Transfer-Encoding: chunked\r\n"), *[piece] * 18)
    assert heard.startswith(b"HTTP/1.1 413 ")


async def test_a_head_in_single_bytes_is_read(relay: Relay) -> None:
    heard = await say(relay, *[bytes((byte,)) for byte in request("/")])
    assert heard.startswith(b"HTTP/1.1 200 OK")


async def test_a_relay_with_a_certificate_speaks_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    relay = Relay(RelaySettings(tmp_path / "data", cert=cert, key=key, limits=Limits(drain=1)))
    await relay.start()
    try:
        assert [route.transport for route in relay.routes] == ["wss", "https"]
        context = ssl.create_default_context(cafile=str(cert))
        context.check_hostname = False
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port, ssl=context)
        writer.write(request("/", headers="Connection: close\r\n"))
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()
        # Plain HTTP on a TLS port gets nothing.
        assert not (await say(relay, request("/"))).startswith(b"HTTP/1.1 200")
    finally:
        await relay.close()


async def test_a_certificate_that_was_renewed_is_taken_without_a_restart(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    relay = Relay(RelaySettings(tmp_path / "data", cert=cert, key=key, limits=Limits(drain=1)))
    await relay.start()

    def shown() -> str:
        return ssl.get_server_certificate(("127.0.0.1", relay.port))

    try:
        first = await asyncio.to_thread(shown)
        cert.write_text("half a certificate")
        relay._renew()
        assert await asyncio.to_thread(shown) == first
        certificate(tmp_path)
        relay._renew()
        assert await asyncio.to_thread(shown) == cert.read_text() != first
    finally:
        await relay.close()


async def test_a_stream_over_tls_works_and_survives_large_answers(tmp_path: Path) -> None:
    from websockets.asyncio.client import connect

    from whimbrel.wire import letters

    cert, key = certificate(tmp_path)
    relay = Relay(RelaySettings(tmp_path / "data", cert=cert, key=key, limits=Limits(drain=1)))
    await relay.start()
    try:
        context = ssl.create_default_context(cafile=str(cert))
        context.check_hostname = False
        place = Place(relay.address)
        url = f"wss://127.0.0.1:{relay.port}{place.route.path}"
        async with connect(url, ssl=context, compression=None) as socket:
            await socket.send(letters.ask_keys())
            shown = await socket.recv()
            assert isinstance(shown, bytes)
            assert letters.open_key_document(shown, relay.identity).identity == relay.identity
    finally:
        await relay.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost, signed by itself."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(private, hashes.SHA256())
    )
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert, key
