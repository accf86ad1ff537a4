"""Accounts: a person's signing key, the numbered list of that person's devices, and what a device shows of both.

Bytes: docs/protocol/people.md. Keys are Ed25519: private ones are seeds of 32 bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from whimbrel.crypto.errors import Malformed, NotSigned, reading
from whimbrel.wire.cbor import decode, encode
from whimbrel.wire.fields import array, exactly, listing, number
from whimbrel.wire.purpose import SIGNATURE, digest, labelled, public_of, sign, verify

KEY = 32
"""Bytes of a private or public key."""
DEVICES_MAX = 64
"""Devices of one account."""
DEVICE_LIST_MAX = 8 * 1024
CREDENTIAL_MAX = 256
SAFETY_ITERATIONS = 5200
"""As in Signal's numeric fingerprints: to find another key with the same 30 digits costs 2^112 hashes."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """Who a person is. The private half stays on the first device and in the recovery file."""

    private: bytes
    public: bytes


@dataclass(frozen=True, slots=True)
class DeviceList:
    """The devices of an account, each with the time (Unix seconds) since when. The highest number is the newest."""

    account: bytes
    number: int
    devices: tuple[tuple[bytes, int], ...]

    def has(self, device: bytes) -> bool:
        return any(key == device for key, _ in self.devices)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a leaf says of its device: whose it is, by which device list, signed by the account."""

    account: bytes
    number: int
    signature: bytes


def new_account(seed: bytes) -> AccountKey:
    """The account of 32 random bytes."""
    return AccountKey(seed, public_of(seed))


def next_number(last: int, now_seconds: int) -> int:
    """Number of the next device list, also where `last` is not known to be the last: max(last + 1, now)."""
    return max(last + 1, now_seconds)


# --------------------------------------------------------------------------------------------- device lists


def sign_device_list(private: bytes, devices: DeviceList) -> bytes:
    """`[account, number, [[device, since]…]]` and 64 bytes of signature over it."""
    if public_of(private) != devices.account:
        raise ValueError("a device list is signed by its own account")
    body = encode([devices.account, devices.number, [list(device) for device in devices.devices]])
    signed = body + sign(private, "device list", body)
    open_device_list(signed)
    return signed


def open_device_list(data: bytes) -> DeviceList:
    """The list, when its account signed it. Raises Malformed or NotSigned."""
    body, signature = split_signed(data, DEVICE_LIST_MAX, "a device list")
    with reading("a device list"):
        account, n, entries = array(decode(body, DEVICE_LIST_MAX), 3)
        devices = []
        for entry in listing(entries, DEVICES_MAX):
            device, since = array(entry, 2)
            devices.append((exactly(device), number(since)))
        found = DeviceList(exactly(account), number(n), tuple(devices))
    if len({device for device, _ in found.devices}) != len(found.devices):
        raise Malformed("a device list with one device twice")
    if not verify(found.account, "device list", body, signature):
        raise NotSigned("a device list that its account did not sign")
    return found


def split_signed(data: bytes, most: int, what: str) -> tuple[bytes, bytes]:
    """Bytes and the signature of 64 bytes behind them; nothing is verified here."""
    if not SIGNATURE < len(data) <= most + SIGNATURE:
        raise Malformed(f"{what} that is too short or too long")
    return data[:-SIGNATURE], data[-SIGNATURE:]


# ---------------------------------------------------------------------------------------------- credentials


def make_credential(account_private: bytes, device: bytes, number: int) -> bytes:
    """`[account, number, signature]`; the signature covers `[device key, number]`."""
    account = public_of(account_private)
    signature = sign(account_private, "credential", encode([device, number]))
    return encode([account, number, signature])


def open_credential(credential: bytes, device: bytes) -> Credential:
    """The credential, when its account signed this device's key. Raises Malformed or NotSigned."""
    with reading("a credential"):
        account, n, signature = array(decode(credential, CREDENTIAL_MAX), 3)
        found = Credential(exactly(account), number(n), exactly(signature, SIGNATURE))
        signed = encode([exactly(device), found.number])
    if not verify(found.account, "credential", signed, found.signature):
        raise NotSigned("a device that its account did not sign for")
    return found


# ------------------------------------------------------------------------------------------------- of two


def pair_id(a: bytes, b: bytes) -> bytes:
    """Id of the conversation of two accounts: H(label ‖ lower key ‖ higher key), the same for both."""
    low, high = sorted((_key(a), _key(b)))
    return digest(labelled("pair") + low + high)


def safety_number(a: bytes, b: bytes) -> str:
    """60 digits, the same for both people; equal numbers on both screens mean that nobody sits between.

    As Signal's numeric fingerprint of version 2, over account keys and under our own label: 30 digits of each account,
    the lower ones first.
    """
    return "".join(sorted((_fingerprint(_key(a)), _fingerprint(_key(b)))))


def _fingerprint(account: bytes) -> str:
    """30 digits: from label and key, SHA-512 over the last value and the key, 5200 times; then six groups of 5 bytes."""
    last = labelled("safety number") + account
    for _ in range(SAFETY_ITERATIONS):
        last = hashlib.sha512(last + account).digest()
    groups = (int.from_bytes(last[i : i + 5], "big") % 100_000 for i in range(0, 30, 5))
    return "".join(f"{group:05d}" for group in groups)


def _key(value: bytes) -> bytes:
    if len(value) != KEY:
        raise ValueError(f"an account key has {KEY} bytes")
    return value
