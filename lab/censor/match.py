"""By what a filter recognises a flow. A match is asked when something new of the client's beginning is known, and answers once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from lab import tls
from lab.censor.filter import Look
from lab.packets import TCP, Nets


class Match:
    def found(self, look: Look) -> bool:
        raise NotImplementedError


class Reading(Enum):
    """How much a filter puts together before it reads. What it does not put together passes."""

    PACKET = "packet"
    """Looks for the name within one packet, as `-m string` does and filters did until 2025."""
    SEGMENTS = "segments"
    """Puts TCP segments together, reads the first TLS record alone."""
    RECORDS = "records"
    """Puts segments and records together (B5, from 2025–26)."""


_HOST = re.compile(rb"\r\nhost:[ \t]*([^\r\n:]+)", re.IGNORECASE)
_VERBS = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"CONNECT ", b"DELETE ", b"PATCH ")


class ByName(Match):
    """The name in a ClientHello or in the Host of a plain HTTP request. Each name covers all names below it."""

    def __init__(self, names: Iterable[str], reading: Reading = Reading.RECORDS) -> None:
        self._names = tuple(name.lower().strip(".") for name in names)
        self._reading = reading
        word = b"|".join(re.escape(name.encode()) for name in self._names)
        # No letter on either side: `relay.example` is not in `myrelay.example.org`. A dot before it may be.
        self._in_packet = re.compile(rb"(?<![a-z0-9-])(?:" + word + rb")(?![a-z0-9.-])", re.IGNORECASE)

    def listed(self, name: str) -> bool:
        return any(name == listed or name.endswith("." + listed) for listed in self._names)

    def found(self, look: Look) -> bool:
        if not self._names or look.packet.protocol != TCP:
            return False
        if self._reading is Reading.PACKET:
            return self._in_packet.search(look.packet.payload) is not None
        stream = look.flow.stream
        if stream[:1] == b"\x16":
            if self._reading is Reading.RECORDS:
                return self.listed(look.flow.name)
            hello = tls.client_hello(bytes(stream), records=1)
            return isinstance(hello, tls.Hello) and self.listed(hello.name)
        if stream.startswith(_VERBS):
            host = _HOST.search(stream)
            return host is not None and self.listed(host[1].strip().decode("ascii", "replace").lower())
        return False


class ByJa4(Match):
    """The fingerprint of the hello: a whole JA4, or one that ends in `*` by its beginning, or the middle part (the ciphers) alone."""

    def __init__(self, fingerprints: Iterable[str]) -> None:
        self._whole = frozenset(f for f in fingerprints if len(f) == 36)
        self._ciphers = frozenset(f for f in fingerprints if len(f) == 12)
        if unknown := set(fingerprints) - self._whole - self._ciphers:
            raise ValueError(f"neither a JA4 nor the middle part of one: {sorted(unknown)}")

    def found(self, look: Look) -> bool:
        hello = look.flow.hello
        if not isinstance(hello, tls.Hello):
            return False
        return hello.ja4 in self._whole or hello.ja4.split("_")[1] in self._ciphers


class ByEch(Match):
    """An encrypted_client_hello extension together with one of these outer names (B19). GREASE alone, under another name, passes."""

    def __init__(self, outer: Iterable[str]) -> None:
        self._outer = ByName(outer)

    def found(self, look: Look) -> bool:
        hello = look.flow.hello
        return isinstance(hello, tls.Hello) and hello.ech and self._outer.listed(hello.name)


class ByAddress(Match):
    """The server's address. It needs no beginning of the flow."""

    def __init__(self, cidrs: Iterable[str]) -> None:
        self._nets = Nets(tuple(cidrs))

    def found(self, look: Look) -> bool:
        return look.flow.server in self._nets


class All(Match):
    def __init__(self, *matches: Match) -> None:
        self._matches = matches

    def found(self, look: Look) -> bool:
        return all(match.found(look) for match in self._matches)
