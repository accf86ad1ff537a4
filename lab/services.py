"""The resolvers of the city: each provider's national one, and the foreign public ones, by plain DNS and by DoH (RFC 8484).

One process, which opens each socket in the namespace where it belongs. The national resolvers answer as a measure has it; the
public ones tell the truth. There is no recursion: the city has few names, and every resolver knows them all. Commands come on a Unix
socket as lines of JSON, each answered by one: `national` (provider, removed, forged), `asked` (all questions so far: at, person's
address, resolver, by what, name).

Web sites and the CDN are nginx, with the configuration that stands below.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import json
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from aiohttp import web
from dnslib import AAAA, QTYPE, RCODE, RR, A, DNSError, DNSRecord

from lab import world
from lab.namespaces import inside
from lab.policy import ResolverPolicy

TTL_S = 60
DNS_PORT = 53
_MESSAGE = "application/dns-message"

Zone = dict[str, tuple[str, ...]]


def answer(question: bytes, zone: Zone, policy: ResolverPolicy) -> tuple[bytes, str] | None:
    """The answer to a query and the name that it asked for; None where it is no query."""
    try:
        asked = DNSRecord.parse(question)
    except (DNSError, ValueError, struct.error):
        return None
    if asked.header.qr or not asked.questions:
        return None
    name = str(asked.q.qname).rstrip(".").lower()
    reply = asked.reply(aa=0, ra=1)
    forged = next((address for suffix, address in policy.forged if _below(name, suffix)), None)
    addresses = (forged,) if forged is not None else zone.get(name, ())
    if forged is None and any(_below(name, suffix) for suffix in policy.removed):
        addresses = ()
    if not addresses:
        reply.header.rcode = RCODE.NXDOMAIN
    elif asked.q.qtype in (QTYPE.A, QTYPE.ANY):
        for address in addresses:
            reply.add_answer(RR(asked.q.qname, QTYPE.A, rdata=A(address), ttl=TTL_S))
    elif asked.q.qtype == QTYPE.AAAA:
        for address in (one for one in addresses if ":" in one):
            reply.add_answer(RR(asked.q.qname, QTYPE.AAAA, rdata=AAAA(address), ttl=TTL_S))
    return bytes(reply.pack()), name


def _below(name: str, suffix: str) -> bool:
    return name == suffix or name.endswith("." + suffix)


class Resolver(asyncio.DatagramProtocol):
    """One address that answers questions."""

    def __init__(self, address: str, zone: Zone, note: Callable[[str, str, str, str], None]) -> None:
        self.address = address
        self.policy = ResolverPolicy()
        self._zone = zone
        self._note = note

    def answer(self, question: bytes, asker: str, by: str) -> bytes | None:
        found = answer(question, self._zone, self.policy)
        if found is None:
            return None
        self._note(asker, self.address, by, found[1])
        return found[0]

    # -- by UDP and TCP --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        reply = self.answer(data, source[0], "udp")
        if reply is not None:
            self._transport.sendto(reply, source)

    async def on_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asker = writer.get_extra_info("peername")[0]
        try:
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                reply = self.answer(await reader.readexactly(size), asker, "tcp")
                if reply is None:
                    return
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    # -- by HTTPS --------------------------------------------------------------------------------------------------

    async def on_http(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            if request.content_type != _MESSAGE:
                return web.Response(status=415)
            question = await request.read()
        else:
            text = request.query.get("dns", "")
            try:
                question = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            except (binascii.Error, ValueError):
                return web.Response(status=400)
        reply = self.answer(question, request.remote or "", "https")
        if reply is None:
            return web.Response(status=400)
        return web.Response(
            body=reply, content_type=_MESSAGE, headers={"Cache-Control": f"max-age={TTL_S}", "Server": "doh"}
        )


class Services:
    """All resolvers, and what they were asked."""

    def __init__(self, prefix: str, folder: Path) -> None:
        self._prefix = prefix
        self._folder = folder
        self._asked: list[tuple[float, str, str, str, str]] = []
        zone = world.zone()
        self._national = [
            Resolver(world.resolver_address(number), zone, self._note) for number in range(world.PROVIDERS)
        ]
        self._public = [Resolver(address, zone, self._note) for address in world.RESOLVERS.addresses]

    def _note(self, asker: str, resolver: str, by: str, name: str) -> None:
        self._asked.append((time.time(), asker, resolver, by, name))

    async def run(self, path: Path, certificate: Path, key: Path) -> None:
        for number, resolver in enumerate(self._national):
            await self._plain(resolver, f"{self._prefix}-{world.provider_name(number)}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["http/1.1"])
        for resolver in self._public:
            await self._plain(resolver, f"{self._prefix}-{world.RESOLVERS.name}")
            application = web.Application()
            application.router.add_route("GET", "/dns-query", resolver.on_http)
            application.router.add_route("POST", "/dns-query", resolver.on_http)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            listening = self._open(
                f"{self._prefix}-{world.RESOLVERS.name}", socket.SOCK_STREAM, resolver.address, 443
            )
            await web.SockSite(runner, listening, ssl_context=context).start()
        await asyncio.start_unix_server(self._command, path)
        sys.stdout.write(json.dumps({"event": "ready"}) + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()

    async def _plain(self, resolver: Resolver, place: str) -> None:
        loop = asyncio.get_running_loop()
        datagrams = self._open(place, socket.SOCK_DGRAM, resolver.address, DNS_PORT)
        await loop.create_datagram_endpoint(lambda: resolver, sock=datagrams)
        listening = self._open(place, socket.SOCK_STREAM, resolver.address, DNS_PORT)
        await asyncio.start_server(resolver.on_tcp, sock=listening)

    def _open(self, place: str, kind: socket.SocketKind, address: str, port: int) -> socket.socket:
        def opened() -> socket.socket:
            one = socket.socket(socket.AF_INET, kind)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address, port))
            if kind == socket.SOCK_STREAM:
                one.listen(128)
            one.setblocking(False)
            return one

        return inside(place, opened)

    async def _command(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            try:
                asked = json.loads(line)
                found = self._do(**asked)
            except Exception as error:
                found = {"error": f"{type(error).__name__}: {error}"}
            writer.write(json.dumps(found).encode() + b"\n")
            await writer.drain()
        writer.close()

    def _do(
        self,
        do: str,
        provider: int = 0,
        removed: Sequence[str] = (),
        forged: Sequence[tuple[str, str]] = (),
    ) -> dict[str, Any]:
        if do == "national":
            self._national[provider].policy = ResolverPolicy(
                tuple(removed), tuple((suffix, address) for suffix, address in forged)
            )
            return {}
        if do == "asked":
            return {"asked": self._asked}
        raise ValueError(f"nothing here does {do}")


# -- web sites -----------------------------------------------------------------------------------------------------


def site_config(folder: Path, names: Sequence[str], certificate: Path, key: Path) -> str:
    """For nginx: ordinary sites under these names, by HTTPS, and a redirection to it by HTTP."""
    return _nginx(
        folder,
        f"""
        server {{
            listen 80 default_server;
            return 301 https://$host$request_uri;
        }}
        server {{
            listen 443 ssl http2 default_server;
            server_name {" ".join(names)};
            {_tls(certificate, key)}
            root {folder / "www"};
        }}""",
    )


def cdn_config(
    folder: Path,
    fronting: Sequence[str],
    others: Sequence[str],
    certificate: Path,
    key: Path,
    origin: tuple[str, str],
    ca: Path,
) -> str:
    """For nginx: a host of many names; those of `fronting` lead on to the origin (name, address), as a CDN has it."""
    return _nginx(
        folder,
        f"""
        upstream origin {{
            server {origin[1]}:443;
            keepalive 16;
        }}
        map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
        server {{
            listen 443 ssl http2;
            server_name {" ".join(fronting)};
            {_tls(certificate, key)}
            client_max_body_size 2m;
            location / {{
                proxy_pass https://origin;
                proxy_http_version 1.1;
                proxy_ssl_server_name on;
                proxy_ssl_name {origin[0]};
                proxy_ssl_verify on;
                proxy_ssl_verify_depth 3;
                proxy_ssl_trusted_certificate {ca};
                proxy_set_header Host {origin[0]};
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection $connection_upgrade;
                proxy_read_timeout 200s;
                proxy_request_buffering off;
                proxy_buffering off;
            }}
        }}
        server {{
            listen 443 ssl http2 default_server;
            server_name {" ".join(others)};
            {_tls(certificate, key)}
            root {folder / "www"};
        }}""",
    )


def _tls(certificate: Path, key: Path) -> str:
    return f"ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;"


def _nginx(folder: Path, servers: str) -> str:
    return f"""
    daemon off;
    user root;
    worker_processes 1;
    pid {folder / "pid"};
    error_log {folder / "error.log"} warn;
    events {{ worker_connections 1024; }}
    http {{
        access_log off;
        server_tokens off;
        types {{ text/html html; image/png png; application/octet-stream bin; }}
        client_body_temp_path {folder / "body"};
        proxy_temp_path {folder / "proxy"};
        fastcgi_temp_path {folder / "fastcgi"};
        uwsgi_temp_path {folder / "uwsgi"};
        scgi_temp_path {folder / "scgi"};
        {servers}
    }}
    """


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--cert", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    args = parser.parse_args()
    asyncio.run(Services(args.prefix, args.folder).run(args.socket, args.cert, args.key))


if __name__ == "__main__":
    main()
