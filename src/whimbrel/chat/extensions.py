"""Our own extensions of MIMI content: what is known of pictures and recordings, who is named, and that it was forwarded.

The standard has words for none of these. Each is small, and a content whose extension is not as it should be is still
read: what does not hold is left out (docs/protocol/content.md, "Our own extensions").
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import cbor2

from whimbrel.chat.content import EXTENSION_MAX, PARTS_MAX, MimiContent, Opaque
from whimbrel.chat.mimi_cbor import NotCbor, Reader

MEDIA = "media"
"""Extension: what is known of parts before their files are here, by the index of the part."""
MENTIONS = "mentions"
"""Extension: which characters of the text name whom."""
FORWARDED = "forwarded"
"""Extension, true: somebody wrote it elsewhere."""

WAVEFORM_MAX = 64
THUMBHASH_MAX = 32
SIDE_MAX = (1 << 16) - 1
"""Pixels along one side."""
DURATION_MAX = (1 << 32) - 1
"""Milliseconds."""
MENTIONS_MAX = 64
ACCOUNT = 32
_INDEX_MAX = PARTS_MAX
_PLACE_BITS = 32


class _Key(IntEnum):
    """What is said of a part."""

    WIDTH = 1
    HEIGHT = 2
    DURATION = 3
    WAVEFORM = 4
    THUMBHASH = 5
    VOICE = 6


@dataclass(frozen=True, slots=True)
class Media:
    """What is known of a picture or a recording before its file is here; 0, nothing and False stand for not known.

    Sides in pixels, `duration` in milliseconds, `waveform` is loudness from 0 to 255; a `voice` note is to be heard at once.
    """

    width: int = 0
    height: int = 0
    duration: int = 0
    waveform: bytes = b""
    thumbhash: bytes = b""
    voice: bool = False


UNKNOWN = Media()


@dataclass(frozen=True, slots=True)
class Mention:
    """Characters (code points) `start` to `start + length` of the text name this account."""

    start: int
    length: int
    account: bytes


# ---------------------------------------------------------------------------------------------------- media


def media_extension(parts: Mapping[int, Media]) -> Opaque | None:
    """The value for these parts, by index. What does not fit any more is left out, later parts first."""
    packed: dict[int, dict[int, Any]] = {}
    for index, media in sorted(parts.items()):
        one = _pack_media(media)
        if one and len(cbor2.dumps({**packed, index: one})) <= EXTENSION_MAX:
            packed[index] = one
    return Opaque(cbor2.dumps(packed)) if packed else None


def _pack_media(media: Media) -> dict[int, Any]:
    return {
        key: value
        for key, value in (
            (int(_Key.WIDTH), media.width),
            (int(_Key.HEIGHT), media.height),
            (int(_Key.DURATION), media.duration),
            (int(_Key.WAVEFORM), media.waveform),
            (int(_Key.THUMBHASH), media.thumbhash),
            (int(_Key.VOICE), media.voice),
        )
        if value
    }


def media_of(content: MimiContent) -> dict[int, Media]:
    """What a content says of its parts, by index; nothing if it is not said as it should be."""
    value = dict(content.extensions).get(MEDIA)
    if not isinstance(value, Opaque):
        return {}
    reader, found = Reader(value.cbor), dict[int, Media]()
    try:
        for index in reader.keys(1, _INDEX_MAX):
            if isinstance(index, str) or index < 0:
                raise NotCbor("a part without a number")
            found[index] = _read_media(reader)
        reader.end()
    except NotCbor:
        return {}
    return found


def _read_media(reader: Reader) -> Media:
    """Keys that are not known are passed over: a later version may say more."""
    width = height = duration = 0
    waveform = thumbhash = b""
    voice = False
    for key in reader.keys(1, _INDEX_MAX):
        match key:
            case _Key.WIDTH:
                width = reader.number(16)
            case _Key.HEIGHT:
                height = reader.number(16)
            case _Key.DURATION:
                duration = reader.number(32)
            case _Key.WAVEFORM:
                waveform = reader.octets(0, WAVEFORM_MAX)
            case _Key.THUMBHASH:
                thumbhash = reader.octets(0, THUMBHASH_MAX)
            case _Key.VOICE:
                voice = reader.boolean()
            case _:
                reader.item(1)
    return Media(width, height, duration, waveform, thumbhash, voice)


def media_as_json(media: Media) -> bytes:
    """As `MediaItem` of the client has it, in UTF-8; nothing for what is not known."""
    item: dict[str, Any] = {}
    if media.width and media.height:
        item |= {"width": media.width, "height": media.height}
    if media.duration:
        item["duration_ms"] = media.duration
    if media.waveform:
        item["waveform"] = list(media.waveform)
    if media.thumbhash:
        item["thumbhash"] = base64.b64encode(media.thumbhash).decode("ascii")
    if media.voice:
        item["voice"] = True
    return json.dumps(item, separators=(",", ":")).encode() if item else b""


def media_from_json(text: str) -> Media:
    """What a `MediaItem` says. ValueError, with words, for one that is none."""
    try:
        item = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("what is known of a file is JSON") from None
    if not isinstance(item, dict):
        raise ValueError("what is known of a file is an object")
    waveform = item.get("waveform", [])
    if not isinstance(waveform, list) or len(waveform) > WAVEFORM_MAX:
        raise ValueError(f"a waveform is a list of at most {WAVEFORM_MAX} numbers")
    if any(type(value) is not int or not 0 <= value <= 255 for value in waveform):
        raise ValueError("loudness is a whole number from 0 to 255")
    try:
        thumbhash = base64.b64decode(item.get("thumbhash", ""), validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise ValueError("a thumbhash is in base64") from None
    if len(thumbhash) > THUMBHASH_MAX:
        raise ValueError(f"a thumbhash has at most {THUMBHASH_MAX} bytes")
    voice = item.get("voice", False)
    if type(voice) is not bool:
        raise ValueError("voice is true or false")
    return Media(
        _whole(item, "width", SIDE_MAX),
        _whole(item, "height", SIDE_MAX),
        _whole(item, "duration_ms", DURATION_MAX),
        bytes(waveform),
        thumbhash,
        voice,
    )


def _whole(item: Mapping[str, Any], name: str, most: int) -> int:
    value = item.get(name, 0)
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{name} is a whole number up to {most}")
    return value


# ------------------------------------------------------------------------------------------------- mentions


def mentions_extension(mentions: Sequence[Mention]) -> Opaque | None:
    return Opaque(pack_mentions(mentions)) if mentions else None


def pack_mentions(mentions: Iterable[Mention]) -> bytes:
    """`[[start, length, account]…]`; nothing for none."""
    packed = [[one.start, one.length, one.account] for one in mentions]
    return cbor2.dumps(packed) if packed else b""


def unpack_mentions(packed: bytes) -> tuple[Mention, ...]:
    """Those of `pack_mentions`; none if that is not what it is."""
    if not packed:
        return ()
    reader = Reader(packed)
    try:
        count = reader.array()
        if count > MENTIONS_MAX:
            return ()
        mentions = tuple(_read_mention(reader) for _ in range(count))
        reader.end()
    except NotCbor:
        return ()
    return mentions


def _read_mention(reader: Reader) -> Mention:
    reader.array(3)
    return Mention(reader.number(_PLACE_BITS), reader.number(_PLACE_BITS), reader.octets(ACCOUNT, ACCOUNT))


def mentions_of(content: MimiContent, text: str) -> tuple[Mention, ...]:
    """Whom a content with this text names; none if its mentions do not fit the text."""
    value = dict(content.extensions).get(MENTIONS)
    mentions = unpack_mentions(value.cbor) if isinstance(value, Opaque) else ()
    return mentions if are_fit(mentions, text) else ()


def are_fit(mentions: Sequence[Mention], text: str) -> bool:
    """Whether these mentions stand in this text, one after the other, none empty and not too many."""
    end = 0
    for mention in mentions:
        if mention.start < end or not mention.length:
            return False
        end = mention.start + mention.length
    return end <= len(text) and len(mentions) <= MENTIONS_MAX


# ------------------------------------------------------------------------------------------------ forwarded


def is_forwarded(content: MimiContent) -> bool:
    return dict(content.extensions).get(FORWARDED) is True
