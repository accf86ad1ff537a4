"""Makes docs/protocol/vectors: every operation, answer, stored thing, letter, frame and text, with its bytes.

    PYTHONPATH=src python tests/wire/make_vectors.py

Everything is made from fixed bytes, so that a second run changes nothing. The exception are sealed requests, because HPKE
draws its own randomness: those that are there are kept as long as they open to what they should.

In the files `h'…'` is a byte string, as in CBOR's diagnostic notation; a value of the protocol is an object whose `is` names
it and whose other keys are its fields.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from whimbrel.wire import (
    admission,
    answers,
    cbor,
    chain,
    codec,
    keydoc,
    letters,
    operations,
    pieces,
    proofs,
    streams,
    texts,
)
from whimbrel.wire.admission import Limits
from whimbrel.wire.answers import (
    Altered,
    Answer,
    Appended,
    Chunk,
    Created,
    Done,
    Extent,
    Failure,
    Fetched,
    Head,
    Part,
    Pushed,
    Record,
    RouteList,
    Signalled,
    Status,
    Watched,
)
from whimbrel.wire.asking import encode_operation
from whimbrel.wire.errors import WireError
from whimbrel.wire.letters import OpenedRequest, RelayKeys, SealedRequest
from whimbrel.wire.operations import (
    PART,
    SEALED_CHUNK,
    Alter,
    Append,
    Change,
    Create,
    Drop,
    Entry,
    EntryKind,
    Fetch,
    Get,
    Grant,
    Keep,
    LogBody,
    LogKind,
    Operation,
    Pointer,
    Proof,
    Put,
    Routes,
    Signal,
    Stat,
    Unknown,
    Watch,
    WatchItem,
)
from whimbrel.wire.pieces import AnswerPiece, Got, Reason, Refused
from whimbrel.wire.purpose import digest, labelled, public_of, token_hash
from whimbrel.wire.routes import Route, write_routes
from whimbrel.wire.texts import Address, Invite, OneUse, Open

FOLDER = Path(__file__).parents[2] / "docs" / "protocol" / "vectors"

Json = Any


# ------------------------------------------------------------------------------------- values as JSON and back


def to_json(value: Any) -> Json:
    """A value of the protocol as JSON."""
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [to_json(part) for part in value]
    if isinstance(value, dict):
        return {str(key): to_json(part) for key, part in value.items()}
    if dataclasses.is_dataclass(value):
        return {
            "is": type(value).__name__,
            **{field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)},
        }
    assert value is None or isinstance(value, bool | int | str)
    return value


def from_json(value: Json) -> Any:
    """The value back: arrays are tuples, enums plain numbers (equal to theirs)."""
    if isinstance(value, str) and value.startswith("h'"):
        return bytes.fromhex(value[2:-1])
    if isinstance(value, list):
        return tuple(from_json(part) for part in value)
    if isinstance(value, dict):
        fields = {key: from_json(part) for key, part in value.items() if key != "is"}
        if "is" not in value:
            return {int(key): part for key, part in fields.items()}
        return _TYPES[value["is"]](**fields)
    return value


def _failure(status: int, **fields: Any) -> Failure:
    return Failure(Status(status), **fields)


_TYPES: dict[str, Callable[..., Any]] = {
    kind.__name__: kind
    for module in (operations, answers, admission, texts, keydoc, pieces)
    for kind in vars(module).values()
    if dataclasses.is_dataclass(kind) and isinstance(kind, type)
}
_TYPES["Failure"] = _failure


# -------------------------------------------------------------------------------------------------- fixed bytes


def fixed(name: str, size: int = 32) -> bytes:
    """Bytes that stand for something: SHA-256 of a name, repeated with a count as often as needed."""
    out = b"".join(
        hashlib.sha256(f"whimbrel vector: {name} {i}".encode()).digest() for i in range(size // 32 + 1)
    )
    return out[:size]


IDENTITY_PRIVATE = fixed("relay identity")
IDENTITY = public_of(IDENTITY_PRIVATE)
ADMIN_PRIVATE = fixed("admin of the log")
ADMIN = public_of(ADMIN_PRIVATE)
READ, WRITE = fixed("read token"), fixed("write token")
BODY = LogBody(LogKind.CONVERSATION, token_hash(READ), token_hash(WRITE), (ADMIN,), fixed("nonce"))
LOG = codec.log_id(codec.encode_log_body(BODY))
ENTRY = codec.encode_entry(Entry(EntryKind.MLS, fixed("own tag", 16), fixed("private message", 40)))
LONGER = codec.encode_entry(Entry(EntryKind.SEALED, fixed("own tag 2", 16), fixed("sealed", 300)))
BLOB = fixed("blob")
CHANGE = Change(
    1,
    token_hash(fixed("read token 2")),
    token_hash(fixed("write token 2")),
    (ADMIN, public_of(fixed("second admin"))),
)
GRANTS = Change(
    2,
    grants=(
        Grant(token_hash(fixed("granted")), 1000, 1_000_000),
        Grant(token_hash(fixed("granted 2")), 0, 0),
    ),
    revokes=(token_hash(fixed("revoked")),),
)
SIGNED = proofs.sign_change(CHANGE, ADMIN_PRIVATE, IDENTITY, LOG)
HEAD = Head(7, 3, fixed("h"), 2)
ROOT = fixed("admission root")
HOST = admission.mint(ROOT, fixed("host", 8), Limits(logs=1000, until=1_900_000_000))
GUEST = admission.narrow(HOST, fixed("guest", 8), Limits(1, 20, 200))
WAYS = (
    Route("wss", "relay.example.org", 443, "/k3jq7zp2mf5x4c6w"),
    Route("wss", "203.0.113.7", 8443, "/k3jq7zp2mf5x4c6w"),
    Route(
        "https", "2001:db8::7", 443, "/k3jq7zp2mf5x4c6w", "cdn.example.net", ("198.51.100.9", "2001:db8::9")
    ),
)

_ASKED: dict[str, Operation] = {
    "create": Create(BODY, admission.encode_admission(HOST)),
    "append": Append(LOG, WRITE, 3, (ENTRY,)),
    "append several": Append(LOG, WRITE, 0, (ENTRY, LONGER)),
    "append a commit with a change, by an admin": dataclasses.replace(
        Append(LOG, WRITE, 3, (ENTRY,), advance=True, change=SIGNED, needs=(BLOB,)),
        admin=proofs.append_proof(
            ADMIN_PRIVATE,
            IDENTITY,
            Append(LOG, WRITE, 3, (ENTRY,), advance=True, change=SIGNED, needs=(BLOB,)),
        ),
    ),
    "fetch from the first": Fetch(LOG, READ, 0),
    "fetch a few": Fetch(LOG, READ, 1_000_000, 50),
    "fetch without two own entries": Fetch(LOG, READ, 7, 50, (fixed("own one", 16), fixed("own two", 16))),
    "watch two logs": Watch(items=(WatchItem(0, LOG, READ, 7), WatchItem(300, BLOB, READ, 0))),
    "watch with a handle": Watch(fixed("handle", 16), (WatchItem(1, LOG, READ, 9),), (0, 300), 25),
    "watch as before": Watch(fixed("handle", 16)),
    "watch without an own entry": Watch(fixed("handle", 16), wait=8, own=(fixed("own one", 16),)),
    "watch for the ninth time": Watch(fixed("handle", 16), wait=8, count=9),
    "signal": Signal(LOG, WRITE, fixed("signal", 48)),
    "alter": Alter(LOG, proofs.sign_change(GRANTS, ADMIN_PRIVATE, IDENTITY, LOG)),
    "put the only chunk": Put(BLOB, LOG, WRITE, 100, 0, fixed("chunk", 100)),
    "put the last chunk, on an admission": Put(
        BLOB, b"", admission.encode_admission(GUEST), 2 * SEALED_CHUNK + 20, 2, fixed("chunk", 20)
    ),
    "put the last part of a chunk": Put(BLOB, LOG, WRITE, SEALED_CHUNK + 2000, 1, fixed("part", 976), PART),
    "keep": Keep(LOG, WRITE, (BLOB, fixed("blob 2"))),
    "keep on an admission": Keep(b"", admission.encode_admission(GUEST), (BLOB,)),
    "get the first chunk": Get(BLOB, 0),
    "get another chunk": Get(BLOB, 2),
    "get a part of a chunk": Get(BLOB, 2, 3 * PART, 8 * PART),
    "stat": Stat(BLOB),
    "drop a log": Drop(LOG, None, proofs.drop_proof(ADMIN_PRIVATE, IDENTITY, LOG, None)),
    "drop a blob": Drop(LOG, BLOB, proofs.drop_proof(ADMIN_PRIVATE, IDENTITY, LOG, BLOB)),
    "routes": Routes(LOG, proofs.routes_proof(ADMIN_PRIVATE, IDENTITY, LOG)),
}

_RECORD = Record(7, 3, False, codec.entry_id(ENTRY), ENTRY, None, fixed("h"))
_FETCHED = Fetched((_RECORD,), HEAD, more=False, ended=False)
_ANSWERED: dict[str, Answer] = {
    "done": Done(),
    "malformed": Failure(Status.MALFORMED),
    "unknown": Failure(Status.UNKNOWN),
    "too large": Failure(Status.TOO_LARGE),
    "denied": Failure(Status.DENIED),
    "wrong turn": Failure(Status.WRONG_TURN, head=HEAD),
    "expired": Failure(Status.EXPIRED, first=120),
    "missing": Failure(Status.MISSING, missing=(BLOB,)),
    "exists": Failure(Status.EXISTS),
    "full": Failure(Status.FULL),
    "busy": Failure(Status.BUSY, retry_after=30),
    "created": Created(Head(0, 0, chain.start(LOG), 0)),
    "appended": Appended(7, 7, 3, fixed("h")),
    "appended several": Appended(7, 8, 3, fixed("h")),
    "nothing new": Fetched((), HEAD, more=False, ended=False),
    "fetched up to the head": _FETCHED,
    "fetched an advance up to the head": Fetched(
        (dataclasses.replace(_RECORD, turn=2, advance=True, change=codec.encode_signed_change(SIGNED)),),
        HEAD,
        more=False,
        ended=True,
    ),
    "fetched, one expired, and more": Fetched(
        (Record(5, 3, False, fixed("expired entry"), None, None, fixed("h 5")), _RECORD),
        Head(900, 12, fixed("h 900"), 4),
        more=True,
        ended=False,
    ),
    "watched": Watched(fixed("handle", 16), ((0, _FETCHED), (300, Failure(Status.DENIED)))),
    "watched, nothing new": Watched(fixed("handle", 16), ()),
    "altered": Altered(HEAD),
    "chunk": Chunk(fixed("chunk", 20), 2 * SEALED_CHUNK + 20),
    "part": Part(fixed("part", 20), 2 * SEALED_CHUNK + 20, 0),
    "another part": Part(fixed("part", 40), 2 * SEALED_CHUNK + 20, 3 * PART),
    "extent of nothing": Extent(100, (), 1_800_000_000),
    "extent": Extent(10 * SEALED_CHUNK, ((0, 3), (5, 6)), 1_800_000_000),
    "extent with chunks in part": Extent(
        4 * SEALED_CHUNK + 9000,
        ((0, 1),),
        1_800_000_000,
        ((2, b"\x0f" + bytes(7) + b"\x01"), (4, b"\xfe\x01")),
    ),
    "route list": proofs.sign_route_list(
        IDENTITY_PRIVATE, LOG, tuple(route.text for route in WAYS), 1_800_000_000
    ),
}


# ---------------------------------------------------------------------------------------------------- the files


def cbor_file() -> Json:
    accepted = [
        0,
        23,
        24,
        255,
        256,
        65536,
        1 << 32,
        (1 << 64) - 1,
        -1,
        -(1 << 64),
        b"",
        b"abc",
        "",
        "ä",
        [],
        [1, [2]],
        {},
    ]
    accepted += [{0: 1, 24: 2, 256: 3}, True, False, None, bytes(24), "x" * 256]
    refused = {
        "1800": "a number longer than needed",
        "1b00000000ffffffff": "a number longer than needed",
        "580161": "a length longer than needed",
        "0000": "trailing bytes",
        "": "nothing",
        "a201000000": "keys out of order",
        "a200000000": "a key twice",
        "a12000": "a negative key",
        "a1616100": "a key that is text",
        "a11a0001000000": "a key above 65535",
        "9fff": "an indefinite length",
        "5f4161ff": "an indefinite length",
        "f93c00": "a float",
        "f7": "undefined",
        "e0": "a simple value",
        "c100": "a tag",
        "c249010000000000000000": "a large number (a tag)",
        "62c328": "a text that is not UTF-8",
        "81" * 13 + "00": "thirteen arrays in one another",
        "9bffffffffffffffff": "a length beyond the data",
    }
    return {
        "accepted": [{"encoded": cbor.encode(value).hex(), "value": to_json(value)} for value in accepted],
        "refused": [{"encoded": data, "why": why} for data, why in refused.items()],
    }


def operations_file() -> Json:
    return {
        "operations": [
            {"name": name, "value": to_json(operation), "encoded": encode_operation(operation).hex()}
            for name, operation in _ASKED.items()
        ],
        "list": {
            "names": list(_ASKED),
            "sha256": hashlib.sha256(codec.encode_operations(list(_ASKED.values()))).hexdigest(),
        },
        "not well formed": [
            _odd("an unknown even key", [10, {0: BLOB, 2: 1}], Failure(Status.MALFORMED)),
            _odd("an unknown odd key is ignored", [10, {0: BLOB, 1: "later"}], Stat(BLOB)),
            _odd("a code of a later version", [13, {0: "later"}], Unknown(13)),
            _odd("a flag that is false", [2, {0: LOG, 2: WRITE, 4: 0, 6: [ENTRY], 8: False}], Failure(Status.MALFORMED)),
            _odd("the usual limit", [3, {0: LOG, 2: READ, 4: 0, 6: 500}], Failure(Status.MALFORMED)),
            _odd("two entries in an advance", [2, {0: LOG, 2: WRITE, 4: 0, 6: [ENTRY, LONGER], 8: True}], Failure(Status.MALFORMED)),
            _odd("an entry twice", [2, {0: LOG, 2: WRITE, 4: 0, 6: [ENTRY, ENTRY]}], Failure(Status.MALFORMED)),
            _odd("a chunk of another size than its place has", [7, {0: BLOB, 2: LOG, 4: WRITE, 6: 100, 10: bytes(99)}], Failure(Status.MALFORMED)),
            _odd("the first part of a chunk", [7, {0: BLOB, 2: LOG, 4: WRITE, 6: 2000, 10: bytes(1024), 12: 0}], Put(BLOB, LOG, WRITE, 2000, 0, bytes(1024), 0)),
            _odd("a part that is the whole chunk", [7, {0: BLOB, 2: LOG, 4: WRITE, 6: 100, 10: bytes(100), 12: 0}], Failure(Status.MALFORMED)),
            _odd("a part that ends between two marks", [7, {0: BLOB, 2: LOG, 4: WRITE, 6: 3000, 10: bytes(1500), 12: 0}], Failure(Status.MALFORMED)),
            _odd("a part that begins between two marks", [9, {0: BLOB, 4: 1000, 6: 1024}], Failure(Status.MALFORMED)),
            _odd("a part without its length", [9, {0: BLOB, 4: 1024}], Failure(Status.MALFORMED)),
            _odd("a signal that is too large", [5, {0: LOG, 2: WRITE, 4: bytes(16385)}], Failure(Status.TOO_LARGE)),
            _odd("a turn of 64 bits", [2, {0: LOG, 2: WRITE, 4: 1 << 63, 6: [ENTRY]}], Failure(Status.MALFORMED)),
            _odd("no operation at all", "hello", Failure(Status.MALFORMED)),
        ],
    }  # fmt: skip


def _odd(name: str, value: Any, found: Operation | Failure) -> Json:
    return {"name": name, "encoded": cbor.encode(value).hex(), "found": to_json(found)}


def answers_file() -> Json:
    return {
        "answers": [
            {"name": name, "value": to_json(answer), "encoded": codec.encode_answer(answer).hex()}
            for name, answer in _ANSWERED.items()
        ],
        "refused": [
            {"name": name, "encoded": cbor.encode(value).hex()}
            for name, value in {
                "a number that is not known": [25, {}],
                "an unknown even key": [4, {8: 0}],
                "a head that the last record says already": [
                    18,
                    {0: [[7, 3, False, ENTRY, None, fixed("h")]], 2: [7, 3, fixed("h"), 2]},
                ],
                "records out of order": [
                    18,
                    {0: [[7, 3, False, BLOB, None, BLOB], [7, 3, False, BLOB, None, BLOB]], 2: 0},
                ],
                "ranges that touch": [22, {0: 100, 2: [[0, 1], [1, 2]], 4: 0}],
                "a chunk in part of which all is there": [22, {0: 2000, 4: 0, 5: [[0, b"\x03"]]}],
                "a chunk in part of which nothing is there": [22, {0: 2000, 4: 0, 5: [[0, b"\x00"]]}],
                "a part that begins between two marks": [24, {0: b"x", 2: 2000, 4: 1000}],
            }.items()
        ],
    }


def stored_file() -> Json:
    stored: list[tuple[str, Any, bytes]] = [
        ("log body, conversation", BODY, codec.encode_log_body(BODY)),
        ("log body, inbox without admins", inbox := dataclasses.replace(BODY, kind=LogKind.INBOX, admins=()), codec.encode_log_body(inbox)),
        ("log body, self", own := dataclasses.replace(BODY, kind=LogKind.SELF), codec.encode_log_body(own)),
        ("entry, private message", codec.decode_entry(ENTRY), ENTRY),
        ("entry, sealed", codec.decode_entry(LONGER), LONGER),
        ("pointer", pointer := Pointer(BLOB, 100_000, fixed("hash")), codec.encode_pointer(pointer)),
        ("entry, pointer", entry := Entry(EntryKind.POINTER, fixed("own tag 3", 16), codec.encode_pointer(pointer)), codec.encode_entry(entry)),
        ("change, tokens and admins", CHANGE, codec.encode_change(CHANGE)),
        ("change, grants", GRANTS, codec.encode_change(GRANTS)),
        ("signed change", SIGNED, codec.encode_signed_change(SIGNED)),
    ]  # fmt: skip
    return {
        "tokens": [{"token": READ.hex(), "hash": token_hash(READ).hex()}],
        "stored": [
            {
                "name": name,
                "value": to_json(value),
                "encoded": data.hex(),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            for name, value, data in stored
        ],
    }


def chain_file() -> Json:
    h = chain.start(LOG)
    steps = []
    change = codec.encode_signed_change(SIGNED)
    for seq, turn, advance, entry, beside in (
        (1, 0, True, LONGER, None),
        (2, 1, False, ENTRY, None),
        (3, 1, True, fixed("expired"), change),
    ):
        entry_id = entry if len(entry) == 32 else codec.entry_id(entry)
        h = chain.step(h, seq, turn, advance, entry_id, beside)
        steps.append(
            {
                "seq": seq,
                "turn": turn,
                "advance": advance,
                "id": entry_id.hex(),
                "change": None if beside is None else beside.hex(),
                "h": h.hex(),
            }
        )
    return {"log": LOG.hex(), "h0": chain.start(LOG).hex(), "steps": steps}


def proofs_file() -> Json:
    append = _ASKED["append a commit with a change, by an admin"]
    drop, dropped_blob, routes = _ASKED["drop a log"], _ASKED["drop a blob"], _ASKED["routes"]
    ways = _ANSWERED["route list"]
    assert isinstance(append, Append)
    assert isinstance(drop, Drop)
    assert isinstance(dropped_blob, Drop)
    assert isinstance(routes, Routes)
    assert isinstance(ways, RouteList)
    assert append.admin is not None
    return {
        "relay": IDENTITY.hex(),
        "relay private": IDENTITY_PRIVATE.hex(),
        "log": LOG.hex(),
        "admin private": ADMIN_PRIVATE.hex(),
        "proofs": [
            _proof(
                "change", [IDENTITY, LOG, codec.encode_change(CHANGE)], Proof(SIGNED.key, SIGNED.signature)
            ),
            _proof(
                "append",
                [IDENTITY, LOG, 3, True, [codec.entry_id(ENTRY)], codec.encode_signed_change(SIGNED), [BLOB]],
                append.admin,
            ),
            _proof("drop", [IDENTITY, LOG, None], drop.admin),
            _proof("drop", [IDENTITY, LOG, BLOB], dropped_blob.admin),
            _proof("ask routes", [IDENTITY, LOG], routes.admin),
            _proof(
                "routes",
                [LOG, 1_800_000_000, [route.text for route in WAYS]],
                Proof(IDENTITY, ways.signature),
            ),
        ],
    }


def _proof(purpose: str, covered: list[Any], proof: Proof) -> Json:
    return {
        "purpose": purpose,
        "covered": cbor.encode(covered).hex(),
        "key": proof.key.hex(),
        "signature": proof.signature.hex(),
    }


def admission_file() -> Json:
    granted = []
    for name, chained in (("host", HOST), ("guest", GUEST)):
        found = admission.verify(ROOT, chained, 1_800_000_000)
        assert isinstance(found, admission.Granted)
        granted.append(
            {
                "name": name,
                "value": to_json(chained),
                "encoded": admission.encode_admission(chained).hex(),
                "granted": to_json(found),
            }
        )
    return {
        "root": ROOT.hex(),
        "now": 1_800_000_000,
        "admissions": granted,
        "denied": [
            {"name": "its last link taken away", "encoded": admission.encode_admission(dataclasses.replace(GUEST, links=GUEST.links[:1])).hex()},
            {"name": "a link made wider", "encoded": admission.encode_admission(dataclasses.replace(HOST, links=(admission.Link(HOST.links[0].id, Limits()),))).hex()},
            {"name": "its time over", "encoded": admission.encode_admission(admission.narrow(HOST, fixed("late", 8), Limits(until=1_800_000_000))).hex()},
        ],
    }  # fmt: skip


KEM_PRIVATE, NEXT_KEM_PRIVATE = fixed("kem"), fixed("next kem")
DOCUMENT = keydoc.make(
    IDENTITY_PRIVATE,
    2,
    1_800_000_000,
    1_800_604_800,
    keydoc.public_kem_key(KEM_PRIVATE),
    limits={keydoc.Limit.ENTRY_DAYS: 14},
)
NEXT_DOCUMENT = keydoc.make(
    IDENTITY_PRIVATE,
    3,
    1_800_604_800,
    1_801_209_600,
    keydoc.public_kem_key(NEXT_KEM_PRIVATE),
    features={1: 1},
    successor=public_of(fixed("successor")),
)
KEYS = RelayKeys(NEXT_DOCUMENT, {2: KEM_PRIVATE, 3: NEXT_KEM_PRIVATE})


def keydoc_file() -> Json:
    return {
        "identity": IDENTITY.hex(),
        "identity private": IDENTITY_PRIVATE.hex(),
        "documents": [
            {
                "kem private": private.hex(),
                "value": _without_bytes(document),
                "encoded": document.encoded.hex(),
            }
            for private, document in ((KEM_PRIVATE, DOCUMENT), (NEXT_KEM_PRIVATE, NEXT_DOCUMENT))
        ],
    }


def _without_bytes(document: keydoc.KeyDocument) -> Json:
    return {name: value for name, value in to_json(document).items() if name != "encoded"}


REPLY_SECRET, NONCE = fixed("reply secret"), fixed("response nonce")


def letters_file(kept: Json) -> Json:
    asked = codec.encode_operations([_ASKED["append"], _ASKED["fetch from the first"]])
    answered = codec.encode_answers([_ANSWERED["appended"], _ANSWERED["fetched up to the head"]])
    exchanges = []
    for i, (name, document, content, answer) in enumerate(
        (
            ("an append and a fetch", NEXT_DOCUMENT, asked, answered),
            ("to last week's key: the answer brings the newer document", DOCUMENT, asked, answered),
            ("nothing", NEXT_DOCUMENT, codec.encode_operations([]), codec.encode_answers([])),
            (
                "a larger one",
                NEXT_DOCUMENT,
                codec.encode_operations([Put(BLOB, LOG, WRITE, 3000, 0, fixed("chunk", 3000))]),
                codec.encode_answers([Chunk(fixed("chunk", 3000), 3000)]),
            ),
        )
    ):
        expected = OpenedRequest(REPLY_SECRET, content, None, b"", document.number)
        before = kept["exchanges"][i]["request"] if len(kept.get("exchanges", [])) > i else None
        letter = _kept(before, expected) or letters.seal_request(document, content, REPLY_SECRET).letter
        opened = letters.open_request(KEYS, letter)
        response = letters.seal_response(opened, NONCE, answer, None, KEYS.news_for(opened.number))
        exchanges.append(
            {
                "name": name,
                "number": document.number,
                "reply secret": REPLY_SECRET.hex(),
                "operations": content.hex(),
                "request": letter.hex(),
                "nonce": NONCE.hex(),
                "answers": answer.hex(),
                "response": response.hex(),
            }
        )
    return {
        "identity": IDENTITY.hex(),
        "kem privates": {"2": KEM_PRIVATE.hex(), "3": NEXT_KEM_PRIVATE.hex()},
        "key asked": {"request": letters.ask_keys().hex(), "response": KEYS.document_answer().hex()},
        "sizes": {"request": list(letters.LETTER_SIZES), "response": list(letters.RESPONSE_SIZES)},
        "exchanges": exchanges,
    }


def pieces_file(letters_made: Json) -> Json:
    """One of the letters and its answer, over two exchanges there and two more back."""
    exchange = letters_made["exchanges"][-1]
    letter, response = bytes.fromhex(exchange["request"]), bytes.fromhex(exchange["response"])
    name, up, down = fixed("letter id", 16), 4160, 2112
    sending = pieces.Sending(letter, name, up, down)
    messages = []

    def go(what: str, answer: Got | AnswerPiece) -> None:
        out = sending.next()
        assert out is not None
        back = pieces.write_told(answer)
        sending.receive(out, back)
        messages.append(
            {
                "what": what,
                "to relay": out.message.hex(),
                "asked": to_json(pieces.read_asked(out.message)),
                "to app": back.hex(),
                "told": to_json(answer),
            }
        )

    go("the first piece", Got(1))
    go("the last piece", pieces.piece_of_answer(response, 0, down))
    go("more of the answer", pieces.piece_of_answer(response, 2048, down))
    assert sending.next() is None
    return {
        "letter": letter.hex(),
        "answer": response.hex(),
        "up": up,
        "down": down,
        "sizes": list(pieces.MESSAGE_SIZES),
        "exchanges": messages,
        "refusals": [
            {"to app": pieces.write_told(refused).hex(), "told": to_json(refused)}
            for refused in (
                Refused(Reason.BUSY, 10),
                Refused(Reason.UNKNOWN),
                Refused(Reason.UNFIT),
            )
        ],
        "refused": [
            {"name": what, "to relay": (bytes((4,)) + cbor.encode(value) + b"\x80").hex()}
            for what, value in {
                "an index that there is not": [name, 1, 1, 5, 576, b"12345"],
                "fewer bytes than the piece has": [name, 0, 1, 5, 576, b"1234"],
                "pieces that are too small": [name, 0, 2, 2000, 576, bytes(1000)],
                "a letter that is too large": [name, 0, 100, 1_114_113, 576, bytes(11_142)],
                "an app that can take nothing": [name, 0, 1, 5, 575, b"12345"],
            }.items()
        ],
    }


def _kept(letter: str | None, expected: OpenedRequest) -> bytes | None:
    """The sealed request of an earlier run when it opens to what it should."""
    if letter is None:
        return None
    try:
        opened = letters.open_request(KEYS, bytes.fromhex(letter))
    except (WireError, ValueError):
        return None
    return bytes.fromhex(letter) if dataclasses.replace(opened, enc=b"") == expected else None


APP_RANDOM, RELAY_RANDOM = fixed("app", 64), fixed("relay", 64)
FIRST = [_ASKED["watch two logs"], _ASKED["append"]]
FIRST_ANSWERS = [_ANSWERED["watched"], _ANSWERED["appended"]]
SECOND, SECOND_ANSWERS = [_ASKED["stat"], Unknown(99)], [_ANSWERED["extent"], Failure(Status.UNKNOWN)]


def stream_app(letter: bytes | None) -> tuple[streams.ClientStream, bytes]:
    """An app's stream with its first letter, which is `letter` when that is given."""
    app = streams.ClientStream(NEXT_DOCUMENT, APP_RANDOM)
    sealed = app.open(FIRST)
    if letter is not None:
        app._letter = SealedRequest(letter, APP_RANDOM[:32])
    return app, letter or sealed


def streams_file(kept: Json) -> Json:
    share = streams.X25519PrivateKey.from_private_bytes(APP_RANDOM[32:]).public_key().public_bytes_raw()
    expected = OpenedRequest(
        APP_RANDOM[:32], codec.encode_operations(FIRST), share, b"", NEXT_DOCUMENT.number
    )
    app, letter = stream_app(_kept(kept.get("letter"), expected))
    relay = streams.RelayStream(KEYS, RELAY_RANDOM)
    relay.receive(letter)
    answer = relay.answer(0, FIRST_ANSWERS)
    app.receive(answer)
    keys = {"to relay": app._send_key.hex(), "to app": app._receive_key.hex()}
    frames = []

    def from_app(n: int, asked: list[Operation]) -> None:
        frame = app.request(n, asked)
        relay.receive(frame)
        frames.append({"from": "app", "n": n, "operations": to_json(asked), "frame": frame.hex()})

    def from_relay(what: dict[str, Any], frame: bytes) -> None:
        app.receive(frame)
        frames.append({"from": "relay", **what, "frame": frame.hex()})

    from_app(1, SECOND)
    pushed = Pushed(0, _FETCHED)
    from_relay({"pushed": to_json(pushed)}, relay.push(pushed))
    from_app(2, [])
    from_relay({"n": 2, "answers": []}, relay.answer(2, []))
    from_relay({"n": 1, "answers": to_json(SECOND_ANSWERS)}, relay.answer(1, SECOND_ANSWERS))
    signalled = Signalled(300, fixed("signal", 48))
    from_relay({"signalled": to_json(signalled)}, relay.signal(signalled))
    ended = Pushed(300, Failure(Status.DENIED))
    from_relay({"pushed": to_json(ended)}, relay.push(ended))
    from_relay({"key document": NEXT_DOCUMENT.encoded.hex()}, relay.new_keys(NEXT_DOCUMENT))
    return {
        "identity": IDENTITY.hex(),
        "kem private": NEXT_KEM_PRIVATE.hex(),
        "document": NEXT_DOCUMENT.encoded.hex(),
        "app random (reply secret, private share)": APP_RANDOM.hex(),
        "relay random (private share, response nonce)": RELAY_RANDOM.hex(),
        "operations": to_json(FIRST),
        "letter": letter.hex(),
        "answers": to_json(FIRST_ANSWERS),
        "answer": answer.hex(),
        "keys": keys,
        "frames": frames,
    }


def texts_file() -> Json:
    secret = OneUse(fixed("seed"))
    opened = Open(fixed("card"), fixed("card key"), LOG, WRITE)
    invites = {
        "three ways": Invite(IDENTITY, WAYS, "Ada Lovelace", secret),
        "one way": Invite(IDENTITY, WAYS[:1], "Ada", secret),
        "with a place": Invite(IDENTITY, WAYS, "Ада Лавлейс", secret, GUEST),
        "open": Invite(IDENTITY, WAYS[:2], "Ada", opened),
        "no ways and no name": Invite(IDENTITY, (), "", secret),
    }
    addresses = {
        "with an admission": Address(IDENTITY, WAYS, HOST),
        "without": Address(IDENTITY, WAYS[:1]),
    }
    route_texts = [route.text for route in WAYS] + [
        "ws://127.0.0.1:8080/x",
        "https://[2001:db8::7]:8443/x/y",
        "wss://relay.example.org/x?sni=",
        "socks5://127.0.0.1:9050|frag|wss://relay.example.org/x?sni=a.example&ip=203.0.113.7",
        f"public|key:{'a' * 52}|wss://203.0.113.7:8443/x",
    ]
    good = invites["three ways"].text
    return {
        "invites": [{"name": name, "value": to_json(invite), "text": invite.text} for name, invite in invites.items()],
        "addresses": [
            {"name": name, "value": to_json(address), "text": address.text} for name, address in addresses.items()
        ],
        "routes": [
            {"text": text, "value": to_json(route := texts.parse_route(text)), "bytes": write_routes((route,)).hex()}
            for text in route_texts
        ],
        "ways together": {"texts": [route.text for route in WAYS], "bytes": write_routes(WAYS).hex()},
        "the same invite": [
            good.upper(),
            good.removeprefix("whimbrel:"),
            "\n".join(good[i : i + 30] for i in range(0, len(good), 30)),
            "<" + "-".join(good[i : i + 5] for i in range(0, len(good), 5)) + ">",
            "Here: " + good,
        ],
        "not an invite": [
            {"text": good[:-1], "error": "TextCut"},
            {"text": good[:60], "error": "TextCut"},
            {"text": good[:60] + ("a" if good[60] != "a" else "b") + good[61:], "error": "TextAltered"},
            {"text": good + "a", "error": "TextAltered"},
            {"text": good[:60] + "1" + good[61:], "error": "TextAltered"},
            {"text": addresses["without"].text, "error": "OtherText"},
            {"text": _later_text(2, 2), "error": "TextNewer"},
            {"text": _later_text(1, 9), "error": "TextNewer"},
            {"text": "wss://relay.example.org/x", "error": "NotOurText"},
            {"text": "", "error": "NotOurText"},
        ],
    }  # fmt: skip


def _later_text(version: int, kind: int) -> str:
    data = bytes((version, kind << 4, 3)) + b"new"
    data += digest(labelled("text") + b"\x00" + data)[:4]
    return "whimbrel:" + base64.b32encode(data).decode().rstrip("=").lower()


def build(folder: Path = FOLDER) -> dict[str, Json]:
    """Every file's content by its name; sealed requests are taken over from `folder` where they are good."""

    def kept(name: str) -> Json:
        return json.loads((folder / name).read_text()) if (folder / name).exists() else {}

    sealed = letters_file(kept("letters.json"))
    return {
        "cbor.json": cbor_file(),
        "operations.json": operations_file(),
        "answers.json": answers_file(),
        "stored.json": stored_file(),
        "chain.json": chain_file(),
        "proofs.json": proofs_file(),
        "admission.json": admission_file(),
        "keydoc.json": keydoc_file(),
        "letters.json": sealed,
        "pieces.json": pieces_file(sealed),
        "streams.json": streams_file(kept("streams.json")),
        "texts.json": texts_file(),
    }


def write(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in build(folder).items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write()
