"""Who this home is: the account, its one device, and what both sign and derive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from whimbrel.crypto import mls
from whimbrel.crypto.accounts import (
    DeviceList,
    make_credential,
    new_account,
    next_number,
    sign_device_list,
)
from whimbrel.crypto.leaf import LeafExtension, Reach, encode_leaf
from whimbrel.wire import cbor
from whimbrel.wire.purpose import prf

Chance = Callable[[int], bytes]
"""Random bytes from the operating system, handed in by the shell."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Private: never leaves the home but in the owner's recovery file."""

    name: str
    account_private: bytes
    account: bytes
    device_private: bytes
    device: bytes
    device_secret: bytes
    list_number: int
    device_list: bytes
    """Signed."""

    @staticmethod
    def make(name: str, chance: Chance, now: int) -> Identity:
        """A new account with this one device. `now`: milliseconds."""
        account = new_account(chance(32))
        device_private, device = mls.Engine.new_signature_key()
        seconds = now // 1000
        devices = DeviceList(account.public, seconds, ((device, seconds),))
        return Identity(
            name,
            account.private,
            account.public,
            device_private,
            device,
            chance(32),
            seconds,
            sign_device_list(account.private, devices),
        )

    def renewed(self, chance: Chance, now: int) -> Identity:
        """The same account with a new device in the place of the old one."""
        device_private, device = mls.Engine.new_signature_key()
        number = next_number(self.list_number, now // 1000)
        devices = DeviceList(self.account, number, ((device, now // 1000),))
        return replace(
            self,
            device_private=device_private,
            device=device,
            device_secret=chance(32),
            list_number=number,
            device_list=sign_device_list(self.account_private, devices),
        )

    def credential(self) -> bytes:
        return make_credential(self.account_private, self.device, self.list_number)

    def engine(self) -> mls.Engine:
        return mls.Engine(self.device_private, self.device)

    def leaf(self, log_key_public: bytes, reach: tuple[Reach, ...], now: int) -> bytes:
        return encode_leaf(LeafExtension(log_key_public, reach, now // 1000))

    def secret(self, purpose: str, *parts: bytes) -> bytes:
        """A secret of this device alone, for a purpose."""
        return prf(self.device_secret, purpose, *parts)

    def encode(self) -> bytes:
        value: list[Any] = [
            1,
            self.name,
            self.account_private,
            self.account,
            self.device_private,
            self.device,
            self.device_secret,
            self.list_number,
            self.device_list,
        ]
        return cbor.encode(value)

    @staticmethod
    def decode(data: bytes) -> Identity:
        _, name, *rest = cbor.decode(data)
        return Identity(name, *rest)
