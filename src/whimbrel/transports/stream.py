"""What a transport offers: a stream of bytes, a stream of messages, or an exchange of one letter for one answer.

The rules are the same for all, and `tests/support/check_transport.py` holds every transport to them:
bytes and messages arrive in the order of the calls, also when a second `send` begins before the first has ended; one
task receives at a time; a cancelled `receive` has taken nothing;
`send` returns when there is room again, so that a slow peer slows the sender; errors are `TransportError`s; `close` is
always allowed, never waits long and never raises; after it the other calls raise.
"""

from __future__ import annotations

from typing import Protocol


class ByteStream(Protocol):
    """Bytes both ways, in order, without boundaries."""

    async def send(self, data: bytes) -> None:
        """Hand all of it over. Cancelled in the middle, the stream is good for nothing but `close`."""

    async def receive(self) -> bytes:
        """Some bytes; b"" when the peer has ended its side, and from then on always."""

    async def end(self) -> None:
        """Nothing more will be sent (half-close); receiving goes on."""

    async def close(self) -> None:
        """End both sides now."""


class MessageStream(Protocol):
    """Whole messages both ways, in order."""

    async def send(self, message: bytes) -> None:
        """Hand one message over."""

    async def receive(self) -> bytes:
        """The next message. Raises TransportError (receive, ended) after the last one."""

    async def ping(self) -> None:
        """Say something small that keeps the way open. Raises TransportError (receive, silent) when nothing at all
        came back since the last ping."""

    async def close(self) -> None:
        """End both sides now."""


class Exchange(Protocol):
    """One letter there, one answer back; several at the same time are allowed, each with a connection of its own."""

    async def exchange(self, letter: bytes) -> bytes:
        """The answer to a letter. Cancelled, its connection is given up."""

    async def close(self) -> None:
        """End all connections now; exchanges under way raise."""
