"""Checks vectors/content.json and files.json by docs/protocol alone: nothing here comes from Whimbrel.

independent_content.py content.json files.json
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from independent_client import LABEL
from independent_people import padded_length

CHUNK = 65536
raw = bytes.fromhex


def uri(kind, key):
    return f"mimi://whimbrel.invalid/{kind}/{base64.b32encode(key).decode().rstrip('=').lower()}".encode()


def message_id(content, account, conversation):
    uris = b"".join(len(one).to_bytes(2, "big") + one for one in (uri("u", account), uri("r", conversation)))
    return b"\1" + hashlib.sha256(uris + content + cbor2.loads(content)[0]).digest()[:31]


def seal(key, content):
    padded = (content + b"\x80").ljust(padded_length(len(content)), b"\0")
    pieces = [padded[at : at + CHUNK] for at in range(0, len(padded), CHUNK)]
    nonces = [n.to_bytes(11, "big") + bytes([n == len(pieces) - 1]) for n in range(len(pieces))]
    return [AESGCM(key).encrypt(*pair, LABEL + b"chunk") for pair in zip(nonces, pieces, strict=True)]


def check_extensions(extensions):
    """Mentions, media and forwarding, read as "Our own extensions" has them."""
    ((start, length, account),) = extensions["a text that names somebody"]["mentions"]
    assert ("Hello @Bo"[start : start + length], len(account)) == ("@Bo", 32)
    width, height, duration, waveform, thumbhash, voice = range(1, 7)
    for what in ("a picture of which something is known", "an edit of a message with a file"):
        ((part, known),) = extensions[what]["media"].items()
        assert part == 2, "the whole is part 0, the text part 1"
        assert (known[width], known[height], len(known[thumbhash]), voice in known) == (1280, 960, 25, False)
    spoken = extensions["a voice note, forwarded"]
    assert spoken["forwarded"] is True
    assert (spoken["media"][0][duration], len(spoken["media"][0][waveform]), spoken["media"][0][voice]) == (
        4200,
        32,
        True,
    )


def main(content_path, files_path):
    content, files = json.loads(Path(content_path).read_text()), json.loads(Path(files_path).read_text())
    for message in content["messages"]:
        encoded = raw(message["encoded"])
        assert cbor2.dumps(cbor2.loads(encoded), canonical=True) == encoded, message["what"]
        place = raw(content["account"]), raw(content["conversation"])
        assert message_id(encoded, *place).hex() == message["id"], message["what"]
    extensions = {message["what"]: cbor2.loads(raw(message["encoded"]))[5] for message in content["messages"]}
    check_extensions(extensions)
    report = [[message.hex(), status] for message, status in cbor2.loads(raw(content["report"]["encoded"]))]
    assert report == content["report"]["value"]
    for size in files["sizes"]:
        padded = padded_length(size["size"])
        chunks = -(-padded // CHUNK)
        assert (padded, chunks, padded + 16 * chunks) == (size["padded"], size["chunks"], size["sealed"])
    key, counting = raw(files["key"]), bytes(range(256)) * 600
    small, large = (seal(key, counting[: files[name]["size"]]) for name in ("small", "large"))
    assert [chunk.hex() for chunk in small] == files["small"]["chunks"]
    assert [hashlib.sha256(chunk).hexdigest() for chunk in large] == files["large"]["sha256_of_chunks"]
    print(json.dumps({"messages": len(content["messages"]), "sizes": len(files["sizes"])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
