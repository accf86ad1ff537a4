"""Who may look in through the page: the secrets of its windows, the links that let a window in, and tickets for files.

The two secrets stay in the home, encrypted as everything there, so that a window stays in over a reload and over a restart of
the app. Links and tickets live in memory, for as long as the app runs. What a request must bring stands in `app/gate.py`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Protocol

from whimbrel.chat.records import PutFact, Save
from whimbrel.store.errors import StoreError

COOKIE, HEADER, PORT = "page:cookie", "page:header", "page:port"
"""Facts of the home."""
LINKS_MAX = 16
"""Links that may be given out and not opened; the oldest one stops working then."""
TICKETS_MAX = 256
TICKET_LIFE = 15 * 60.0
"""Seconds since its last use after which a ticket opens its file no more: a film that is paused for longer asks for another."""


class Facts(Protocol):
    """What is needed of the home's database."""

    def facts(self) -> dict[str, bytes]: ...

    def commit(self, changes: list[Save]) -> object: ...


class Windows:
    """The windows of one home."""

    def __init__(self, facts: Facts, home_id: str) -> None:
        self._facts = facts
        self.cookie_name = f"whimbrel-{home_id[:12]}"
        """Cookies do not know ports: the name tells one home's from another's."""
        kept = facts.facts()
        self._cookie = kept.get(COOKIE, b"").decode("ascii", "replace")
        self._header = kept.get(HEADER, b"").decode("ascii", "replace")
        self._links: list[str] = []
        self._tickets: MutableMapping[str, tuple[bytes, float]] = {}
        self.thrown_out: list[Callable[[], None]] = []
        """Called when all windows lose their secrets: what still goes on for one of them ends."""
        if not (self._cookie and self._header):
            self._cookie, self._header = _two_secrets()
            with suppress(StoreError):  # on a full disk, say: then they hold for this run
                self._keep_secrets()

    def _keep_secrets(self) -> None:
        cookie, header = self._cookie.encode(), self._header.encode()
        self._facts.commit([PutFact(COOKIE, cookie), PutFact(HEADER, header)])

    @property
    def cookie(self) -> str:
        return self._cookie

    @property
    def header(self) -> str:
        return self._header

    def is_cookie(self, value: str) -> bool:
        return _equal(value, self._cookie)

    def is_header(self, value: str) -> bool:
        return _equal(value, self._header)

    def cut_off(self) -> None:
        """Throw out all windows. Only a new link leads in again.

        Raises StoreError when the new secrets could not be kept: then those of before come back with the next start.
        """
        self._cookie, self._header = _two_secrets()
        self._links.clear()
        self.close_files()
        for throw_out in [*self.thrown_out]:
            throw_out()
        self._keep_secrets()

    # ------------------------------------------------------------------------------------------- the port

    def port(self) -> int:
        """The port of the run before; 0 when there was none."""
        text = self._facts.facts().get(PORT, b"").decode("ascii", "replace")
        return int(text) if text.isdigit() and int(text) < 1 << 16 else 0

    def keep_port(self, port: int) -> None:
        """For the next run; a disk that is full keeps nothing."""
        if port != self.port():
            with suppress(StoreError):
                self._facts.commit([PutFact(PORT, str(port).encode())])

    # -------------------------------------------------------------------------------------- links, tickets

    def link(self) -> str:
        """A new token that lets one window in, once."""
        self._links = [*self._links[-(LINKS_MAX - 1) :], secrets.token_urlsafe(32)]
        return self._links[-1]

    def spend(self, token: str) -> bool:
        """True once for each token."""
        for known in self._links:
            if _equal(known, token):
                self._links.remove(known)
                return True
        return False

    def ticket(self, file: bytes, now: float) -> str:
        """Opens this one file by its address alone (beside the cookie): for what a browser fetches without our header."""
        self._forget_tickets(now)
        while len(self._tickets) >= TICKETS_MAX:
            del self._tickets[next(iter(self._tickets))]
        made = secrets.token_urlsafe(32)
        self._tickets[made] = (file, now)
        return made

    def is_ticket(self, ticket: str, file: bytes, now: float) -> bool:
        """Whether it opens this file. A use is counted: it lives on."""
        self._forget_tickets(now)
        known = self._tickets.get(ticket)
        if known is None or known[0] != file:
            return False
        self._tickets[ticket] = (file, now)
        return True

    def _forget_tickets(self, now: float) -> None:
        for ticket in [t for t, (_, used) in self._tickets.items() if now - used > TICKET_LIFE]:
            del self._tickets[ticket]

    def close_files(self) -> None:
        """No ticket opens anything any more."""
        self._tickets.clear()


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(
        one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape")
    )


def _two_secrets() -> tuple[str, str]:
    return secrets.token_urlsafe(32), secrets.token_urlsafe(32)
