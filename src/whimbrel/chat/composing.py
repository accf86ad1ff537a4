"""Messages as people write them, to and from MIMI content: texts, replies, files, edits, deletes, reactions.

Whimbrel sends plain text, one part for a text and one for each file. From others it reads what it understands of any
content. Sender and room are not repeated in the extensions: all members know both, and the message id covers them.
"""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from whimbrel.chat.content import (
    SHA256,
    ContentError,
    Disposition,
    Expiration,
    ExtensionValue,
    ExternalPart,
    MimiContent,
    MultiPart,
    NestedPart,
    NullPart,
    PartSemantics,
    SinglePart,
    message_id,
    parts_in_order,
)
from whimbrel.chat.extensions import (
    FORWARDED,
    MEDIA,
    MENTIONS,
    UNKNOWN,
    Media,
    Mention,
    are_fit,
    media_extension,
    media_of,
    mentions_extension,
)
from whimbrel.crypto.files import FILE_MAX

PLAIN = "text/plain;charset=utf-8"
TEXT_MAX = 1024 * 1024
"""Bytes of a text in UTF-8 at most; a longer one is sent as a file."""
REACTION_MAX = 64
"""Bytes of a reaction: an emoji of many parts takes up to 35."""
CHUNKED_AES_256_GCM = 0xF001
"""`enc_alg` of our files (docs/protocol/files.md), from the private range of the registry of AEAD algorithms (RFC 5116, 6)."""
FILE_NAME_MAX = 255
"""Bytes of a file name, as most file systems have it."""
TYPE_MAX = 255
NAMESPACE = "mimi://whimbrel.invalid"
"""Our URIs lie under a name that never resolves (RFC 6761, 6.4): they name keys, and nobody is to be asked about them."""

SENT_AT = "at"
"""Extension: the sender's time. Our own; the draft has the hub's time, and here is no hub."""

_ID = 32
_TEXT_TYPES = ("text/plain", "text/markdown")
_SHOWN = frozenset((Disposition.UNSPECIFIED, Disposition.RENDER, Disposition.INLINE))
_OTHER_USES = frozenset((Disposition.PROFILE, Disposition.ICON, Disposition.ATTACHMENT, Disposition.PREVIEW))


class Act(Enum):
    """What a message does."""

    SAY = "say"
    EDIT = "edit"
    DELETE = "delete"
    REACT = "react"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message: where its blob lies (relay, id), its key, true size and SHA-256, and how it is shown.

    `part` is the index of its part; a sender may leave it 0. `name` is as the sender wrote it: `safe_file_name` before
    anything is written.
    """

    relay: bytes
    blob: bytes
    key: bytes
    size: int
    hash: bytes
    name: str
    type: str
    description: str = ""
    part: int = 0
    media: Media = UNKNOWN


# --------------------------------------------------------------------------------------------------- naming


def sender_uri(account: bytes) -> str:
    """The URI of a person: `mimi://whimbrel.invalid/u/` and the account key in base32, lower case."""
    return f"{NAMESPACE}/u/{_base32(account)}"


def room_uri(conversation: bytes) -> str:
    """The URI of a conversation: `mimi://whimbrel.invalid/r/` and its id in base32, lower case."""
    return f"{NAMESPACE}/r/{_base32(conversation)}"


def id_of(content: bytes, account: bytes, conversation: bytes) -> bytes:
    """Id of the message that this person sent with this encoded content in this conversation: 32 bytes."""
    return message_id(content, sender_uri(account), room_uri(conversation))


# -------------------------------------------------------------------------------------------------- writing


def say(
    salt: bytes,
    text: str,
    attachments: Sequence[Attachment] = (),
    in_reply_to: bytes | None = None,
    expires: Expiration | None = None,
    mentions: Sequence[Mention] = (),
    forwarded: bool = False,
) -> MimiContent:
    """A message with a text, files, or both. ContentError if it has neither, the text is too long, or a mention lies outside."""
    if not text and not attachments:
        raise ContentError("a message with nothing in it")
    body = _body(text, attachments)
    extensions = _extensions(body, attachments, text, mentions)
    if forwarded:
        extensions += ((FORWARDED, True),)
    return MimiContent(salt, None, b"", expires, in_reply_to, extensions, body)


def edit(
    salt: bytes,
    first: bytes,
    text: str,
    in_reply_to: bytes | None = None,
    attachments: Sequence[Attachment] = (),
    mentions: Sequence[Mention] = (),
) -> MimiContent:
    """Replaces the text of an own message. `first` is the id of its first version, however often it was edited.

    `attachments`: the files that it has; they are named again, and stay as they are.
    """
    body = _body(text, attachments)
    extensions = _extensions(body, attachments, text, mentions)
    return MimiContent(salt, first, b"", None, in_reply_to, extensions, body)


def _body(text: str, attachments: Sequence[Attachment]) -> NestedPart:
    raw = _text_bytes(text, TEXT_MAX)
    parts = [_text_part(raw)] if text or not attachments else []
    parts += [_file_part(attachment) for attachment in attachments]
    return parts[0] if len(parts) == 1 else _all_of(parts)


def _extensions(
    body: NestedPart, attachments: Sequence[Attachment], text: str, mentions: Sequence[Mention]
) -> tuple[tuple[int | str, ExtensionValue], ...]:
    if not are_fit(mentions, text):
        raise ContentError("mentions that do not stand in the text, one after the other")
    files = (index for index, nested in parts_in_order(body) if isinstance(nested.part, ExternalPart))
    media = media_extension({index: file.media for index, file in zip(files, attachments, strict=True)})
    named = mentions_extension(mentions)
    given = ((MEDIA, media), (MENTIONS, named))
    return tuple((name, value) for name, value in given if value is not None)


def delete(
    salt: bytes,
    first: bytes,
    disposition: Disposition = Disposition.RENDER,
    in_reply_to: bytes | None = None,
) -> MimiContent:
    """Takes back an own message; with the disposition REACTION, an own reaction to the message `in_reply_to`."""
    return MimiContent(salt, first, b"", None, in_reply_to, (), NestedPart(disposition, "", NullPart()))


def react(salt: bytes, to: bytes, emoji: str) -> MimiContent:
    """A reaction to a message. ContentError for what is no emoji."""
    raw = _text_bytes(emoji, REACTION_MAX)
    if not emoji:
        raise ContentError("a reaction with nothing in it")
    if not is_emoji(emoji):
        raise ContentError("a reaction that is no emoji")
    body = NestedPart(Disposition.REACTION, "", SinglePart(PLAIN, raw))
    return MimiContent(salt, None, b"", None, to, (), body)


def _text_bytes(text: str, most: int) -> bytes:
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError:
        raise ContentError("a text with characters that are none") from None
    if len(raw) > most:
        raise ContentError(f"a text of {len(raw)} bytes; {most} are allowed: send it as a file")
    return raw


def _text_part(raw: bytes) -> NestedPart:
    return NestedPart(Disposition.RENDER, "", SinglePart(PLAIN, raw))


def _all_of(parts: Sequence[NestedPart]) -> NestedPart:
    return NestedPart(Disposition.RENDER, "", MultiPart(PartSemantics.PROCESS_ALL, tuple(parts)))


def _file_part(file: Attachment) -> NestedPart:
    part = ExternalPart(
        content_type=file.type,
        url=f"{NAMESPACE}/b/{_base32(file.relay)}/{_base32(file.blob)}",
        expires=0,
        size=file.size,
        enc_alg=CHUNKED_AES_256_GCM,
        key=file.key,
        nonce=b"",
        aad=b"",
        hash_alg=SHA256,
        content_hash=file.hash,
        description=file.description,
        filename=file.name,
    )
    return NestedPart(Disposition.ATTACHMENT, "", part)


def dated(content: MimiContent, at: int) -> MimiContent:
    """The same message with the sender's time in it (milliseconds since 1970, UTC): MIMI leaves that to a hub."""
    return replace(content, extensions=(*content.extensions, (SENT_AT, at)))


# -------------------------------------------------------------------------------------------------- reading


def sent_at(content: MimiContent) -> int | None:
    """When its sender says that it was written (milliseconds since 1970, UTC)."""
    at = dict(content.extensions).get(SENT_AT)
    return at if isinstance(at, int) and not isinstance(at, bool) and 0 < at < 1 << 53 else None


def act_of(content: MimiContent) -> Act:
    """What a message does. Nothing in place of something deletes it; of the disposition REACTION it takes back a reaction."""
    reaction = content.body.disposition == Disposition.REACTION
    if isinstance(content.body.part, NullPart):
        if reaction and (content.replaces or content.in_reply_to) is not None:
            return Act.REACT
        return Act.DELETE if content.replaces is not None else Act.SAY
    if reaction:
        return Act.REACT
    return Act.EDIT if content.replaces is not None else Act.SAY


def is_reaction(content: MimiContent) -> bool:
    """Whether a message is a reaction, or takes one back."""
    return act_of(content) is Act.REACT


def takes_back(content: MimiContent) -> bool:
    """Whether a reaction is one that takes back what its sender's reaction was."""
    return is_reaction(content) and isinstance(content.body.part, NullPart)


def text_of(content: MimiContent) -> str:
    """All texts that are to be shown, a line break between them; of alternatives the first that can be read."""
    return "\n".join(_texts(content.body))


def reaction_of(content: MimiContent) -> str:
    """The emoji of a reaction; empty if it is none that can be shown."""
    part = content.body.part
    if act_of(content) is not Act.REACT or not isinstance(part, SinglePart) or not _is_text(part):
        return ""
    if len(part.content) > REACTION_MAX:
        return ""
    emoji = part.content.decode("utf-8", "replace")
    return emoji if is_emoji(emoji) else ""


def is_emoji(text: str) -> bool:
    """Whether nothing but emoji stand here, and at least one: no letters, no spaces, nothing that turns writing round.

    It does not ask the tables of this Python alone, which grow: what is an emoji in one version is one in all.
    """
    keycap = "\N{COMBINING ENCLOSING KEYCAP}" in text
    return (keycap or any(map(_is_picture, text))) and all(
        _is_picture(sign) or sign in _JOINING or (keycap and sign in "0123456789#*") for sign in text
    )


def _is_picture(sign: str) -> bool:
    if 0x1F000 <= ord(sign) < 0x1FC00 or sign in _OTHER_EMOJI:
        return True
    return not sign.isascii() and unicodedata.category(sign) in ("So", "Sm")


_OTHER_EMOJI = (
    "\N{DOUBLE EXCLAMATION MARK}\N{EXCLAMATION QUESTION MARK}\N{WAVY DASH}\N{INFORMATION SOURCE}"
    "\N{PART ALTERNATION MARK}"
)
# What joins and varies them: variation selectors, the zero-width joiner, the keycap, and the tags of flags.
_JOINING = frozenset(("\ufe0e", "\ufe0f", "\u200d", "\u20e3", *map(chr, range(0xE0020, 0xE0080))))


def attachments_of(content: MimiContent) -> tuple[Attachment, ...]:
    """The files in a content that this program can fetch: on a relay, sealed as it seals. Others are left out."""
    found = (_attachment(index, nested.part) for index, nested in parts_in_order(content.body))
    files = tuple(attachment for attachment in found if attachment is not None)
    media = media_of(content) if files else {}
    return tuple(replace(file, media=media.get(file.part, UNKNOWN)) for file in files) if media else files


def shows_all(content: MimiContent) -> bool:
    """Whether text, files and reaction are all that there is; if not, a part came that only other programs show."""
    return all(
        _is_text(nested.part)
        if isinstance(nested.part, SinglePart)
        else not isinstance(nested.part, ExternalPart) or _attachment(index, nested.part) is not None
        for index, nested in parts_in_order(content.body)
    )


def safe_file_name(name: str) -> str:
    """A name under which a received file can be written: one component, without anything that deceives or disturbs.

    Never empty, never hidden, at most FILE_NAME_MAX bytes; the ending is kept, and so are the joiners that Persian needs.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(
        "_" if c in '<>:"|?*' else c for c in last if c in _JOINERS or unicodedata.category(c)[0] != "C"
    )
    kept = _cut(unicodedata.normalize("NFC", kept).strip(" ."))
    # What was cut off may have kept it from being such a name.
    if kept.split(".", 1)[0].rstrip().upper() in _RESERVED:
        kept = _cut(f"_{kept}")
    return kept or "file"


def _cut(name: str) -> str:
    """At most FILE_NAME_MAX bytes of a name, with its ending. What is cut off may have stood behind a dot or a space, and no
    name ends with one."""
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > 32:
        stem, ending = name, ""
    else:
        ending = f".{ending}"
    room = FILE_NAME_MAX - len(ending.encode())
    return (stem.encode()[:room].decode("utf-8", "ignore") + ending).rstrip(" .")


_JOINERS = "\u200c\u200d"
# Names of devices on Windows: "Naming Files, Paths, and Namespaces", Microsoft.
_RESERVED = frozenset(
    ("CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10)))
)


def _texts(nested: NestedPart) -> Iterator[str]:
    part = nested.part
    if nested.disposition in _OTHER_USES:
        return
    if isinstance(part, SinglePart) and _is_text(part):
        yield part.content.decode("utf-8", "replace")
    elif isinstance(part, MultiPart) and part.semantics == PartSemantics.CHOOSE_ONE:
        yield from next((texts for inner in part.parts if (texts := list(_texts(inner)))), ())
    elif isinstance(part, MultiPart):
        for inner in part.parts:
            yield from _texts(inner)


def _is_text(part: object) -> bool:
    return isinstance(part, SinglePart) and part.content_type.split(";", 1)[0].strip().lower() in _TEXT_TYPES


def _attachment(index: int, part: object) -> Attachment | None:
    if not isinstance(part, ExternalPart) or part.enc_alg != CHUNKED_AES_256_GCM or part.hash_alg != SHA256:
        return None
    place = part.url.removeprefix(f"{NAMESPACE}/b/").split("/")
    if not part.url.startswith(f"{NAMESPACE}/b/") or len(place) != 2:
        return None
    relay, blob = map(_unbase32, place)
    if relay is None or blob is None or (len(part.key), len(part.content_hash)) != (32, 32):
        return None
    if part.size > FILE_MAX:
        return None
    return Attachment(
        relay=relay,
        blob=blob,
        key=part.key,
        size=part.size,
        hash=part.content_hash,
        name=part.filename,
        type=part.content_type[:TYPE_MAX],
        description=part.description,
        part=index,
    )


def _base32(raw: bytes) -> str:
    """RFC 4648, 6, lower case and without padding."""
    if len(raw) != _ID:
        raise ContentError(f"{_ID} bytes are named by a URI, not {len(raw)}")
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()


def _unbase32(text: str) -> bytes | None:
    try:
        raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == _ID and _base32(raw) == text else None
