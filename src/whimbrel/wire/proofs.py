"""Signatures of a log's admins, and of the relay over its ways. Each covers the relay's identity and the log.

What is signed is the deterministic CBOR array beside each purpose; see docs/protocol/operations.md.
"""

from __future__ import annotations

from .answers import RouteList
from .cbor import encode_ordered
from .operations import Append, Change, Proof, SignedChange
from .purpose import public_of, sign, verify
from .stored import encode_change, encode_signed_change, entry_id

_CHANGE, _APPEND, _DROP, _ASK_ROUTES, _ROUTES = "change", "append", "drop", "ask routes", "routes"


def sign_change(change: Change, private: bytes, relay: bytes, log: bytes) -> SignedChange:
    """`[relay, log, change (its bytes)]`, purpose "change"."""
    covered = encode_ordered((relay, log, encode_change(change)))
    return SignedChange(change, public_of(private), sign(private, _CHANGE, covered))


def verify_change(signed: SignedChange, relay: bytes, log: bytes) -> bool:
    """Whether the key in it signed it for this log. Whether that key is an admin's, the caller knows."""
    covered = encode_ordered((relay, log, encode_change(signed.change)))
    return verify(signed.key, _CHANGE, covered, signed.signature)


def append_proof(private: bytes, relay: bytes, append: Append) -> Proof:
    """`[relay, log, turn, advance, [entry ids], signed change (its bytes) or null, [needs]]`, purpose "append"."""
    return Proof(public_of(private), sign(private, _APPEND, _append_covered(relay, append)))


def verify_append(proof: Proof, relay: bytes, append: Append) -> bool:
    """Whether the proof is over this append (whatever stands in its own field `admin`)."""
    return verify(proof.key, _APPEND, _append_covered(relay, append), proof.signature)


def drop_proof(private: bytes, relay: bytes, log: bytes, blob: bytes | None) -> Proof:
    """`[relay, log, blob or null]`, purpose "drop"."""
    return Proof(public_of(private), sign(private, _DROP, encode_ordered((relay, log, blob))))


def verify_drop(proof: Proof, relay: bytes, log: bytes, blob: bytes | None) -> bool:
    """Whether the proof is over dropping this log or blob."""
    return verify(proof.key, _DROP, encode_ordered((relay, log, blob)), proof.signature)


def routes_proof(private: bytes, relay: bytes, inbox: bytes) -> Proof:
    """`[relay, inbox]`, purpose "ask routes"."""
    return Proof(public_of(private), sign(private, _ASK_ROUTES, encode_ordered((relay, inbox))))


def verify_routes(proof: Proof, relay: bytes, inbox: bytes) -> bool:
    """Whether the proof is over asking for the ways of this inbox."""
    return verify(proof.key, _ASK_ROUTES, encode_ordered((relay, inbox)), proof.signature)


def sign_route_list(
    identity_private: bytes, inbox: bytes, routes: tuple[str, ...], made_at: int
) -> RouteList:
    """By the relay: `[inbox, made at, [texts]]`, purpose "routes"."""
    covered = encode_ordered((inbox, made_at, routes))
    return RouteList(routes, made_at, sign(identity_private, _ROUTES, covered))


def verify_route_list(identity: bytes, inbox: bytes, routes: RouteList) -> bool:
    """Whether the relay of this identity made this list for this inbox."""
    covered = encode_ordered((inbox, routes.made_at, routes.routes))
    return verify(identity, _ROUTES, covered, routes.signature)


def _append_covered(relay: bytes, append: Append) -> bytes:
    return encode_ordered(
        (
            relay,
            append.log,
            append.turn,
            append.advance,
            [entry_id(entry) for entry in append.entries],
            None if append.change is None else encode_signed_change(append.change),
            append.needs,
        )
    )
