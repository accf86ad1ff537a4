"""Opens a Welcome of the hybrid suite, by docs/protocol/mls.md and RFC 9420: no MLS library, nothing of Whimbrel.

    independent_welcome.py pair.json     says which group it is, in which epoch, with which extensions and tokens

A joiner knows the secrets of the epoch before it looks at the tree, so the log's tokens can be compared with the letter's.
"""

import hashlib
import hmac
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from independent_client import uncbor

HPKE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA384, hpke.AEAD.AES_256_GCM)
NH = 48


class Reader:  # TLS presentation language, with the lengths of RFC 9420 §2.1.2
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def vector(self):
        size = 1 << (self.data[self.at] >> 6)
        return self.take(self.number(size) & (1 << 8 * size - 2) - 1)

    def extensions(self):
        inner, found = Reader(self.vector()), {}
        while inner.at < len(inner.data):
            kind = inner.number(2)
            found[kind] = inner.vector()
        return found


def vector(data):
    size = len(data)
    return (bytes([size]) if size < 64 else (0x4000 | size).to_bytes(2, "big") if size < 1 << 14
            else (0x80000000 | size).to_bytes(4, "big")) + data  # fmt: skip


def expand(secret, label, context=b"", size=NH):
    return HKDFExpand(
        SHA384(), size, size.to_bytes(2, "big") + vector(b"MLS 1.0 " + label) + vector(context)
    ).derive(secret)


def open_welcome(welcome, package, private):  # §12.4.3.1: epoch secret, group id, epoch, extensions of both
    message = Reader(welcome)
    assert [message.number(2) for _ in range(3)] == [1, 3, 0x004E], "no Welcome of the hybrid suite"
    secrets, sealed_info, sealed = Reader(message.vector()), message.vector(), {}
    while secrets.at < len(secrets.data):
        reference = secrets.vector()
        sealed[reference] = secrets.vector() + secrets.vector()
    reference = hashlib.sha384(vector(b"MLS 1.0 KeyPackage Reference") + vector(package[4:])).digest()
    seed = hashlib.shake_256(private).digest(96)
    x = x25519.X25519PrivateKey.from_private_bytes(seed[64:])
    key = hpke.MLKEM768X25519PrivateKey(mlkem.MLKEM768PrivateKey.from_seed_bytes(seed[:64]), x)
    info = vector(b"MLS 1.0 Welcome") + vector(sealed_info)
    opened = Reader(HPKE.decrypt(sealed[reference], key, info))
    member = hmac.digest(opened.vector(), bytes(NH), "sha384")
    path = opened.vector() if opened.number(1) else None
    assert opened.vector() == b"", "a PSK"
    secret = expand(member, b"welcome")
    plain = AESGCM(expand(secret, b"key", size=32)).decrypt(
        expand(secret, b"nonce", size=12), sealed_info, None
    )
    info = Reader(plain)
    assert [info.number(2) for _ in range(2)] == [1, 0x004E]
    group, epoch, _tree, transcript = info.vector(), info.number(8), info.vector(), info.vector()
    context = info.extensions()
    epoch_secret = expand(member, b"epoch", plain[: info.at])
    beside = info.extensions()
    tag = hmac.digest(expand(epoch_secret, b"confirm"), transcript, "sha384")
    assert info.vector() == tag, "the confirmation"
    return epoch_secret, group, epoch, context, beside, path


def export(epoch_secret, label, context):
    secret = expand(expand(epoch_secret, b"exporter"), label)
    return expand(secret, b"exported", hashlib.sha384(context).digest(), 32)


def node_key(
    path_secret,
):  # §7.4 and mls.md: the public key of the node where a joiner and the committer meet
    seed = hashlib.shake_256(expand(path_secret, b"node")).digest(32)
    halves = hashlib.shake_256(seed).digest(96)
    ml_kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(halves[:64]).public_key().public_bytes_raw()
    return ml_kem + x25519.X25519PrivateKey.from_private_bytes(halves[64:]).public_key().public_bytes_raw()


def main(path, *part):
    story = json.loads(Path(path).read_text())
    story = story[part[0]] if part else story
    letter = uncbor(bytes.fromhex(story["letter"]))
    package, private = (bytes.fromhex(story["key package"][name]) for name in ("message", "init private"))
    secret, group, epoch, context, beside, path = open_welcome(letter[12], package, private)
    tokens = [export(secret, label, group) for label in (b"whimbrel/1 read", b"whimbrel/1 write")]
    assert tokens == letter[8:10], "other tokens than in the letter"
    assert path is None or vector(node_key(path)) in letter[13], "a key that is not in the tree"
    names = {f"{kind:04x}": content.hex() for kind, content in context.items()}
    said = {"group": group.hex(), "epoch": epoch, "context": names, "beside": len(beside)}
    print(json.dumps({**said, "path": path is not None}))


if __name__ == "__main__":
    main(*sys.argv[1:])
