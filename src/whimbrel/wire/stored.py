"""What is hashed or signed, and therefore kept byte for byte: log bodies, entries, pointers, admins' changes.

All are arrays of fixed length, so that there is nothing in them that one program knows and another overlooks. Inside
operations, records and one another they travel as byte strings.
"""

from __future__ import annotations

import hashlib
from typing import Any

from .cbor import decode, encode_ordered
from .errors import Malformed, TooLarge
from .fields import NUMBER_MAX, array, at_most, exactly, ids, listing, number, some
from .operations import (
    ENTRY_BODY_MIN,
    ENTRY_MAX,
    ID,
    Change,
    Entry,
    Grant,
    LogBody,
    LogKind,
    Pointer,
    SignedChange,
)
from .purpose import SIGNATURE

ADMINS_MAX = 256
"""Admins' keys of one log: every device of every admin has one."""
GRANTS_MAX = 1024
"""Tokens that one change grants, and that one change revokes."""
LOG_BODY_MAX = 16 * 1024
SIGNED_CHANGE_MAX = 112 * 1024
OWN_TAG = 16
"""Bytes of an entry's own tag."""
KIND_MAX = 23
"""The largest kind of an entry: what CBOR writes in one byte."""
LOG_VERSION = 1


def encode_log_body(body: LogBody) -> bytes:
    """`[version, kind, H(read), H(write), [admin keys], nonce]`"""
    return encode_ordered(
        (body.version, int(body.kind), body.read_hash, body.write_hash, body.admins, body.nonce)
    )


def decode_log_body(data: bytes) -> LogBody:
    """Raises Malformed, also for a kind or a version that this program does not know."""
    version, kind, read_hash, write_hash, admins, nonce = array(decode(data, LOG_BODY_MAX), 6)
    if version != LOG_VERSION or type(version) is not int:
        raise Malformed("a log of another version")
    return LogBody(
        kind=LogKind(number(kind, max(LogKind))),
        read_hash=exactly(read_hash),
        write_hash=exactly(write_hash),
        admins=ids(admins, ADMINS_MAX, 0),
        nonce=exactly(nonce),
    )


def log_id(body: bytes) -> bytes:
    """The id of the log that these bytes describe: their SHA-256."""
    return hashlib.sha256(body).digest()


def encode_entry(entry: Entry) -> bytes:
    """`[kind, own tag, body]`"""
    return encode_ordered((int(entry.kind), entry.own_tag, entry.body))


def decode_entry(data: bytes) -> Entry:
    """Raises TooLarge above ENTRY_MAX, Malformed otherwise; kinds that are not known yet are let through."""
    check_entry(data)
    kind, own_tag, body = decode(data, ENTRY_MAX)
    return Entry(kind, own_tag, body)


def check_entry(data: Any) -> None:
    """Whether these are the bytes of an entry, told from its first 24 without parsing: a relay does it for every one.

    `83` kind `50` own tag (16 bytes), then the head of a byte string that ends where the entry ends. Raises TooLarge
    or Malformed.
    """
    if type(data) is not bytes:
        raise Malformed("an entry is missing")
    size = len(data)
    if size > ENTRY_MAX:
        raise TooLarge(f"an entry of {size} bytes; {ENTRY_MAX} are allowed")
    if size < 21 or data[0] != 0x83 or data[1] > KIND_MAX or data[2] != 0x50:
        raise Malformed("not an entry")
    head = data[19]
    if head == 0x58:
        length, start, least = data[20], 21, 24
    elif head == 0x59:
        length, start, least = int.from_bytes(data[20:22], "big"), 22, 256
    else:
        raise Malformed("not an entry")
    if length + start != size or length < least:
        raise Malformed("not an entry")
    if length < ENTRY_BODY_MIN:
        raise Malformed("an entry that is too short")


def entry_id(data: bytes) -> bytes:
    """The id of an entry: SHA-256 of its bytes."""
    return hashlib.sha256(data).digest()


def encode_pointer(pointer: Pointer) -> bytes:
    """`[blob, size, hash]`"""
    return encode_ordered((pointer.blob, pointer.size, pointer.hash))


def decode_pointer(data: bytes) -> Pointer:
    """Raises Malformed."""
    blob, size, content_hash = array(decode(data, 128), 3)
    return Pointer(exactly(blob), some(size), exactly(content_hash))


def encode_change(change: Change) -> bytes:
    """`[n, H(read) or null, H(write) or null, [admin keys] or null, [[token hash, entries, size]…], [token hash…]]`"""
    return encode_ordered(
        (
            change.n,
            change.read_hash,
            change.write_hash,
            change.admins,
            [(grant.token_hash, grant.entries, grant.size) for grant in change.grants],
            change.revokes,
        )
    )


def decode_change(data: bytes) -> Change:
    """Raises Malformed or TooLarge. A change may change nothing; it uses up its number."""
    n, read_hash, write_hash, admins, grants, revokes = array(decode(data, SIGNED_CHANGE_MAX), 6)
    granted = []
    for grant in listing(grants, GRANTS_MAX):
        token_hash, entries, size = array(grant, 3)
        granted.append(Grant(exactly(token_hash), number(entries), number(size)))
    if len({grant.token_hash for grant in granted}) != len(granted):
        raise Malformed("the same token granted twice")
    return Change(
        n=some(n, NUMBER_MAX),
        read_hash=None if read_hash is None else exactly(read_hash),
        write_hash=None if write_hash is None else exactly(write_hash),
        admins=None if admins is None else ids(admins, ADMINS_MAX, 0),
        grants=tuple(granted),
        revokes=ids(revokes, GRANTS_MAX, 0),
    )


def encode_signed_change(signed: SignedChange) -> bytes:
    """`[change (its bytes), key, signature]`"""
    return encode_ordered((encode_change(signed.change), signed.key, signed.signature))


def decode_signed_change(data: bytes) -> SignedChange:
    """Raises Malformed or TooLarge; says nothing about the signature (`proofs.verify_change`)."""
    change, key, signature = array(decode(data, SIGNED_CHANGE_MAX), 3)
    return SignedChange(
        decode_change(at_most(change, SIGNED_CHANGE_MAX)), exactly(key, ID), exactly(signature, SIGNATURE)
    )
