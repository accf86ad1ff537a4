"""Listening: a port, a certificate, and the ways by which it is reached from outside."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

from whimbrel.wire.errors import Malformed
from whimbrel.wire.routes import Route, parse_route

from .http import Connection, Server
from .tls import Gate, tune

FILES_SPARE = 128
"""File descriptors that are not for connections."""


class CannotStart(Exception):
    """A relay or a bridge cannot start; says what to do."""


class WrongUse(CannotStart):
    """The arguments cannot be meant so."""


class PortTaken(CannotStart):
    """The address to listen on is in use, or not this machine's."""


class CertificateUnfit(CannotStart):
    """The certificate or its key cannot be used."""


def split_listen(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; an IPv6 address stands in brackets. Raises WrongUse."""
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and len(port) <= 5) or int(port) > 65535:
        raise WrongUse(f"--listen {text}: give HOST:PORT, for example 127.0.0.1:8080 or [::1]:0")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise WrongUse(f"--listen {text}: an IPv6 address stands in brackets, for example [::1]:8080")
    return host, int(port)


def bound_socket(host: str, port: int) -> socket.socket:
    """A listening socket's beginning. Raises PortTaken."""
    try:
        found: list[Any] = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise port_taken(host, port, error) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # An IPv6 wildcard takes IPv4 too, as people expect of `[::]`.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise port_taken(host, port, error) from error
    return bound


async def listen(bound: socket.socket, server: Server, certificate: Certificate | None) -> asyncio.Server:
    """Take connections at a socket, inside TLS when there is a certificate. Raises PortTaken."""
    loop = asyncio.get_running_loop()

    def connection() -> asyncio.Protocol:
        if certificate is None:
            return Connection(server)
        return Gate(certificate.contexts, Connection(server))

    try:
        return await loop.create_server(connection, sock=bound, backlog=1024)
    except OSError as error:
        name = bound.getsockname()
        raise port_taken(str(name[0]), int(name[1]), error) from error


def port_taken(host: str, port: int, error: OSError) -> PortTaken:
    """Says so, and what to do."""
    return PortTaken(
        f"cannot listen on {host}:{port} ({error.strerror}): another program has it, or it is"
        " no address of this machine; give another one with --listen"
    )


def allow_many_files(connections: int) -> int:
    """Raise this process's limit of open files as far as it goes; answers how many connections fit."""
    try:
        import resource
    except ImportError:  # not on Windows, where sockets are not counted so
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES_SPARE
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return max(16, min(connections, soft - FILES_SPARE))


# ------------------------------------------------------------------------------------------ ways from outside


def public_routes(public: tuple[str, ...], host: str, port: int, *, tls: bool) -> tuple[Route, ...]:
    """The ways from outside, without a secret path: as given with --public, or as it listens. Raises WrongUse."""
    if not public:
        return (Route("wss" if tls else "ws", _reachable(host), port),)
    given: list[Route] = []
    for text in public:
        try:
            given.append(parse_route(text))
        except Malformed as error:
            raise WrongUse(f"--public {text}: {error}") from error
    return tuple(given)


def with_path(routes: tuple[Route, ...], path: str) -> tuple[Route, ...]:
    """Each as a stream and for single letters, with the secret path where it names none of its own."""
    found: list[Route] = []
    for route in routes:
        own = path if route.path == "/" else route.path
        for transport in ("wss", "https") if route.transport in ("wss", "https") else ("ws", "http"):
            one = replace(route, transport=transport, path=own)
            if one not in found:
                found.append(one)
    return tuple(found)


def _reachable(host: str) -> str:
    """What to write into the address for a host that is listened on: for all of them, the one that leads outside."""
    if host not in ("", "0.0.0.0", "::"):
        return host
    family = socket.AF_INET6 if host == "::" else socket.AF_INET
    target = "2001:db8::1" if host == "::" else "192.0.2.1"
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # No packet is sent: connecting a datagram socket only asks the routing table. (RFC 5737, RFC 3849)
            probe.connect((target, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "::1" if host == "::" else "127.0.0.1"


# ---------------------------------------------------------------------------------------------------- certificate


class Certificate:
    """A certificate and its key, in files that may be renewed in place."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises CertificateUnfit."""
        self._cert, self._key = cert, key
        self._time = self._modified()
        self.contexts = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        tune(self.contexts[0])
        tune(self.contexts[1], names=False)
        try:
            self._load()
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or "it does not fit, or is no certificate in PEM form"
            raise CertificateUnfit(f"the certificate or its key cannot be read: {reason}") from error

    def _load(self) -> None:
        for context in self.contexts:
            context.load_cert_chain(self._cert, self._key)

    def look(self) -> bool | None:
        """Take the files when they have changed: True, taken; False, unreadable, the old one stays; None: no change."""
        modified = self._modified()
        if modified == self._time:
            return None
        self._time = modified
        try:
            self._load()
        except (OSError, ssl.SSLError):
            return False
        return True

    def _modified(self) -> tuple[int, int]:
        try:
            return (self._cert.stat().st_mtime_ns, self._key.stat().st_mtime_ns)
        except OSError:
            return (0, 0)


def certificate_of(cert: Path | None, key: Path | None) -> Certificate | None:
    """The certificate that was given, if any was. Raises WrongUse, CertificateUnfit."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise WrongUse("--cert and --key belong together")
    return Certificate(cert, key)
