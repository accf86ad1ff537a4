"""What a member or a contact sends to somebody's running conversations: any message in a group, any letter to an inbox.

Real people with real stores, MLS and a relay's engine (tests/support/village). The parsers of messages and letters have
targets of their own; here is what is done with whatever gets through them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fuzz.target import Shape, target
from fuzz.targets._memory import folder
from fuzz.targets._seeds import vectors
from fuzz.targets.people import _resigned
from support.mischief import append, entry, sealed_post
from support.vectors_people import LETTERS, PAYLOADS
from support.village import Village
from whimbrel.chat.inbox import letter
from whimbrel.chat.records import KeepPicture
from whimbrel.crypto.envelopes import encode_letter
from whimbrel.crypto.files import seal_part, sealed_size
from whimbrel.crypto.padding import pad
from whimbrel.crypto.payload import Payload, encode_payload
from whimbrel.wire.answers import Appended, Chunk

ROUND = 300
"""Inputs for one village; the next one is fresh."""


class _Place:
    """Ada and Bo, who share a group, and how often they were made to talk."""

    def __init__(self) -> None:
        path = Path(tempfile.mkdtemp(dir=folder()))
        self.village = Village(path)
        self.ada, self.bo = self.village.friends("Ada", "Bo")
        self.ada.group("birds", "Bo")
        self.village.settle()
        self.count = 0

    def still_talk(self) -> None:
        """What is genuine is still read."""
        text = f"still here {self.count}"
        self.ada.send("birds", text)
        self.village.settle(patience=200_000)
        assert text in self.bo.texts("birds")

    def leave(self) -> None:
        self.still_talk()
        self.village.close()


_places: list[_Place] = []


def _place() -> _Place:
    if _places and _places[0].count >= ROUND:
        _places.pop().leave()
    if not _places:
        _places.append(_Place())
    _places[0].count += 1
    return _places[0]


def _messages() -> Iterator[bytes]:
    for payload in PAYLOADS:
        yield bytes((int(payload.kind) & 0xFF,)) + payload.body
    for vector in vectors("content")["messages"]:
        yield b"\x01" + bytes.fromhex(vector["encoded"])
    yield b"\x02" + bytes.fromhex(vectors("content")["report"]["encoded"])


@target(
    "chat-from-member",
    "chat.line",
    "chat.conversation",
    seeds=_messages,
    shape=Shape.CBOR,
    skip=1,
    longest=20_000,
)
def from_member(data: bytes) -> bool:
    """A member's message with any kind and any body, made with the member's real keys: read, shown or skipped, and the
    conversation goes on."""
    place = _place()
    kind, body = (data[0] if data else 0), data[1:]
    sealed = sealed_post(place.ada, "birds", kind, body)
    assert isinstance(append(place.ada, "birds", entry(sealed)), Appended)
    before = place.bo.chat("birds").lines[-1].state.seq
    place.village.settle(patience=0)
    assert place.bo.chat("birds").lines[-1].state.seq > before
    return True


@target("chat-payload", "chat.line", seeds=lambda: [encode_payload(Payload(1, 0, bytes(32), b"x")).rstrip(b"\x00")[:-1]], shape=Shape.CBOR, longest=4000)  # fmt: skip
def any_plaintext(data: bytes) -> bool:
    """A member's message whose plaintext is no message: what stands in MLS is the sender's alone to say."""
    place = _place()
    group = place.ada.chat("birds").lines[-1].group
    sealed = group.encrypt(pad(data))
    place.ada.do(lambda person, now, fx: None)
    assert isinstance(append(place.ada, "birds", entry(sealed)), Appended)
    before = place.bo.chat("birds").lines[-1].state.seq
    place.village.settle(patience=0)
    assert place.bo.chat("birds").lines[-1].state.seq > before
    return True


PICTURE = bytes(range(256))


@target(
    "chat-picture",
    "chat.pictures",
    seeds=lambda: [b"\x00" + PICTURE],
    shape=Shape.BYTES,
    skip=1,
    longest=2_000,
)
def picture(data: bytes) -> bool:
    """What a relay gives as a group's picture, as it is or sealed by the right key: none but the true one is ever kept."""
    place = _place()
    line = place.bo.chat("birds").lines[-1]
    if line.roles.picture is None:
        place.ada.do(lambda person, now, fx: person.pictures.set(place.ada.chat("birds"), PICTURE, fx))
        place.village.settle()
    named, chat = line.roles.picture, place.bo.chat("birds").id
    assert named is not None
    part = data[1:]
    if data[:1] == b"\x00" and len(part) == named.size:
        part = seal_part(named.key, named.size, 0, part)
    place.bo.home.database.commit([KeepPicture(chat, None)])
    chunk = Chunk(part, sealed_size(named.size))
    place.bo.do(lambda person, now, fx: person.pictures.fetched(chat, named.blob, [], chunk, now, fx))
    here = place.bo.home.database.picture(named.hash)
    assert here in (None, PICTURE)
    return here is not None


def _letters() -> Iterator[bytes]:
    yield from map(encode_letter, LETTERS)


@target("chat-to-inbox", "chat.welcomes", "chat.inbox", seeds=_letters, shape=Shape.CBOR, longest=20_000)
def to_inbox(data: bytes) -> bool:
    """A letter with any content, sealed to somebody's inbox by a contact: taken or ignored, and the inbox goes on."""
    place = _place()
    inbox = place.bo.person.inbox.here()
    before = inbox.seq
    # By the inbox's own token: the one that contacts are granted is good for a few letters only.
    sent = letter(inbox.log, inbox.write, inbox.key_public, _resigned(data), os.urandom(16))
    assert isinstance(place.village.relay.ask(sent), Appended)
    place.village.settle(patience=0)
    assert place.bo.person.inbox.here().seq > before
    return True
