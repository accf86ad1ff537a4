"""Cards: what somebody needs to write to a person, signed by the account, kept as a sealed blob on a relay.

A card is bytes that travel as they were signed: nobody encodes another's card again. Bytes: docs/protocol/people.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whimbrel.crypto.accounts import DEVICE_LIST_MAX, DeviceList, open_device_list, split_signed
from whimbrel.crypto.errors import Malformed, NotSigned, reading
from whimbrel.crypto.files import open_unsized, seal_chunk
from whimbrel.crypto.leaf import Reach, pack_reach, unpack_reach
from whimbrel.crypto.names import check_name
from whimbrel.crypto.padding import pad_to, padme
from whimbrel.crypto.payload import KEY_PACKAGE_MAX, KEY_PACKAGES_MAX
from whimbrel.crypto.sealing import PUBLIC
from whimbrel.wire.cbor import decode, encode
from whimbrel.wire.fields import at_most, exactly, fields, listing, number
from whimbrel.wire.operations import CHUNK
from whimbrel.wire.purpose import SIGNATURE, public_of, sign, verify

CARD_MAX = 256 * 1024
"""Bytes of a card."""
SIZES = (8 * 1024, 16 * 1024, 32 * 1024, CHUNK)
"""Padded sizes of a sealed card; larger ones follow Padmé. A card of one device takes about 6 KB."""

_ACCOUNT, _NAME, _DEVICES, _INBOX_KEY, _KEY_PACKAGES, _REACH, _MADE_AT = 0, 2, 4, 6, 8, 10, 12
_KNOWN = frozenset((_ACCOUNT, _NAME, _DEVICES, _INBOX_KEY, _KEY_PACKAGES, _REACH, _MADE_AT))


@dataclass(frozen=True, slots=True)
class Card:
    """A person as others see them. `device_list` is signed (`accounts`); `key_packages` are last-resort ones, one for each
    device; `reach` says where letters go; `made_at` is in Unix seconds, the newest card counts."""

    account: bytes
    name: str
    device_list: bytes
    inbox_key: bytes
    key_packages: tuple[bytes, ...]
    reach: tuple[Reach, ...]
    made_at: int

    def devices(self) -> DeviceList:
        """The device list, verified. Of a decoded card it always holds."""
        return open_device_list(self.device_list)


def encode_card(card: Card, account_private: bytes) -> bytes:
    """The card as a map, and 64 bytes of the account's signature over it."""
    if public_of(account_private) != card.account:
        raise ValueError("a card is signed by its own account")
    body = encode(
        {
            _ACCOUNT: card.account,
            _NAME: card.name,
            _DEVICES: card.device_list,
            _INBOX_KEY: card.inbox_key,
            _KEY_PACKAGES: list(card.key_packages),
            _REACH: pack_reach(card.reach),
            _MADE_AT: card.made_at,
        }
    )
    signed = body + sign(account_private, "card", body)
    if decode_card(signed) != card:
        raise ValueError("a card that would come back as another one")
    return signed


def decode_card(data: bytes) -> Card:
    """The card, when its account signed it and the device list in it. Raises Malformed or NotSigned."""
    body, signature = split_signed(data, CARD_MAX, "a card")
    with reading("a card"):
        found = fields(decode(body, CARD_MAX), _KNOWN)
        if not _KNOWN.issubset(found):
            raise ValueError("something is missing in it")
        packages = listing(found[_KEY_PACKAGES], KEY_PACKAGES_MAX)
        card = Card(
            account=exactly(found[_ACCOUNT]),
            name=check_name(found[_NAME]),
            device_list=at_most(found[_DEVICES], DEVICE_LIST_MAX + SIGNATURE),
            inbox_key=exactly(found[_INBOX_KEY], PUBLIC),
            key_packages=tuple(at_most(package, KEY_PACKAGE_MAX) for package in packages),
            reach=unpack_reach(found[_REACH]),
            made_at=number(found[_MADE_AT]),
        )
    if not verify(card.account, "card", body, signature):
        raise NotSigned("a card that its account did not sign")
    if card.devices().account != card.account:
        raise Malformed("a card with the device list of somebody else")
    return card


def seal_card(key: bytes, card: bytes) -> tuple[bytes, ...]:
    """The chunks of the blob that holds an encoded card. **One key for one card**: another card needs another key."""
    size = next((size for size in SIZES if len(card) < size), None) or padme(len(card) + 1)
    padded = pad_to(card, size)
    pieces = [padded[i : i + CHUNK] for i in range(0, size, CHUNK)]
    return tuple(seal_chunk(key, n, n == len(pieces) - 1, piece) for n, piece in enumerate(pieces))


def open_card(key: bytes, chunks: Sequence[bytes]) -> bytes:
    """The encoded card in a blob, to be given to `decode_card`. Raises NotOpened or Malformed."""
    if sum(len(chunk) for chunk in chunks) > 2 * CARD_MAX:
        raise Malformed("a card that is too large")
    return open_unsized(key, chunks)
