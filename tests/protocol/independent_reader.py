"""A reader of what people hand to each other, written from docs/protocol alone: nothing here comes from Whimbrel.

independent_reader.py pair.json     prints what the invite, the card behind it, the claim of its log and the posts say
"""

import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ed25519, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from independent_client import HPKE, LABEL, cbor, h, uncbor


def verify(key, purpose, data, signature):
    ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, LABEL + purpose + b"\0" + data)


def prf(secret, purpose):
    return hmac.digest(secret, LABEL + purpose + b"\0", "sha256")


def read_invite(text):  # texts.md: (seed, relay's identity, name); the ways are passed over
    letters = text.upper().removeprefix("WHIMBREL:")
    data = base64.b32decode(letters + "=" * (-len(letters) % 8))
    assert data[:3] == b"\1" + (0x2000 + len(data) - 7).to_bytes(2, "big"), "no invite for one use"
    assert data[-4:] == h(LABEL + b"text\0" + data[:-4])[:4], "the checksum"
    payload, at = data[3:-4], 65
    for _ in range(payload[64]):
        head, at = payload[at], at + 1
        assert not head & 0x40, "a way with extras"
        sizes = (1 + payload[at], 4, 16)
        at += 0 if head & 0x80 else sizes[head >> 2 & 3]
        at += 2 if head & 0x10 else 0
        at += 0 if head & 0x20 else 1 + payload[at]
    return payload[:32], payload[32:64], payload[at + 1 + payload[at] :].decode()


def read_card(key, chunks):  # files.md, people.md: (name, account, devices, inbox key)
    sealed = [
        (n.to_bytes(11, "big") + bytes([n == len(chunks) - 1]), chunk) for n, chunk in enumerate(chunks)
    ]
    card = b"".join(AESGCM(key).decrypt(nonce, chunk, LABEL + b"chunk") for nonce, chunk in sealed)
    card = card.rstrip(b"\0").removesuffix(b"\x80")
    found = uncbor(card[:-64])
    verify(found[0], b"card", card[:-64], card[-64:])
    account, _, devices = uncbor(found[4][:-64])
    verify(account, b"device list", found[4][:-64], found[4][-64:])
    assert account == found[0], "somebody else's device list"
    return found[2], account, [device.hex() for device, _ in devices], found[6]


def read_claim(record, seed, relay, inbox_private):  # operations.md, people.md: the Welcome envelope
    body = [1, 1, h(b"token" + prf(seed, b"invite read")), h(b"token" + prf(seed, b"invite write"))]
    admin = ed25519.Ed25519PrivateKey.from_private_bytes(prf(seed, b"invite admin")).public_key()
    log = h(cbor([*body, [admin.public_bytes_raw()], prf(seed, b"invite nonce")]))
    seq, turn, advance, entry, signed, value = record
    start = h(cbor(["whimbrel/1 chain", log]))
    assert value == h(cbor(["whimbrel/1 chain", start, seq, turn, advance, h(entry), signed])), "the chain"
    change, key, signature = uncbor(signed)
    assert (uncbor(change)[0], key) == (1, admin.public_bytes_raw()), (
        "not the first change, by the seed's key"
    )
    verify(key, b"change", cbor([relay, log, change]), signature)
    secret = hashlib.shake_256(inbox_private).digest(96)
    ml_kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(secret[:64])
    private = hpke.MLKEM768X25519PrivateKey(ml_kem, x25519.X25519PrivateKey.from_private_bytes(secret[64:]))
    letter = HPKE.decrypt(uncbor(entry)[2], private, LABEL + b"inbox letter\0" + log)
    tag, *envelope = uncbor(letter, padded=True)
    assert (tag, envelope[4], envelope[5]) == (1, log, relay), "not a Welcome to this log"
    assert [h(b"token" + token) for token in envelope[7:9]] == uncbor(change)[1:3], "other tokens"
    return envelope


def texts_of(says):  # people.md, content.md: the texts of plain messages
    payloads = [uncbor(bytes.fromhex(one["says"]), padded=True) for one in says if "says" in one]
    parts = [uncbor(body)[6] for kind, _seq, _h, body in payloads if kind == 1]
    return [content.decode() for _, _, cardinality, _, content in parts if cardinality == 1]


def main(path):
    story = json.loads(Path(path).read_text())
    raw = bytes.fromhex
    seed, relay, name = read_invite(story["invite"])
    chunks = [raw(chunk) for chunk in story["card"]["chunks"]]
    card_name, account, devices, inbox_key = read_card(prf(seed, b"invite card key"), chunks)
    claim = [*story["claim"][:3], *map(raw, story["claim"][3:])]
    envelope = read_claim(claim, seed, relay, raw(story["inviter"]["inbox private"]))
    found = {"relay": relay, "card": prf(seed, b"invite card id"), "account": account, "inbox key": inbox_key}
    found |= {"log": envelope[4], "conversation": envelope[0], "read": envelope[7], "write": envelope[8]}
    names = {"names": [name, card_name], "devices": devices, "texts": texts_of(story["says"])}
    print(json.dumps({**{key: value.hex() for key, value in found.items()}, **names}))


if __name__ == "__main__":
    main(sys.argv[1])
