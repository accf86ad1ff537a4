"""People with keys that are the same in every run: for tests of what is signed and sealed, and for the vectors."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from whimbrel.crypto.accounts import AccountKey, DeviceList, make_credential, new_account, sign_device_list
from whimbrel.crypto.cards import Card, encode_card
from whimbrel.crypto.leaf import Reach
from whimbrel.wire.keydoc import public_kem_key

DAY = 1_790_000_000
"""Some time in Unix seconds."""


def secret(words: str) -> bytes:
    """32 bytes that look random: SHA-256 of these words."""
    return sha256(words.encode()).digest()


def stuff(words: str, size: int) -> bytes:
    """So many bytes that look random."""
    return b"".join(secret(f"{words} {i}") for i in range(-(-size // 32)))[:size]


@dataclass(frozen=True)
class Person:
    """Somebody with one device, an inbox key and a card."""

    name: str
    account: AccountKey
    device: AccountKey
    inbox_private: bytes
    inbox_public: bytes

    @property
    def devices(self) -> DeviceList:
        return DeviceList(self.account.public, DAY, ((self.device.public, DAY),))

    @property
    def credential(self) -> bytes:
        return make_credential(self.account.private, self.device.public, DAY)

    @property
    def reach(self) -> Reach:
        return Reach(
            relay=secret("relay"),
            routes=("wss://relay.example:443/way",),
            inbox=secret(f"inbox of {self.name}"),
            token=secret(f"token of {self.name}"),
            card=secret(f"card of {self.name}"),
            card_key=secret(f"card key of {self.name}"),
        )

    @property
    def card(self) -> Card:
        return Card(
            account=self.account.public,
            name=self.name,
            device_list=sign_device_list(self.account.private, self.devices),
            inbox_key=self.inbox_public,
            key_packages=(stuff(f"key package of {self.name}", 60),),
            reach=(self.reach,),
            made_at=DAY,
        )

    @property
    def signed_card(self) -> bytes:
        return encode_card(self.card, self.account.private)


def person(name: str) -> Person:
    inbox = secret(f"inbox key of {name}")
    return Person(
        name=name,
        account=new_account(secret(f"account of {name}")),
        device=new_account(secret(f"device of {name}")),
        inbox_private=inbox,
        inbox_public=public_kem_key(inbox),
    )


ADA, BO, MALLORY = person("Ada"), person("Bo"), person("Mallory")
