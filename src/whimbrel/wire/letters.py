"""Letters: one sealed request, one sealed answer, complete in themselves (in the manner of RFC 9458).

    request    00                                                  key?
               01 ‖ number mod 256 ‖ enc (1120) ‖ ciphertext       HPKE (RFC 9180, base mode) to the key document's key
    response   02 ‖ key document                                   unsealed: to key?, or to a key that is gone
               03 ‖ nonce (32) ‖ ciphertext                        under a key of the reply secret, enc and nonce

Inside a request: CBOR `[reply secret, share or null, [operations]]`; inside a response: CBOR `[share or null, key
document or null, [answers]]`; then 80 00 00… up to one of a few sizes. Shares open a stream (`streams`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from . import keydoc
from .cbor import encode_ordered
from .errors import GoneKey, Malformed, NotForUs, TooLarge
from .fields import exactly
from .keydoc import KeyDocument, private_kem, public_kem
from .purpose import labelled

KEY_ASKED, REQUEST, KEY_DOCUMENT, RESPONSE = range(4)
"""The first byte of a letter; 4 to 8 are for letters in pieces (`pieces`), 9 to 15 are free, 16 and above are kept for
tickets."""

LETTER_SIZES = (2048, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 73728, 147456, 278528, 557056, 1114112)
"""Bytes of a whole request. The last five have room for 1, 2, 4, 8 and 16 chunks of a blob and what stands beside."""
RESPONSE_SIZES = (512, *LETTER_SIZES)
"""Bytes of a whole response."""
LETTER_MAX = LETTER_SIZES[-1]

SECRET = 32
"""Bytes of a reply secret, a share, a response nonce."""
_ENC = 1120
_TAG = 16
_START_REQUEST = 2 + _ENC
_START_RESPONSE = 1 + SECRET
_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


class RelayKeys:
    """The private keys of a relay and the documents that name them: this week's, and those not destroyed yet."""

    def __init__(self, document: KeyDocument, privates: Mapping[int, bytes]) -> None:
        """`document` is the newest, `privates` the private keys (32 bytes each) by number, the newest's among them."""
        if document.number not in privates:
            raise ValueError("the private key of the newest document is missing")
        self.document = document
        self._privates = {
            number & 0xFF: (number, private_kem(private)) for number, private in privates.items()
        }
        if len(self._privates) != len(privates):
            raise ValueError("two live keys whose numbers end in the same byte")

    def private(self, short_number: int) -> tuple[int, hpke.MLKEM768X25519PrivateKey]:
        """The key whose number ends in this byte. Raises GoneKey."""
        try:
            return self._privates[short_number]
        except KeyError:
            raise GoneKey("a letter to a key that this relay does not have (any more)") from None

    def document_answer(self) -> bytes:
        """The answer to `ask_keys`, and to a letter that raised GoneKey or NotForUs."""
        return bytes((KEY_DOCUMENT,)) + self.document.encoded

    def news_for(self, number: int) -> bytes | None:
        """The newest document when this number is an older one's, to go with the next answer."""
        return self.document.encoded if number < self.document.number else None


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """What a relay finds in a letter. `number` is that of the key it was sealed to."""

    reply_secret: bytes = field(repr=False)
    operations: bytes
    share: bytes | None
    enc: bytes
    number: int


@dataclass(frozen=True, slots=True)
class SealedRequest:
    """A letter and what its sender needs to open the answer."""

    letter: bytes
    reply_secret: bytes = field(repr=False)

    @property
    def enc(self) -> bytes:
        """The encapsulated key in the letter."""
        return self.letter[2:_START_REQUEST]


@dataclass(frozen=True, slots=True)
class OpenedResponse:
    """What an app finds in an answer; `document` (bytes) when the relay has a newer key."""

    answers: bytes
    share: bytes | None
    document: bytes | None


def ask_keys() -> bytes:
    """The letter that only asks for the key document."""
    return bytes((KEY_ASKED,))


def is_asking_keys(data: bytes) -> bool:
    """Whether a relay should answer with its document. What follows the first byte is padding."""
    return data[:1] == bytes((KEY_ASKED,))


def is_key_document(data: bytes) -> bool:
    """Whether an answer is an unsealed key document: open it with `open_key_document`."""
    return data[:1] == bytes((KEY_DOCUMENT,))


def open_key_document(data: bytes, identity: bytes) -> KeyDocument:
    """The document in an unsealed answer, checked. Raises as `keydoc.decode`."""
    if not is_key_document(data):
        raise Malformed("not a key document")
    return keydoc.decode(data[1:], identity)


def seal_request(
    document: KeyDocument, operations: bytes, reply_secret: bytes, share: bytes | None = None
) -> SealedRequest:
    """A letter with these encoded operations. `reply_secret`: 32 random bytes, never used for another letter.

    Raises ValueError when the operations are too much for one letter.
    """
    inner = b"\x83" + _bytes32(reply_secret) + (b"\xf6" if share is None else _bytes32(share)) + operations
    padded = _pad(inner, LETTER_SIZES, _START_REQUEST + _TAG)
    sealed = _SUITE.encrypt(padded, public_kem(document.public), _info(document.identity, document.number))
    return SealedRequest(bytes((REQUEST, document.number & 0xFF)) + sealed, reply_secret)


def open_request(keys: RelayKeys, data: bytes) -> OpenedRequest:
    """A letter, by the relay. Raises GoneKey, NotForUs (answer both with the document), Malformed, TooLarge."""
    if len(data) > LETTER_MAX:
        raise TooLarge("a letter above the largest size")
    if len(data) < _START_REQUEST + _TAG or data[0] != REQUEST:
        raise Malformed("not a letter")
    number, private = keys.private(data[1])
    try:
        padded = _SUITE.decrypt(data[2:], private, _info(keys.document.identity, number))
    except (InvalidTag, ValueError):
        raise NotForUs("a letter that does not open: altered, or sealed to another relay") from None
    inner = _unpad(padded)
    if inner[:3] != b"\x83\x58\x20":
        raise Malformed("not the inside of a letter")
    share, operations = _optional(inner, 3 + SECRET)
    return OpenedRequest(inner[3 : 3 + SECRET], operations, share, data[2:_START_REQUEST], number)


def seal_response(
    opened: OpenedRequest,
    nonce: bytes,
    answers: bytes,
    share: bytes | None = None,
    document: bytes | None = None,
) -> bytes:
    """The answer to an opened letter. `nonce`: 32 random bytes, new for each answer; `document`: `keys.news_for`.

    Raises ValueError when the answers are too much for one letter.
    """
    inner = b"\x83" + (b"\xf6" if share is None else _bytes32(share)) + encode_ordered(document) + answers
    padded = _pad(inner, RESPONSE_SIZES, _START_RESPONSE + _TAG)
    key, iv = _response_key(opened.enc, opened.reply_secret, nonce)
    return bytes((RESPONSE,)) + nonce + ChaCha20Poly1305(key).encrypt(iv, padded, None)


def open_response(request: SealedRequest, data: bytes) -> OpenedResponse:
    """The answer to a letter, by the app. Raises NotForUs, Malformed, TooLarge.

    Look with `is_key_document` first: such an answer is not sealed.
    """
    if len(data) > LETTER_MAX:
        raise TooLarge("an answer above the largest size")
    if len(data) < _START_RESPONSE + _TAG or data[0] != RESPONSE:
        raise Malformed("not an answer to a letter")
    key, iv = _response_key(request.enc, request.reply_secret, data[1:_START_RESPONSE])
    try:
        padded = ChaCha20Poly1305(key).decrypt(iv, data[_START_RESPONSE:], None)
    except InvalidTag:
        raise NotForUs("an answer that does not open: altered, or to another letter") from None
    inner = _unpad(padded)
    if inner[:1] != b"\x83":
        raise Malformed("not the inside of an answer")
    share, rest = _optional(inner, 1)
    document = None
    if rest[:1] == b"\xf6":
        rest = rest[1:]
    elif rest[:1] == b"\x59" and int.from_bytes(rest[1:3], "big") > 255:
        end = 3 + int.from_bytes(rest[1:3], "big")
        document, rest = exactly(rest[3:end], end - 3), rest[end:]
    else:
        raise Malformed("not the inside of an answer")
    return OpenedResponse(rest, share, document)


def _info(identity: bytes, number: int) -> bytes:
    return labelled("request") + b"\x00" + bytes((REQUEST,)) + identity + number.to_bytes(8, "big")


def _response_key(enc: bytes, reply_secret: bytes, nonce: bytes) -> tuple[bytes, bytes]:
    # RFC 9458, section 4.4, with the reply secret in the place of the exported one.
    prk = HKDF.extract(SHA256(), enc + nonce, reply_secret)
    key = HKDFExpand(SHA256(), 32, labelled("response key")).derive(prk)
    iv = HKDFExpand(SHA256(), 12, labelled("response nonce")).derive(prk)
    return key, iv


def _bytes32(value: bytes) -> bytes:
    if len(value) != SECRET:
        raise ValueError("secrets, shares and nonces have 32 bytes")
    return b"\x58\x20" + value


def _optional(inner: bytes, start: int) -> tuple[bytes | None, bytes]:
    """32 bytes or null at `start`, and what follows."""
    if inner[start : start + 1] == b"\xf6":
        return None, inner[start + 1 :]
    end = start + 2 + SECRET
    if inner[start : start + 2] != b"\x58\x20" or len(inner) < end:
        raise Malformed("a share is missing")
    return inner[start + 2 : end], inner[end:]


def _pad(inner: bytes, sizes: tuple[int, ...], around: int) -> bytes:
    needed = len(inner) + 1 + around
    for size in sizes:
        if needed <= size:
            return inner + b"\x80" + bytes(size - needed)
    raise ValueError(f"{len(inner)} bytes are too much for one letter")


def _unpad(padded: bytes) -> bytes:
    inner = padded.rstrip(b"\x00")
    if not inner.endswith(b"\x80"):
        raise Malformed("a letter without the mark before its padding")
    return inner[:-1]
