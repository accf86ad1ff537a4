"""Makes docs/protocol/vectors/people.json, content.json and files.json: run this file after a change of the formats.

    PYTHONPATH=src:tests .venv/bin/python tests/support/vectors_people.py

Everything in them follows from the words in `people`, but for what is sealed by HPKE, which is never the same twice:
that is recorded once, with the private key, and kept as long as it opens.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from support.people import ADA, BO, DAY, MALLORY, secret, stuff
from whimbrel.chat.composing import Attachment, dated, delete, edit, id_of, react, say
from whimbrel.chat.content import Disposition, Expiration, MimiContent, encode
from whimbrel.chat.extensions import Media, Mention
from whimbrel.chat.receipts_report import MessageStatus, encode_report
from whimbrel.crypto.accounts import make_credential, pair_id, safety_number, sign_device_list
from whimbrel.crypto.cards import seal_card
from whimbrel.crypto.envelopes import (
    BlobRef,
    ContactRequest,
    Move,
    Parent,
    Position,
    ReAdd,
    WelcomeEnvelope,
    encode_letter,
    roster_hash,
    sign_move,
    sign_re_add,
    sign_request,
)
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.files import chunk_count, padded_size, seal_whole, sealed_size
from whimbrel.crypto.invites import from_seed, ready_log
from whimbrel.crypto.leaf import LeafExtension, Picture, Roles, encode_leaf, encode_roles
from whimbrel.crypto.padding import padded_length
from whimbrel.crypto.payload import Payload, PayloadKind, encode_key_packages, encode_payload, encode_reach
from whimbrel.crypto.sealing import open_sealed, seal
from whimbrel.wire.codec import encode_log_body, log_id
from whimbrel.wire.purpose import sign

FOLDER = Path(__file__).parents[2] / "docs" / "protocol" / "vectors"

PLACE = BO.reach.inbox
CONVERSATION = pair_id(ADA.account.public, BO.account.public)


def plain(value: Any) -> Any:
    """A value as JSON has it: bytes in hex, dataclasses as objects that name their type."""
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__} | {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


# --------------------------------------------------------------------------------------------------- people

LEAF = LeafExtension(secret("log key"), (ADA.reach,), DAY)
PICTURE = Picture(
    secret("relay"), secret("picture blob"), 20_000, secret("picture hash"), secret("picture key")
)
ROLES = Roles(
    (ADA.account.public, BO.account.public), may_add=1, name="Migration", timer=604_800, picture=PICTURE
)
WELCOME = WelcomeEnvelope(
    conversation=CONVERSATION,
    generation=DAY,
    kind="pair",
    move=None,
    log=secret("log"),
    relay=secret("relay"),
    routes=("wss://relay.example:443/way",),
    read=secret("read"),
    write=secret("write"),
    position=Position(1, 1, secret("h")),
    change_n=1,
    welcome=stuff("welcome", 40),
    tree=stuff("tree", 40),
    card=ADA.signed_card,
)
WELCOME_IN_BLOBS = replace(
    WELCOME,
    conversation=secret("group"),
    kind="group",
    welcome=BlobRef(secret("blob 1"), 300_000, secret("hash 1"), secret("key 1")),
    tree=BlobRef(secret("blob 2"), 2_600_000, secret("hash 2"), secret("key 2")),
)
REQUEST = sign_request(ADA.account.private, ContactRequest(PLACE, ADA.signed_card, "It is me, Ada.", DAY))
RE_ADD = sign_re_add(
    ADA.device.private,
    ADA.credential,
    ReAdd(
        CONVERSATION,
        stuff("key package", 40),
        41,
        secret("h"),
        DAY,
        ADA.device.public,
        stuff("inbox key", 1216),
    ),
)
MOVE = sign_move(
    ADA.account.private,
    Move(
        conversation=CONVERSATION,
        generation=DAY + 1,
        parent=Parent(secret("log"), 77, secret("old h")),
        log=secret("new log"),
        relay=secret("relay"),
        routes=(),
        suite=0x004E,
        roster_hash=roster_hash([ADA.account.public, BO.account.public]),
    ),
)
WELCOME_AFTER_MOVE = replace(WELCOME, generation=MOVE.generation, log=MOVE.log, move=MOVE)
LETTERS = (WELCOME, WELCOME_IN_BLOBS, WELCOME_AFTER_MOVE, REQUEST, RE_ADD, MOVE)
PAYLOADS = (
    Payload(PayloadKind.CONTENT, 3, secret("h"), b"content, see content.json"),
    Payload(
        PayloadKind.KEY_PACKAGES, 3, secret("h"), encode_key_packages([stuff("one", 40), stuff("two", 40)])
    ),
    Payload(PayloadKind.REACH, 3, secret("h"), encode_reach([ADA.reach])),
    Payload(PayloadKind.LEFT, 3, secret("h"), b""),
    Payload(PayloadKind.MOVE, 3, secret("h"), encode_letter(MOVE)),
    Payload(PayloadKind.RE_ADD, 3, secret("h"), encode_letter(RE_ADD)),
    Payload(PayloadKind.CARD, 3, secret("h"), ADA.signed_card),
    Payload(99, 3, secret("h"), b"of a later version"),
)
_LIST = sign_device_list(ADA.account.private, ADA.devices)
_CREDENTIAL_OF_MALLORY = make_credential(MALLORY.account.private, MALLORY.device.public, DAY)


def refused_of_people() -> list[tuple[str, str, bytes, bytes, str]]:
    """What must be refused: (why, kind, bytes, device key where one is needed, error)."""
    card, letter = ADA.signed_card, encode_letter(REQUEST)
    return [
        ("cut off", "device list", _LIST[:-1], b"", "CryptoError"),
        ("signed by another account", "device list", _forged(_LIST, "device list"), b"", "NotSigned"),
        ("signed for another purpose", "device list", _LIST[:-64] + sign(ADA.account.private, "card", _LIST[:-64]), b"", "NotSigned"),
        ("for another device", "credential", ADA.credential, MALLORY.device.public, "NotSigned"),
        ("by another account", "credential", _CREDENTIAL_OF_MALLORY, ADA.device.public, "NotSigned"),
        ("signed by another account", "card", _forged(card, "card"), b"", "NotSigned"),
        ("a byte behind the end", "leaf", encode_leaf(LEAF) + b"\x00", b"", "Malformed"),
        ("a number that is longer than it must be", "roles", b"\x88\x18\x01" + encode_roles(ROLES)[2:], b"", "Malformed"),
        ("rules of a later version", "roles", b"\x88\x02" + encode_roles(ROLES)[2:], b"", "Newer"),
        ("another text than the signed one", "letter", letter.replace(b"It is me", b"It is he"), b"", "NotSigned"),
        ("a tag of a later version", "letter", b"\x82\x18\x63\x00", b"", "Newer"),
        ("no mark before the padding", "payload", bytes(256), b"", "Malformed"),
    ]  # fmt: skip


def _forged(signed: bytes, purpose: str) -> bytes:
    return signed[:-64] + sign(MALLORY.account.private, purpose, signed[:-64])


def people(sealed: dict[str, str]) -> dict[str, Any]:
    """people.json. `sealed`: what was recorded before."""
    seed, card_key = secret("seed"), secret("card key")
    ready = encode_log_body(ready_log(seed))
    a, b, c = (person.account.public for person in (ADA, BO, MALLORY))
    return {
        "about": "Bytes are in hex, times in Unix seconds. docs/protocol/people.md says what they are.",
        "accounts": [_account(p) for p in (ADA, BO, MALLORY)],
        "device_list": {"account_private": ADA.account.private.hex(), "value": plain(ADA.devices), "signed": _LIST.hex()},
        "credential": {"account_private": ADA.account.private.hex(), "device": ADA.device.public.hex(), "number": DAY, "credential": ADA.credential.hex()},
        "pairs": [{"accounts": [x.hex(), y.hex()], "conversation": pair_id(x, y).hex()} for x, y in ((a, b), (b, a), (a, c))],
        "safety_numbers": [{"accounts": [x.hex(), y.hex()], "digits": safety_number(x, y)} for x, y in ((a, b), (b, a), (a, c))],
        "leaf": {"value": plain(LEAF), "encoded": encode_leaf(LEAF).hex()},
        "roles": {"value": plain(ROLES), "encoded": encode_roles(ROLES).hex()},
        "card": {"account_private": ADA.account.private.hex(), "value": plain(ADA.card), "signed": ADA.signed_card.hex(), "key": card_key.hex(), "chunks": plain(seal_card(card_key, ADA.signed_card))},
        "letters": [{"value": plain(letter), "encoded": encode_letter(letter).hex()} for letter in LETTERS],
        "sealed": sealed,
        "invite": {"seed": seed.hex(), "value": plain(from_seed(seed)), "log_body": ready.hex(), "log": log_id(ready).hex()},
        "payloads": [{"value": plain(payload), "padded": encode_payload(payload).hex()} for payload in PAYLOADS],
        "padded_lengths": [[n, padded_length(n)] for n in (0, 1, 254, 255, 256, 271, 272, 1000, 4096, 65_536, 1_000_000)],
        "refused": [{"why": why, "kind": kind, "bytes": data.hex(), "device": device.hex(), "error": error} for why, kind, data, device, error in refused_of_people()],
    }  # fmt: skip


def _account(person: Any) -> dict[str, str]:
    return {
        "name": person.name,
        "private": person.account.private.hex(),
        "public": person.account.public.hex(),
    }


def recorded_or_new() -> dict[str, str]:
    """A sealed letter: the one in the file while it opens, else a new one."""
    sealed = {"private": BO.inbox_private.hex(), "public": BO.inbox_public.hex(), "purpose": "letter", "context": PLACE.hex(), "opened": encode_letter(REQUEST).hex()}  # fmt: skip
    path = FOLDER / "people.json"
    before = json.loads(path.read_text("utf-8")).get("sealed", {}) if path.exists() else {}
    try:
        bytes_ = bytes.fromhex(before["sealed"])
        if open_sealed(BO.inbox_private, "letter", bytes_, PLACE).hex() == sealed["opened"]:
            return sealed | {"sealed": before["sealed"]}
    except (KeyError, CryptoError):
        pass
    return sealed | {"sealed": seal(BO.inbox_public, "letter", encode_letter(REQUEST), PLACE).hex()}


# -------------------------------------------------------------------------------------------------- content


def messages() -> list[tuple[str, MimiContent]]:
    """One message of each sort that Whimbrel writes."""
    salt, first, second = secret("salt")[:16], secret("first message"), secret("reaction")
    picture = Media(width=1280, height=960, thumbhash=secret("thumbhash")[:25])
    voice = Media(duration=4_200, waveform=secret("waveform"), voice=True)
    photo = Attachment(secret("relay"), secret("blob"), secret("file key"), 123_456, secret("file hash"), "photo.jpg", "image/jpeg", "On the roof")  # fmt: skip
    return [
        ("a text", say(salt, "Are you there?")),
        ("a text with the sender's time", dated(say(salt, "Are you there?"), DAY * 1000 + 123)),
        ("a reply", say(salt, "Yes.", in_reply_to=first)),
        (
            "a text that is gone an hour after it was read",
            say(salt, "Gone soon", expires=Expiration(True, 3600)),
        ),
        ("a file", say(salt, "", [photo])),
        (
            "a text and two files",
            say(salt, "Look!", [photo, replace(photo, name="second.jpg", description="")]),
        ),
        ("an edit", edit(salt, first, "Are you here?")),
        ("a delete", delete(salt, first)),
        ("a reaction", react(salt, first, "❤️")),
        ("a reaction taken back", delete(salt, second, Disposition.REACTION, in_reply_to=first)),
        ("a text that names somebody", say(salt, "Hello @Bo", mentions=[Mention(6, 3, BO.account.public)])),
        ("a picture of which something is known", say(salt, "Look!", [replace(photo, media=picture)])),
        ("a voice note, forwarded", say(salt, "", [replace(photo, media=voice)], forwarded=True)),
        (
            "an edit of a message with a file",
            edit(salt, first, "Look here!", attachments=[replace(photo, media=picture)]),
        ),
    ]


REFUSED_CONTENT: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("cut off", lambda good: good[:-1]),
    ("a byte behind the end", lambda good: good + b"\x00"),
    ("six elements", lambda good: b"\x86" + good[1:]),
    ("an array of indefinite length", lambda good: b"\x9f" + good[1:] + b"\xff"),
    ("a salt of 15 bytes", lambda good: good[:1] + b"\x4f" + good[3:]),
    ("a salt whose length is longer than it must be", lambda good: good[:1] + b"\x58\x10" + good[2:]),
    ("a part that ends early", lambda good: good.replace(b"\x85\x01\x60\x01", b"\x84\x01\x60\x01")),
    ("a part of an unknown kind", lambda good: good.replace(b"\x85\x01\x60\x01", b"\x85\x01\x60\x04")),
    ("an extension twice", lambda good: good.replace(b"\xa0\x85", b"\xa2\x18\x64\x01\x18\x64\x01\x85")),
    ("extensions out of order", lambda good: good.replace(b"\xa0\x85", b"\xa2\x20\x01\x05\x01\x85")),
]


def content() -> dict[str, Any]:
    """content.json."""
    good = encode(messages()[0][1])
    report = [(secret("one"), MessageStatus.DELIVERED), (secret("two"), MessageStatus.READ)]
    return {
        "about": "Bytes are in hex, times in milliseconds since 1970. docs/protocol/content.md says what they are.",
        "account": ADA.account.public.hex(),
        "conversation": CONVERSATION.hex(),
        "messages": [
            {
                "what": what,
                "value": plain(value),
                "encoded": encode(value).hex(),
                "id": id_of(encode(value), ADA.account.public, CONVERSATION).hex(),
            }
            for what, value in messages()
        ],
        "report": {
            "value": [[message.hex(), int(status)] for message, status in report],
            "encoded": encode_report(report).hex(),
        },
        "refused": [{"why": why, "bytes": spoil(good).hex()} for why, spoil in REFUSED_CONTENT],
    }


# ---------------------------------------------------------------------------------------------------- files


def counting(size: int) -> bytes:
    """The bytes 0, 1, 2 … 255, 0, 1 … of a file in the vectors."""
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def files() -> dict[str, Any]:
    """files.json."""
    key = secret("file key")
    small, large = seal_whole(key, counting(100)), seal_whole(key, counting(150_000))
    return {
        "about": "Bytes are in hex. Byte n of each file is n mod 256. docs/protocol/files.md says how they are sealed.",
        "key": key.hex(),
        "sizes": [
            {"size": n, "padded": padded_size(n), "chunks": chunk_count(n), "sealed": sealed_size(n)}
            for n in (0, 1, 255, 256, 1000, 65_535, 65_536, 150_000, 1_000_000, 200_000_000, 2 * 1024**3)
        ],
        "small": {"size": 100, "sha256": sha256(counting(100)).hexdigest(), "chunks": plain(small)},
        "large": {
            "size": 150_000,
            "sha256": sha256(counting(150_000)).hexdigest(),
            "sha256_of_chunks": [sha256(chunk).hexdigest() for chunk in large],
        },
    }


def written(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "people.json").write_text(written(people(recorded_or_new())), "utf-8")
    (FOLDER / "content.json").write_text(written(content()), "utf-8")
    (FOLDER / "files.json").write_text(written(files()), "utf-8")


if __name__ == "__main__":
    main()
