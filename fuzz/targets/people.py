"""What belongs to people: device lists, credentials, cards, letters to inboxes, what stands in leaves and messages, files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from fuzz.target import Shape, target
from fuzz.targets._seeds import vectors
from support.people import ADA, BO, DAY, MALLORY, secret
from support.vectors_people import LEAF, LETTERS, PAYLOADS, ROLES, WELCOME
from whimbrel.crypto import accounts, cards, envelopes, files, leaf, padding, payload, sealing
from whimbrel.crypto.envelopes import ContactRequest, Move, ReAdd, WelcomeEnvelope
from whimbrel.crypto.errors import CryptoError, Malformed, Newer, NotOpened, NotSigned
from whimbrel.wire import cbor
from whimbrel.wire.errors import WireError
from whimbrel.wire.keydoc import public_kem
from whimbrel.wire.operations import CHUNK
from whimbrel.wire.purpose import SIGNATURE, digest, sign

RAW = b"\x00"
"""The first byte of inputs for what is signed or sealed: this one takes the rest as it is; any other signs or seals it."""


def _signed(data: bytes, purpose: str) -> bytes:
    """The input as it is, or as Ada signs it."""
    if data[:1] == RAW:
        return data[1:]
    return data[1:] + sign(ADA.account.private, purpose, data[1:])


def _both(signed: bytes) -> Iterator[bytes]:
    yield RAW + signed
    yield b"\x01" + signed[:-SIGNATURE]


# ---------------------------------------------------------------------------------- device lists, credentials


def _device_lists() -> Iterator[bytes]:
    yield from _both(accounts.sign_device_list(ADA.account.private, ADA.devices))
    many = accounts.DeviceList(ADA.account.public, DAY, tuple((secret(str(n)), DAY + n) for n in range(5)))
    yield from _both(accounts.sign_device_list(ADA.account.private, many))


@target("people-device-list", "crypto.accounts.open_device_list", "crypto.accounts.split_signed", seeds=_device_lists, shape=Shape.CBOR, skip=1, longest=9000)  # fmt: skip
def device_list(data: bytes) -> bool:
    """Device lists, signed by their account or by nobody."""
    signed = _signed(data, "device list")
    try:
        found = accounts.open_device_list(signed)
    except (Malformed, NotSigned):
        return False
    assert found.account == ADA.account.public
    assert len(found.devices) <= accounts.DEVICES_MAX
    assert (
        cbor.encode([found.account, found.number, [list(device) for device in found.devices]])
        == signed[:-SIGNATURE]
    )
    return True


def _credentials() -> Iterator[bytes]:
    yield RAW + ADA.credential
    yield b"\x01" + cbor.encode([ADA.account.public, DAY])


@target(
    "people-credential",
    "crypto.accounts.open_credential",
    seeds=_credentials,
    shape=Shape.CBOR,
    skip=1,
    longest=400,
)
def credential(data: bytes) -> bool:
    """Credentials in leaves: raw, or two fields with the signature that they need."""
    encoded = data[1:]
    if data[:1] != RAW:
        try:
            account, number = cbor.decode(encoded)
            signature = sign(ADA.account.private, "credential", cbor.encode([ADA.device.public, number]))
            encoded = cbor.encode([account, number, signature])
        except (WireError, TypeError, ValueError):
            pass
    try:
        found = accounts.open_credential(encoded, ADA.device.public)
    except (Malformed, NotSigned):
        return False
    assert found.account == ADA.account.public
    assert cbor.encode([found.account, found.number, found.signature]) == encoded
    return True


# ------------------------------------------------------------------------------------------------------ cards


@target(
    "people-card",
    "crypto.cards.decode_card",
    seeds=lambda: [*_both(ADA.signed_card)],
    shape=Shape.CBOR,
    skip=1,
    longest=70_000,
)
def card(data: bytes) -> bool:
    """Cards, signed by their account or by nobody."""
    signed = _signed(data, "card")
    try:
        found = cards.decode_card(signed)
    except (Malformed, NotSigned):
        return False
    assert found.account == ADA.account.public
    assert found.devices().account == found.account
    again = cards.encode_card(found, ADA.account.private)
    assert again[:-SIGNATURE] == signed[:-SIGNATURE] or len(cbor.decode(signed[:-SIGNATURE])) > 7  # odd keys
    return True


def _blobs() -> Iterator[bytes]:
    for chunk in cards.seal_card(secret("card key"), ADA.signed_card):
        yield RAW + chunk
    yield b"\x01" + padding.pad_to(ADA.signed_card, 8192)


@target(
    "people-sealed-card",
    "crypto.cards.open_card",
    "crypto.files.open_unsized",
    seeds=_blobs,
    starts=[b"\x01some words\x80\x00", RAW + bytes(17)],
    skip=1,
    longest=140_000,
)
def sealed_card(data: bytes) -> bool:
    """Blobs with a card: chunks as they come, or any plaintext sealed in chunks."""
    mode, rest = data[:1], data[1:]
    size = CHUNK + (files.TAG if mode == RAW else 0)
    chunks = [rest[at : at + size] for at in range(0, len(rest), size)]
    if mode != RAW:
        last = len(chunks) - 1
        chunks = [files.seal_chunk(secret("card key"), n, n == last, chunk) for n, chunk in enumerate(chunks)]
    try:
        found = cards.open_card(secret("card key"), chunks)
    except (Malformed, NotOpened):
        return False
    assert len(found) <= 2 * cards.CARD_MAX
    assert rest.rstrip(b"\x00") == found + b"\x80" or mode == RAW
    try:
        cards.decode_card(found)
    except (Malformed, NotSigned):
        return False
    return True


# ------------------------------------------------------------------------------------------- letters to people


def _resigned(encoded: bytes) -> bytes:
    """A letter whose last field becomes the signature that belongs there, by Ada's account or by her device."""
    try:
        value = cbor.decode(encoded, envelopes.LETTER_MAX)
        tag, *body = value
        purpose = {2: "request", 3: "re-add", 4: "move"}[tag]
        body = body[:-1]
        keys = {person.public: person.private for person in (ADA.account, ADA.device)}
        signer = next(part for part in body if type(part) is bytes and part in keys)
        return cbor.encode([tag, *body, sign(keys[signer], purpose, cbor.encode(body))])
    except (WireError, ValueError, TypeError, KeyError, StopIteration):
        return encoded


def _letters() -> Iterator[bytes]:
    for letter in LETTERS:
        encoded = envelopes.encode_letter(letter)
        yield RAW + encoded
        yield b"\x01" + encoded


@target(
    "people-letter",
    "crypto.envelopes.decode_letter",
    seeds=_letters,
    shape=Shape.CBOR,
    skip=1,
    longest=40_000,
)
def letter(data: bytes) -> bool:
    """Letters to people (Welcome, request, re-add, move): raw, or signed as they should be."""
    encoded = data[1:] if data[:1] == RAW else _resigned(data[1:])
    try:
        found = envelopes.decode_letter(encoded)
    except (Malformed, NotSigned, Newer):
        return False
    assert envelopes.encode_letter(found) == encoded
    match found:
        case WelcomeEnvelope() | ContactRequest():
            envelopes.card_of(found)
        case ReAdd():
            assert envelopes.credential_of(found).account == ADA.account.public
        case Move():
            assert found.signer in (ADA.account.public, ADA.device.public)
    return True


def _to_inbox() -> Iterator[bytes]:
    yield b"\x01" + padding.pad_to(envelopes.encode_letter(WELCOME), 8192)
    yield b"\x01" + padding.pad_to(b"short", 1024)
    yield RAW + bytes.fromhex(vectors("people")["sealed"]["sealed"])


@target(
    "people-sealed",
    "crypto.sealing.open_sealed",
    "crypto.padding.unpad",
    seeds=_to_inbox,
    skip=1,
    longest=10_000,
)
def sealed(data: bytes) -> bool:
    """What is sealed to an inbox: raw, or any padded plaintext sealed to Bo's key."""
    place, rest = BO.reach.inbox, data[1:]
    if data[:1] != RAW:
        rest = sealing._SUITE.encrypt(rest, _inbox_key(), sealing._info("letter", place))
    try:
        opened = sealing.open_sealed(BO.inbox_private, "letter", rest, place)
    except NotOpened:
        assert data[:1] == RAW
        return False
    except Malformed:
        return False
    assert data[:1] == RAW or data[1:].rstrip(b"\x00") == opened + b"\x80"
    try:
        sealing.open_sealed(MALLORY.inbox_private, "letter", rest, place)
    except NotOpened:
        return True
    raise AssertionError("a letter that opens with another's key")


@cache
def _inbox_key() -> MLKEM768X25519PublicKey:
    return public_kem(BO.inbox_public)


@target(
    "people-inbox-key",
    "crypto.sealing.seal",
    "wire.keydoc.public_kem",
    seeds=lambda: [BO.inbox_public],
    longest=1216,
)
def inbox_key(data: bytes) -> bool:
    """Somebody's inbox key, as their card has it: something can be sealed to it, or it is said that nothing can."""
    try:
        sealing.seal(data, "letter", b"words")
    except Malformed:
        return False
    return True


# ------------------------------------------------------------------------------------- in leaves and messages


def _comes_back(
    decode: Callable[[bytes], object], encode: Callable[..., bytes], data: bytes, *refused: type[CryptoError]
) -> bool:
    try:
        found = decode(data)
    except (Malformed, *refused):  # type: ignore[misc]
        return False
    assert encode(found) == data
    return True


@target(
    "people-leaf",
    "crypto.leaf.decode_leaf",
    seeds=lambda: [leaf.encode_leaf(LEAF)],
    shape=Shape.CBOR,
    longest=26_000,
)
def leaf_extension(data: bytes) -> bool:
    """The extension of a leaf."""
    return _comes_back(leaf.decode_leaf, leaf.encode_leaf, data)


@target(
    "people-roles",
    "crypto.leaf.decode_roles",
    seeds=lambda: [leaf.encode_roles(ROLES), leaf.encode_roles(leaf.Roles(ROLES.admins))],
    shape=Shape.CBOR,
    longest=42_000,
)
def roles(data: bytes) -> bool:
    """The roles of a group, its name, timer and picture."""
    return _comes_back(leaf.decode_roles, leaf.encode_roles, data, Newer)


@target("people-payload", "crypto.payload.decode_payload", seeds=lambda: [b"\x01" + padding.unpad(payload.encode_payload(one)) for one in PAYLOADS], shape=Shape.CBOR, skip=1, longest=20_000)  # fmt: skip
def message(data: bytes) -> bool:
    """What stands inside a message of MLS: raw, or any bytes with the padding that they need."""
    padded = data[1:] if data[:1] == RAW else padding.pad(data[1:])
    try:
        found = payload.decode_payload(padded)
    except Malformed:
        return False
    assert len(found.body) <= payload.BODY_MAX
    assert padding.unpad(payload.encode_payload(found)) == padding.unpad(padded)
    return True


def _stock() -> Iterator[bytes]:
    yield payload.encode_key_packages([b"one", b"two"])
    yield payload.encode_key_packages([b"k" * 2700] * 3)


@target(
    "people-key-packages",
    "crypto.payload.decode_key_packages",
    seeds=_stock,
    shape=Shape.CBOR,
    longest=40_000,
)
def key_packages(data: bytes) -> bool:
    """Key packages in stock."""
    return _comes_back(payload.decode_key_packages, payload.encode_key_packages, data)


@target(
    "people-reach",
    "crypto.payload.decode_reach",
    seeds=lambda: [payload.encode_reach([ADA.reach])],
    shape=Shape.CBOR,
    longest=20_000,
)
def reach(data: bytes) -> bool:
    """News of where somebody is reached."""
    return _comes_back(payload.decode_reach, payload.encode_reach, data)


def _told() -> Iterator[bytes]:
    yield payload.encode_ways({})
    yield payload.encode_ways(
        {bytes(32): ("wss://a.example/x",), b"r" * 32: ("wss://b.example/y", "https://[::1]/z")}
    )


@target("people-ways", "crypto.payload.decode_ways", seeds=_told, shape=Shape.CBOR, longest=20_000)
def ways(data: bytes) -> bool:
    """Bridges that are handed on."""
    return _comes_back(payload.decode_ways, payload.encode_ways, data)


# ------------------------------------------------------------------------------------------------------ files

_SIZES = (0, 1, 255, 256, 65_535, 65_536, 65_537)


def _parts() -> Iterator[bytes]:
    for which, size in enumerate(_SIZES):
        n = files.chunk_count(size) - 1
        start, stop = files.chunk_range(size, n)
        content = b"x" * (stop - start)
        sealed = files.seal_part(secret("file key"), size, n, content)
        plain = files.open_chunk(secret("file key"), n, True, sealed)
        yield bytes((1, which)) + plain
        if size < 256:
            yield bytes((0, which)) + sealed


@target(
    "people-file-part",
    "crypto.files.open_part",
    "crypto.files.open_chunk",
    "crypto.files.open_whole",
    seeds=_parts,
    skip=2,
    longest=66_000,
)
def file_part(data: bytes) -> bool:
    """The last chunk of a file of one of a few sizes: raw, or any plaintext sealed with the file's key."""
    mode, which, rest = data[:1], data[1:2], data[2:]
    size = _SIZES[(which or b"\x00")[0] % len(_SIZES)]
    key, n = secret("file key"), files.chunk_count(size) - 1
    if mode != RAW and rest:
        rest = files.seal_chunk(key, n, True, rest[:CHUNK])
    try:
        part = files.open_part(key, size, n, rest)
    except (NotOpened, Malformed):
        return False
    start, stop = files.chunk_range(size, n)
    assert len(part) == stop - start
    assert files.seal_part(key, size, n, part) == rest
    if n == 0:
        assert files.open_whole(key, size, digest(part), [rest]) == part
    return True
