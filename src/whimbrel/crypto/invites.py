"""What stands in a one-use invite's seed: the inviter's card and a ready log, both derived by both sides.

Pure: the same 32 bytes give the same keys everywhere. Who opens the invite founds the group at home and claims the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from whimbrel.wire.operations import LogBody, LogKind
from whimbrel.wire.purpose import prf, public_of, token_hash

SEED = 32
"""Bytes of a seed."""


@dataclass(frozen=True, slots=True)
class SeedKeys:
    """Where the card lies and what opens it; the ready log's tokens, its admin's key (Ed25519), and its nonce."""

    card_id: bytes
    card_key: bytes
    read: bytes
    write: bytes
    admin_private: bytes
    admin_public: bytes
    nonce: bytes


def from_seed(seed: bytes) -> SeedKeys:
    """Everything that a seed stands for."""
    if len(seed) != SEED:
        raise ValueError(f"a seed has {SEED} bytes")
    admin = prf(seed, "invite admin")
    return SeedKeys(
        card_id=prf(seed, "invite card id"),
        card_key=prf(seed, "invite card key"),
        read=prf(seed, "invite read"),
        write=prf(seed, "invite write"),
        admin_private=admin,
        admin_public=public_of(admin),
        nonce=prf(seed, "invite nonce"),
    )


def ready_log(seed: bytes) -> LogBody:
    """The body of the log that the inviter creates and the opener claims."""
    keys = from_seed(seed)
    return LogBody(
        kind=LogKind.CONVERSATION,
        read_hash=token_hash(keys.read),
        write_hash=token_hash(keys.write),
        admins=(keys.admin_public,),
        nonce=keys.nonce,
    )
