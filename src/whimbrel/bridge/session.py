"""A session: two connections, and the bytes of a WebSocket between them, as they come.

Nothing is taken apart: frames, masks, pings and the farewell are between the app and the relay. When one side does not take
what comes, or a client is too fast, the other side is not read; so the memory of a session is bounded.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from whimbrel.wire.paths import Names

from .day import FRAMING
from .pace import Client

if TYPE_CHECKING:
    from .server import Bridge


class Session:
    """Both ends of it."""

    __slots__ = ("_bridge", "app", "client", "names", "relay")

    def __init__(
        self, bridge: Bridge, client: Client, names: Names, app: asyncio.Transport, relay: asyncio.Transport
    ) -> None:
        """`names`: by which the path was handed on that led here."""
        self._bridge = bridge
        self.client = client
        self.names = names
        self.app = End(bridge, self, app)
        self.relay = End(bridge, self, relay)

    def begin(self, from_app: bytes, from_relay: bytes) -> None:
        """Both ends read from here on; what came already goes first."""
        self.app.other, self.relay.other = self.relay, self.app
        for end, said in ((self.app, from_app), (self.relay, from_relay)):
            end.transport.set_protocol(end)
            if said:
                end.data_received(said)
            end.look()

    def ended(self) -> None:
        """One end is gone: the other gets what is on its way, and the end."""
        if self.app.gone and self.relay.gone:
            self._bridge.session_ended(self)
            return
        for end in (self.app, self.relay):
            if not end.gone:
                end.transport.close()

    def abort(self) -> None:
        for end in (self.app, self.relay):
            if not end.gone:
                end.transport.abort()

    def close(self) -> None:
        """The bridge stops: as when the server behind a front stops."""
        for end in (self.app, self.relay):
            if not end.gone:
                end.transport.close()

    def tend(self, now: float) -> bool:
        """Now and then. False: an end is too slow, or silent for too long."""
        return self.app.tend(now) and self.relay.tend(now)


class End(asyncio.Protocol):
    """One end: what comes here goes to the other."""

    __slots__ = (
        "_bridge",
        "_full",
        "_full_since",
        "_heard",
        "_session",
        "_slowed",
        "gone",
        "other",
        "transport",
    )

    def __init__(self, bridge: Bridge, session: Session, transport: asyncio.Transport) -> None:
        self._bridge = bridge
        self._session = session
        self.transport = transport
        self.other = self
        self.gone = False
        self._full = False
        self._full_since = 0.0
        self._slowed = False
        self._heard = bridge.time()
        transport.set_write_buffer_limits(bridge.limits.write_high)

    def data_received(self, data: bytes) -> None:
        self._heard = self._bridge.time()
        if self.other.gone or self.other.transport.is_closing():
            return
        self.other.transport.write(data)
        size = len(data) + FRAMING
        self._bridge.carried(size)
        pause = self._bridge.clients.spend(self._session.client, size, self._heard)
        if pause > 0:
            self._slowed = True
            self._bridge.loop.call_later(pause, self._may_go_on)
            self.look()

    def look(self) -> None:
        """Read, or do not."""
        if self.gone or self.transport.is_closing():
            return
        if self._slowed or self.other._full:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _may_go_on(self) -> None:
        self._slowed = False
        self.look()

    def pause_writing(self) -> None:
        self._full, self._full_since = True, self._bridge.time()
        self.other.look()

    def resume_writing(self) -> None:
        self._full = False
        self.other.look()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self._session.ended()

    def tend(self, now: float) -> bool:
        if self.gone:
            # The other end still gets what was on its way.
            return True
        limits = self._bridge.limits
        if self._full:
            return now - self._full_since < limits.write_timeout
        return self._slowed or now - self._heard < limits.silence
