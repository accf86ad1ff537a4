"""A client of a relay, written from docs/protocol and its vectors alone: nothing here comes from Whimbrel.

independent_client.py ADDRESS new > room.json       makes a log, with the admission in the address (HTTP)
independent_client.py ADDRESS send room.json TEXT…  appends an entry for each text, sealed to the room (a stream)
independent_client.py ADDRESS fetch room.json       prints what is in the log, a JSON line each (HTTP)
independent_client.py ADDRESS watch room.json N     prints N entries as they come (a stream)
"""

import base64
import hashlib
import hmac
import io
import json
import os
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import cbor2
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ed25519, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from websockets.sync.client import connect

LABEL = b"whimbrel/1 "
HPKE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
SIZES = (2048, 4096, 8192, 16384, 32768, 73728, 147456, 278528, 557056, 1114112)
CREATED, APPENDED, FETCHED, WATCHED = 16, 17, 18, 19
TAG = 60000  # of the letters in our entries: unknown to everybody else, so passed over


def check(holds, what):
    if not holds:
        raise SystemExit(f"refused: {what}")


def h(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def cbor(value):
    return cbor2.dumps(value, canonical=True)


def uncbor(data, padded=False):
    plain = data.rstrip(b"\0").removesuffix(b"\x80") if padded else data
    value = cbor2.loads(plain)
    check(cbor(value) == plain, "CBOR that is not in its one encoding")
    return value


def parse_address(text):
    """texts.md: (identity, ways, admission) of an address whose ways have names or IPv4 addresses and no extras."""
    letters = "".join(text.split()).upper().rpartition("WHIMBREL:")[2]
    data = base64.b32decode(letters + "=" * (-len(letters) % 8))
    check(data[:3] == b"\1" + (0x1000 + len(data) - 7).to_bytes(2, "big"), "not an address of version 1")
    check(data[-4:] == h(LABEL + b"text\0" + data[:-4])[:4], "the checksum of the address")
    take = io.BytesIO(data[3:-4]).read
    identity, ways, host, path = take(32), [], "", ""
    for _ in range(take(1)[0]):
        head = take(1)[0]
        check(not head & 0x48, "a way with extras or an address of IPv6")
        given = ".".join(map(str, take(4))) if head & 4 else "" if head & 0x80 else take(take(1)[0]).decode()
        host = given or host
        port = int.from_bytes(take(2), "big") if head & 0x10 else (443, 443, 80, 80)[head & 3]
        path = path if head & 0x20 else take(take(1)[0]).decode()
        ways.append(f"http{'' if head & 2 else 's'}://{host}:{port}/{path}")
    return identity, ways, take(take(1)[0])


class Relay:  # letters.md: the key document, and sealed exchanges by HTTP
    def __init__(self, address):
        self.identity, [self.url, *_], self.admission = parse_address(address)
        body, signature = uncbor(self.post(b"\0").removeprefix(b"\2"))
        signer = ed25519.Ed25519PublicKey.from_public_bytes(self.identity)
        signer.verify(signature, LABEL + b"key document\0" + body)
        identity, self.number, _, _, kem, key, features, limits, _ = uncbor(body)
        check((identity, kem) == (self.identity, 0x647A), "the document of another relay, or another KEM")
        check(all(n % 2 for n in {*features, *limits} - {0, 2, 4, 6, 8}), "what this client does not know")
        ml_kem = mlkem.MLKEM768PublicKey.from_public_bytes(key[:1184])
        x = x25519.X25519PublicKey.from_public_bytes(key[1184:])
        self.key = hpke.MLKEM768X25519PublicKey(ml_kem, x)

    def post(self, letter):
        request = Request(self.url, letter, {"Content-Type": "application/octet-stream"})
        with urlopen(request, timeout=40) as answer:
            return answer.read()

    def seal(self, operations, share=None):
        secret = os.urandom(32)
        plain, overhead = cbor([secret, share, operations]), 2 + 1120 + 16
        size = next(size for size in SIZES if size > len(plain) + overhead) - overhead
        info = LABEL + b"request\0\x01" + self.identity + self.number.to_bytes(8, "big")
        sealed = HPKE.encrypt((plain + b"\x80").ljust(size, b"\0"), self.key, info)
        return bytes([1, self.number % 256]) + sealed, secret

    def open(self, letter, secret, answer):
        check(answer[0] == 3, "not an answer")
        prk = hmac.digest(letter[2:1122] + answer[1:33], secret, "sha256")
        key = hmac.digest(prk, LABEL + b"response key\x01", "sha256")
        nonce = hmac.digest(prk, LABEL + b"response nonce\x01", "sha256")[:12]
        return uncbor(ChaCha20Poly1305(key).decrypt(nonce, answer[33:], None), padded=True)

    def ask(self, *operations):
        letter, secret = self.seal(operations)
        return self.open(letter, secret, self.post(letter))[2]


class Stream:  # streams.md: opened with operations in its first letter, whose answers are in `first`
    def __init__(self, relay, socket, *operations):
        private = x25519.X25519PrivateKey.generate()
        letter, secret = relay.seal(operations, private.public_key().public_bytes_raw())
        self.socket = socket
        self.socket.send(letter)
        answer = self.socket.recv(timeout=30)
        share, _, self.first = relay.open(letter, secret, answer)
        secret = private.exchange(x25519.X25519PublicKey.from_public_bytes(share)) + secret
        prk = hmac.digest(h(letter) + h(answer), secret, "sha256")
        self.up = ChaCha20Poly1305(hmac.digest(prk, LABEL + b"stream to relay\x01", "sha256"))
        self.down = ChaCha20Poly1305(hmac.digest(prk, LABEL + b"stream to app\x01", "sha256"))
        self.sent, self.received, self.pushed = 0, 0, []

    def ask(self, *operations):
        n = self.sent + 1
        self.socket.send(self.up.encrypt(self.sent.to_bytes(12, "big"), cbor([0, n, operations]), None))
        self.sent = n
        while (frame := self.receive())[:2] != [0, n]:
            self.pushed.append(frame)
        return frame[2]

    def receive(self):
        nonce, self.received = self.received.to_bytes(12, "big"), self.received + 1
        return uncbor(self.down.decrypt(nonce, self.socket.recv(timeout=60), None))


class Room:  # a log (operations.md), and the seed of the inbox key (people.md) that its entries are sealed to
    def __init__(self, read, write, nonce, seed):
        self.read, self.write = read, write
        self.body = cbor([1, 1, h(b"token", read), h(b"token", write), [], nonce])
        self.log = h(self.body)
        self.seq, self.turn, self.h = 0, 0, h(cbor(["whimbrel/1 chain", self.log]))
        secret = hashlib.shake_256(seed).digest(96)
        ml_kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(secret[:64])
        x = x25519.X25519PrivateKey.from_private_bytes(secret[64:])
        self.key = hpke.MLKEM768X25519PrivateKey(ml_kem, x)
        self.info = LABEL + b"inbox letter\0" + self.log

    def entry(self, text):
        plain = (cbor([TAG, text]) + b"\x80").ljust(1024, b"\0")
        return cbor([3, os.urandom(16), HPKE.encrypt(plain, self.key.public_key(), self.info)])

    def take(self, answer, ask):
        """The records in an answer, each of which has to follow what was read, and what follows them."""
        check(answer[0] == FETCHED, f"the relay answers {answer}")
        for seq, turn, advance, entry, change, value in answer[1].get(0, []):
            if seq <= self.seq:
                continue
            self.h = h(cbor(["whimbrel/1 chain", self.h, seq, turn, advance, h(entry), change]))
            check((seq, turn, value) == (self.seq + 1, self.turn, self.h), "the chain is broken")
            self.seq, self.turn = seq, turn + advance
            tag, text = uncbor(HPKE.decrypt(uncbor(entry)[2], self.key, self.info), padded=True)
            if tag == TAG:
                print(json.dumps({"seq": seq, "text": text}), flush=True)
        if 4 in answer[1]:
            self.fetch(ask)
        elif isinstance(head := answer[1][2], list):  # else the last record says all but a number
            check(head[:3] == [self.seq, self.turn, self.h], "another head than the records say")

    def fetch(self, ask):
        self.take(ask([3, {0: self.log, 2: self.read, 4: self.seq}])[0], ask)


def main(address, what, path="", *rest):
    secrets = json.loads(Path(path).read_text()) if path else [os.urandom(32).hex() for _ in range(4)]
    relay, room = Relay(address), Room(*map(bytes.fromhex, secrets))
    if what == "new":
        [[number, made]] = relay.ask([1, {0: room.body, 2: relay.admission}])
        check(number == CREATED and made[0][:3] == [0, 0, room.h], f"the relay answers {number}")
        print(json.dumps(secrets))
    elif what == "fetch":
        room.fetch(relay.ask)
    else:
        with connect(relay.url.replace("http", "ws", 1), compression=None, max_size=SIZES[-1]) as socket:
            stream = Stream(relay, socket, [4, {2: [[7, room.log, room.read, 0]]}])
            check(stream.first[0][0] == WATCHED, f"the relay answers {stream.first}")
            room.take(stream.first[0][1][2][0][1], stream.ask)
            if what == "send":
                append = {0: room.log, 2: room.write, 4: room.turn, 6: [room.entry(text) for text in rest]}
                [[number, done]] = stream.ask([2, append])
                check(number == APPENDED, f"the relay answers {number}")
            last = done.get(2, done[0]) if what == "send" else int(rest[0])
            while room.seq < last:
                kind, _, *what_came = stream.pushed.pop(0) if stream.pushed else stream.receive()
                if kind == 2:
                    room.take(what_came[0], stream.ask)
            check(what == "watch" or room.seq > last or room.h == done[6], "another h than answered")


if __name__ == "__main__":
    main(*sys.argv[1:])
