"""The key document: what a relay says of itself, signed, numbered, and known before anything is sealed to it.

`[[identity, number, from, until, kem, public key, features, limits, successor or null] (its bytes), signature]`, signed
by the identity, purpose "key document". The newest number wins; the times only prompt to ask for a new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey

from .cbor import decode as decode_cbor
from .cbor import encode
from .errors import BadSignature, Malformed
from .fields import array, at_most, exactly, number
from .purpose import SIGNATURE, public_of, sign, verify

KEM = 0x647A
"""MLKEM768-X25519 ("X-Wing"), its number in the registry of HPKE (draft-ietf-hpke-pq)."""
KEM_PUBLIC = 1216
"""Bytes of a public key: ML-KEM-768 (1184), then X25519 (32)."""
KEM_PRIVATE = 32
"""Bytes of a private key: the seed of X-Wing."""
DOCUMENT_MAX = 2048

_PURPOSE = "key document"
_MLKEM_PUBLIC = 1184


class Feature(IntEnum):
    """What a relay can do beyond the first version, each with the value 1. Unknown even ones are refused, odd ones
    ignored."""

    PARTS = 1
    """It takes and gives parts of chunks."""
    PIECES = 3
    """It takes letters in pieces, and gives their answers so."""


class Limit(IntEnum):
    """Keys of the map of limits; what is not in the map has the usual value."""

    ENTRY_DAYS = 0
    ADVANCE_DAYS = 2
    ID_DAYS = 4
    BLOB_BYTES = 6
    SET_DAYS = 8


USUAL_LIMITS: Mapping[Limit, int] = {
    Limit.ENTRY_DAYS: 30,
    Limit.ADVANCE_DAYS: 400,
    Limit.ID_DAYS: 60,
    Limit.BLOB_BYTES: 2_250_000_000,
    Limit.SET_DAYS: 7,
}
"""Lifetimes of entries, of `advance` entries, of ids; the largest blob (sealed); lifetime of a watch set's handle."""


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """A document whose signature was found good. `start`, `until`: Unix seconds; `public`: as `KEM_PUBLIC` says;
    `encoded`: its bytes with the signature."""

    identity: bytes
    number: int
    start: int
    until: int
    kem: int
    public: bytes
    features: Mapping[int, int]
    limits: Mapping[int, int]
    successor: bytes | None
    encoded: bytes = field(repr=False)

    def can(self, what: Feature) -> bool:
        """Whether the relay has this feature."""
        return bool(self.features.get(what))

    def limit(self, which: Limit) -> int:
        """The relay's limit of this kind, or the usual one."""
        return self.limits.get(which, USUAL_LIMITS[which])


def make(
    identity_private: bytes,
    number: int,
    start: int,
    until: int,
    public: bytes,
    features: Mapping[int, int] | None = None,
    limits: Mapping[int, int] | None = None,
    successor: bytes | None = None,
) -> KeyDocument:
    """By the relay. `public` from `public_kem_key`. Numbers grow: the last + 1, or more."""
    identity = public_of(identity_private)
    some_features = {int(key): value for key, value in (features or {}).items()}
    some_limits = {int(key): value for key, value in (limits or {}).items()}
    body = encode((identity, number, start, until, KEM, public, some_features, some_limits, successor))
    return decode(encode((body, sign(identity_private, _PURPOSE, body))), identity)


def decode(data: bytes, identity: bytes) -> KeyDocument:
    """The document of the relay with this identity. Raises Malformed, TooLarge, or BadSignature when it is another
    relay's, or when the identity did not sign it."""
    signed, signature = array(decode_cbor(data, DOCUMENT_MAX), 2)
    body = at_most(signed, DOCUMENT_MAX)
    exactly(signature, SIGNATURE)
    claimed, count, start, until, kem, public, features, limits, successor = array(
        decode_cbor(body, DOCUMENT_MAX), 9
    )
    if exactly(claimed) != identity:
        raise BadSignature("the key document of another relay")
    if not verify(identity, _PURPOSE, body, signature):
        raise BadSignature("a key document that its relay did not sign")
    if number(kem) != KEM:
        raise Malformed(
            "a key document for a kind of key that this version does not know; update the program"
        )
    document = KeyDocument(
        identity=identity,
        number=number(count),
        start=number(start),
        until=number(until),
        kem=KEM,
        public=exactly(public, KEM_PUBLIC),
        features=_settings(features, frozenset(map(int, Feature))),
        limits=_settings(limits, frozenset(map(int, Limit))),
        successor=None if successor is None else exactly(successor),
        encoded=data,
    )
    public_kem(document.public)
    return document


def _settings(value: Any, known: frozenset[int]) -> dict[int, int]:
    if type(value) is not dict:
        raise Malformed("a map is missing")
    for key, setting in value.items():
        if key not in known and key % 2 == 0:
            raise Malformed("a relay that asks for more than this version can do; update the program")
        number(setting)
    return value


def public_kem_key(private: bytes) -> bytes:
    """The public key (1216 bytes) of a private one (32)."""
    mlkem, x25519 = _parts(private)
    return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def private_kem(private: bytes) -> MLKEM768X25519PrivateKey:
    """The private key as HPKE of `cryptography` takes it."""
    return MLKEM768X25519PrivateKey(*_parts(private))


def public_kem(public: bytes) -> MLKEM768X25519PublicKey:
    """The public key as HPKE of `cryptography` takes it. Raises Malformed for bytes that are no key."""
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC])
        x25519 = X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:])
    except ValueError:
        raise Malformed("not a public key") from None
    return MLKEM768X25519PublicKey(mlkem, x25519)


def _parts(private: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    # draft-connolly-cfrg-xwing-kem, expandDecapsulationKey: SHAKE-256 of the seed gives both seeds.
    expanded = hashlib.shake_256(private).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(
        expanded[64:]
    )
