"""The relays that an account knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay that this account uses or has met."""

    identity: bytes
    routes: tuple[str, ...]
    admission: bytes | None
    embedded: bool = False
