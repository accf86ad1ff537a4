"""Letters to people: what is sealed to an inbox, or passed on inside a group.

A Welcome with all that a joiner cannot derive, a request from somebody who opened a public invite, a request to be let
in again, the news that a conversation moved. Each is tagged, so that who opens one gets the right type, and those that
can be made by people outside the group are signed. Bytes: docs/protocol/people.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from whimbrel.crypto.accounts import CREDENTIAL_MAX, Credential, open_credential
from whimbrel.crypto.cards import CARD_MAX, Card, decode_card
from whimbrel.crypto.errors import Malformed, Newer, NotSigned, reading
from whimbrel.crypto.leaf import unpack_routes
from whimbrel.crypto.payload import KEY_PACKAGE_MAX
from whimbrel.crypto.sealing import PUBLIC
from whimbrel.wire.cbor import decode, encode
from whimbrel.wire.fields import array, at_most, exactly, listing, number, some
from whimbrel.wire.purpose import SIGNATURE, digest, labelled, public_of, sign, verify

LETTER_MAX = 512 * 1024
"""Bytes of an encoded letter at most. What is sealed to an inbox has its own, lower limit (`sealing.SEAL_MAX`)."""
INLINE_MAX = LETTER_MAX
"""Bytes of a Welcome or a tree that stands in the envelope itself."""
REQUEST_TEXT_MAX = 1000
"""Characters in the text of a request."""
SUITE_MAX = 0xFFFF

_WELCOME, _REQUEST, _RE_ADD, _MOVE = 1, 2, 3, 4
_KINDS: dict[int, Literal["pair", "group"]] = {0: "pair", 1: "group"}


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log was when something was said: last seq, turn, chain value."""

    seq: int
    turn: int
    h: bytes


@dataclass(frozen=True, slots=True)
class Parent:
    """Where the conversation was before: the old log, and how far it was read there."""

    log: bytes
    seq: int
    h: bytes


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A content that lies sealed in a blob: the blob's id, the content's size and SHA-256, the key (`files`)."""

    id: bytes
    size: int
    hash: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class WelcomeEnvelope:
    """All that a joiner cannot derive. `move` is how the conversation came to this log, when it had another before;
    `position` is where the log stands after the commit that let the joiner in, `change_n` the number of the log's last
    change; `welcome` and `tree` are MLS's own bytes or say where they lie; `card` is the sender's, encoded."""

    conversation: bytes
    generation: int
    kind: Literal["pair", "group"]
    move: Move | None
    log: bytes
    relay: bytes
    routes: tuple[str, ...]
    read: bytes
    write: bytes
    position: Position
    change_n: int
    welcome: bytes | BlobRef
    tree: bytes | BlobRef
    card: bytes


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """Somebody who opened a public invite asks to be let in. `to` is the inbox it was written for: whoever reads it
    compares, so that nobody passes it on to others in the asker's name. Made by `sign_request`."""

    to: bytes
    card: bytes
    text: str
    made_at: int
    signer: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class ReAdd:
    """A device that is lost asks to be removed and added with this fresh key package; (seq, h) is the last it had read.
    `replaces` is the device whose leaf goes: its own, or that of which it takes the place. The Welcome is sealed to
    `inbox_key` and goes where the key package's leaf says. Made by `sign_re_add`."""

    conversation: bytes
    key_package: bytes
    seq: int
    h: bytes
    made_at: int
    replaces: bytes
    inbox_key: bytes
    device: bytes = b""
    credential: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Move:
    """A conversation goes on under a new group and log. `roster_hash` is over the accounts there (`roster_hash`), `signer` an
    admin's account or device: whether it is one is for the reader to check. Made by `sign_move`."""

    conversation: bytes
    generation: int
    parent: Parent
    log: bytes
    relay: bytes
    routes: tuple[str, ...]
    suite: int
    roster_hash: bytes
    signer: bytes = b""
    signature: bytes = b""


Letter = WelcomeEnvelope | ContactRequest | ReAdd | Move


# -------------------------------------------------------------------------------------------------- signing


def sign_request(private: bytes, request: ContactRequest) -> ContactRequest:
    """The request signed by the account or by a device in the card's device list."""
    signed = replace(request, signer=public_of(private))
    return replace(signed, signature=sign(private, "request", encode(_request_body(signed))))


def sign_re_add(device_private: bytes, credential: bytes, request: ReAdd) -> ReAdd:
    """The request signed by the device, with the credential of its leaf."""
    signed = replace(request, device=public_of(device_private), credential=credential)
    return replace(signed, signature=sign(device_private, "re-add", encode(_re_add_body(signed))))


def sign_move(private: bytes, move: Move) -> Move:
    """The move signed by an admin's account or device."""
    signed = replace(move, signer=public_of(private))
    return replace(signed, signature=sign(private, "move", encode(_move_body(signed))))


def roster_hash(accounts: Iterable[bytes]) -> bytes:
    """What a move says of who is in: H(label ‖ the accounts, ascending, each once)."""
    return digest(labelled("roster") + b"".join(sorted(set(accounts))))


def card_of(letter: WelcomeEnvelope | ContactRequest) -> Card:
    """The card in a letter. Raises CryptoError for one that was not decoded."""
    return decode_card(letter.card)


def credential_of(request: ReAdd) -> Credential:
    """Whose device asks. Raises CryptoError for a request that was not decoded."""
    return open_credential(request.credential, request.device)


# --------------------------------------------------------------------------------------------------- coding


def encode_letter(letter: Letter) -> bytes:
    """`[tag, …]`. Raises what `decode_letter` would raise for a letter that is not signed or not as it should be."""
    match letter:
        case WelcomeEnvelope():
            value = [_WELCOME, *_welcome_body(letter)]
        case ContactRequest():
            value = [_REQUEST, *_request_body(letter), letter.signature]
        case ReAdd():
            value = [_RE_ADD, *_re_add_body(letter), letter.signature]
        case Move():
            value = [_MOVE, *_move_body(letter), letter.signature]
    data = encode(value)
    if decode_letter(data) != letter:
        raise ValueError("a letter that would come back as another one")
    return data


def decode_letter(data: bytes) -> Letter:
    """The letter, its signatures and cards verified. Raises Malformed, NotSigned, or Newer for a tag of a later version."""
    with reading("a letter"):
        value = listing(decode(data, LETTER_MAX), 64, 1)
        tag, body = number(value[0]), value[1:]
        match tag:
            case 1:
                return _read_welcome(body)
            case 2:
                return _read_request(body)
            case 3:
                return _read_re_add(body)
            case 4:
                return _read_move(body)
    raise Newer("a letter of a kind that this version does not know")


def _welcome_body(letter: WelcomeEnvelope) -> list[Any]:
    kind = next(number for number, name in _KINDS.items() if name == letter.kind)
    at = letter.position
    return [
        letter.conversation,
        letter.generation,
        kind,
        None if letter.move is None else [*_move_body(letter.move), letter.move.signature],
        letter.log,
        letter.relay,
        list(letter.routes),
        letter.read,
        letter.write,
        [at.seq, at.turn, at.h],
        letter.change_n,
        _pack_content(letter.welcome),
        _pack_content(letter.tree),
        letter.card,
    ]


def _read_welcome(value: list[Any]) -> WelcomeEnvelope:
    (conversation, generation, kind, move, log, relay, routes, read, write) = array(value, 14)[:9]
    position, change_n, welcome, tree, card = value[9:]
    seq, turn, h = array(position, 3)
    letter = WelcomeEnvelope(
        conversation=exactly(conversation),
        generation=number(generation),
        kind=_KINDS[number(kind, max(_KINDS))],
        move=None if move is None else _read_move(move),
        log=exactly(log),
        relay=exactly(relay),
        routes=unpack_routes(routes),
        read=exactly(read),
        write=exactly(write),
        position=Position(number(seq), number(turn), exactly(h)),
        change_n=number(change_n),
        welcome=_unpack_content(welcome),
        tree=_unpack_content(tree),
        card=at_most(card, CARD_MAX + SIGNATURE),
    )
    card_of(letter)
    if letter.move is not None and _place_of(letter.move) != _place_of(letter):
        raise Malformed("a Welcome beside the move of something else")
    return letter


def _place_of(letter: WelcomeEnvelope | Move) -> tuple[bytes, int, bytes, bytes]:
    return letter.conversation, letter.generation, letter.log, letter.relay


def _request_body(letter: ContactRequest) -> list[Any]:
    return [letter.to, letter.card, letter.text, letter.made_at, letter.signer]


def _read_request(value: list[Any]) -> ContactRequest:
    to, card, text, made_at, signer, signature = array(value, 6)
    if type(text) is not str or len(text) > REQUEST_TEXT_MAX:
        raise Malformed("a request whose text is missing or too long")
    letter = ContactRequest(
        exactly(to),
        at_most(card, CARD_MAX + SIGNATURE),
        text,
        number(made_at),
        exactly(signer),
        exactly(signature, SIGNATURE),
    )
    asker = card_of(letter)
    if letter.signer != asker.account and not asker.devices().has(letter.signer):
        raise NotSigned("a request that is signed by somebody else than its card's owner")
    _check_signature(letter.signer, "request", _request_body(letter), letter.signature)
    return letter


def _re_add_body(letter: ReAdd) -> list[Any]:
    return [
        letter.conversation,
        letter.key_package,
        letter.seq,
        letter.h,
        letter.made_at,
        letter.replaces,
        letter.inbox_key,
        letter.device,
        letter.credential,
    ]


def _read_re_add(value: list[Any]) -> ReAdd:
    conversation, key_package, seq, h, made_at, replaces, inbox_key, device, credential, signature = array(
        value, 10
    )
    letter = ReAdd(
        exactly(conversation),
        at_most(key_package, KEY_PACKAGE_MAX),
        number(seq),
        exactly(h),
        number(made_at),
        exactly(replaces),
        exactly(inbox_key, PUBLIC),
        exactly(device),
        at_most(credential, CREDENTIAL_MAX),
        exactly(signature, SIGNATURE),
    )
    credential_of(letter)
    _check_signature(letter.device, "re-add", _re_add_body(letter), letter.signature)
    return letter


def _move_body(letter: Move) -> list[Any]:
    return [
        letter.conversation,
        letter.generation,
        _pack_parent(letter.parent),
        letter.log,
        letter.relay,
        list(letter.routes),
        letter.suite,
        letter.roster_hash,
        letter.signer,
    ]


def _read_move(value: list[Any]) -> Move:
    conversation, generation, parent, log, relay, routes, suite, roster, signer, signature = array(value, 10)
    letter = Move(
        exactly(conversation),
        number(generation),
        _unpack_parent(parent),
        exactly(log),
        exactly(relay),
        unpack_routes(routes),
        some(suite, SUITE_MAX),
        exactly(roster),
        exactly(signer),
        exactly(signature, SIGNATURE),
    )
    _check_signature(letter.signer, "move", _move_body(letter), letter.signature)
    return letter


def _check_signature(signer: bytes, purpose: str, body: list[Any], signature: bytes) -> None:
    if not verify(signer, purpose, encode(body), signature):
        raise NotSigned(f"a {purpose} letter whose signature does not fit")


def _pack_parent(parent: Parent) -> list[Any]:
    return [parent.log, parent.seq, parent.h]


def _unpack_parent(value: Any) -> Parent:
    log, seq, h = array(value, 3)
    return Parent(exactly(log), number(seq), exactly(h))


def _pack_content(content: bytes | BlobRef) -> bytes | list[Any]:
    if isinstance(content, BlobRef):
        return [content.id, content.size, content.hash, content.key]
    return content


def _unpack_content(value: Any) -> bytes | BlobRef:
    if type(value) is bytes:
        return at_most(value, INLINE_MAX)
    blob, size, content_hash, key = array(value, 4)
    return BlobRef(exactly(blob), number(size), exactly(content_hash), exactly(key))
