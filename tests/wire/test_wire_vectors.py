"""The vectors in docs/protocol/vectors: they are what the code makes, and what is in them reads as they say."""

from __future__ import annotations

import hashlib
import json
from typing import Any, get_args

import make_vectors
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from make_vectors import from_json

from whimbrel.wire import (
    admission,
    answers,
    cbor,
    chain,
    codec,
    errors,
    keydoc,
    letters,
    operations,
    pieces,
    purpose,
    streams,
)
from whimbrel.wire.errors import Malformed
from whimbrel.wire.letters import RelayKeys, SealedRequest
from whimbrel.wire.routes import parse_route, read_routes, write_routes
from whimbrel.wire.stored import check_entry
from whimbrel.wire.texts import parse_address, parse_invite

FILES = {
    name: json.loads((make_vectors.FOLDER / name).read_text())
    for name in (
        "cbor.json",
        "operations.json",
        "answers.json",
        "stored.json",
        "chain.json",
        "proofs.json",
        "admission.json",
        "keydoc.json",
        "letters.json",
        "pieces.json",
        "streams.json",
        "texts.json",
    )
}
unhex = bytes.fromhex


def named(values: list[dict[str, Any]], by: str = "name") -> Any:
    return pytest.mark.parametrize("vector", values, ids=[value[by] for value in values])


def test_the_files_are_what_the_code_makes_now() -> None:
    made = make_vectors.build()
    assert sorted(made) == sorted(FILES)
    for name, content in made.items():
        assert content == FILES[name], (
            f"{name} differs: run tests/wire/make_vectors.py, and say why in the change log"
        )


# --------------------------------------------------------------------------------------------------- cbor


@named(FILES["cbor.json"]["accepted"], "encoded")
def test_cbor_is_read(vector: dict[str, Any]) -> None:
    value = cbor.decode(unhex(vector["encoded"]))
    assert make_vectors.to_json(value) == vector["value"]
    assert cbor.encode(value).hex() == vector["encoded"]


@named(FILES["cbor.json"]["refused"], "encoded")
def test_cbor_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        cbor.decode(unhex(vector["encoded"]))


# ------------------------------------------------------------------------------------- operations, answers


@named(FILES["operations.json"]["operations"])
def test_an_operation_is_read(vector: dict[str, Any]) -> None:
    value = from_json(vector["value"])
    assert codec.decode_operation(unhex(vector["encoded"])) == value
    assert codec.encode_operation(value).hex() == vector["encoded"]


@named(FILES["operations.json"]["not well formed"])
def test_what_is_no_operation_is_answered_alone(vector: dict[str, Any]) -> None:
    data = b"\x81" + unhex(vector["encoded"])
    assert codec.decode_operations(data) == [from_json(vector["found"])]


def test_all_operations_in_one_list() -> None:
    listed = FILES["operations.json"]["list"]
    encoded = [unhex(vector["encoded"]) for vector in FILES["operations.json"]["operations"]]
    assert listed["names"] == [vector["name"] for vector in FILES["operations.json"]["operations"]]
    assert 24 <= len(encoded) < 256
    data = bytes((0x98, len(encoded))) + b"".join(encoded)
    assert hashlib.sha256(data).hexdigest() == listed["sha256"]


def test_every_operation_and_every_answer_has_a_vector() -> None:
    asked = {vector["value"]["is"] for vector in FILES["operations.json"]["operations"]}
    assert asked == {kind.__name__ for kind in get_args(operations.Operation)} - {"Unknown"}
    answered = {vector["value"]["is"] for vector in FILES["answers.json"]["answers"]}
    assert answered == {kind.__name__ for kind in get_args(answers.Answer)}
    failed = {vector["value"].get("status") for vector in FILES["answers.json"]["answers"]}
    assert failed - {None} == {int(status) for status in answers.Status} - {0}


@named(FILES["answers.json"]["answers"])
def test_an_answer_is_read(vector: dict[str, Any]) -> None:
    value = from_json(vector["value"])
    assert codec.decode_answer(unhex(vector["encoded"])) == value
    assert codec.encode_answer(value).hex() == vector["encoded"]


@named(FILES["answers.json"]["refused"])
def test_an_answer_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        codec.decode_answer(unhex(vector["encoded"]))


# ---------------------------------------------------------------------- stored, chain, proofs, admissions

STORED = {
    "LogBody": (codec.encode_log_body, codec.decode_log_body),
    "Entry": (codec.encode_entry, codec.decode_entry),
    "Pointer": (codec.encode_pointer, codec.decode_pointer),
    "Change": (codec.encode_change, codec.decode_change),
    "SignedChange": (codec.encode_signed_change, codec.decode_signed_change),
}


@named(FILES["stored.json"]["stored"])
def test_what_is_stored_is_read(vector: dict[str, Any]) -> None:
    encode, decode = STORED[vector["value"]["is"]]
    data, value = unhex(vector["encoded"]), from_json(vector["value"])
    assert decode(data) == value
    assert encode(value) == data  # type: ignore[operator]
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    if vector["value"]["is"] == "Entry":
        check_entry(data)


def test_a_token_is_kept_as_its_hash() -> None:
    for token in FILES["stored.json"]["tokens"]:
        assert purpose.token_hash(unhex(token["token"])).hex() == token["hash"]


def test_the_chain_is_followed() -> None:
    vector = FILES["chain.json"]
    h = chain.start(unhex(vector["log"]))
    assert h.hex() == vector["h0"]
    for step in vector["steps"]:
        change = None if step["change"] is None else unhex(step["change"])
        h = chain.step(h, step["seq"], step["turn"], step["advance"], unhex(step["id"]), change)
        assert h.hex() == step["h"]


@named(FILES["proofs.json"]["proofs"], "purpose")
def test_a_signature_is_good(vector: dict[str, Any]) -> None:
    covered, signature = unhex(vector["covered"]), unhex(vector["signature"])
    assert purpose.verify(unhex(vector["key"]), vector["purpose"], covered, signature)
    private = unhex(
        FILES["proofs.json"]["relay private" if vector["purpose"] == "routes" else "admin private"]
    )
    assert purpose.sign(private, vector["purpose"], covered) == signature


@named(FILES["admission.json"]["admissions"])
def test_an_admission_is_true(vector: dict[str, Any]) -> None:
    found = admission.decode_admission(unhex(vector["encoded"]))
    assert found == from_json(vector["value"])
    root = unhex(FILES["admission.json"]["root"])
    assert admission.verify(root, found, FILES["admission.json"]["now"]) == from_json(vector["granted"])


@named(FILES["admission.json"]["denied"])
def test_an_admission_is_denied(vector: dict[str, Any]) -> None:
    found = admission.decode_admission(unhex(vector["encoded"]))
    root = unhex(FILES["admission.json"]["root"])
    assert isinstance(admission.verify(root, found, FILES["admission.json"]["now"]), admission.Denied)


# ------------------------------------------------------------------------- key documents, letters, streams


def test_key_documents_are_read() -> None:
    for vector in FILES["keydoc.json"]["documents"]:
        data = unhex(vector["encoded"])
        document = keydoc.decode(data, unhex(FILES["keydoc.json"]["identity"]))
        assert document == from_json({**vector["value"], "encoded": f"h'{vector['encoded']}'"})
        assert keydoc.public_kem_key(unhex(vector["kem private"])) == document.public


LETTERS = FILES["letters.json"]


def test_a_question_for_the_key_is_answered_by_the_document() -> None:
    assert letters.is_asking_keys(unhex(LETTERS["key asked"]["request"]))
    document = letters.open_key_document(unhex(LETTERS["key asked"]["response"]), unhex(LETTERS["identity"]))
    assert document.number == 3


@named(LETTERS["exchanges"])
def test_a_recorded_letter_opens_and_its_answer_too(vector: dict[str, Any]) -> None:
    newest = letters.open_key_document(unhex(LETTERS["key asked"]["response"]), unhex(LETTERS["identity"]))
    keys = RelayKeys(newest, {int(number): unhex(key) for number, key in LETTERS["kem privates"].items()})
    request = unhex(vector["request"])
    opened = letters.open_request(keys, request)
    assert (opened.number, opened.reply_secret.hex()) == (vector["number"], vector["reply secret"])
    assert opened.operations.hex() == vector["operations"]
    assert not any(isinstance(one, answers.Failure) for one in codec.decode_operations(opened.operations))
    response = letters.open_response(SealedRequest(request, opened.reply_secret), unhex(vector["response"]))
    assert response.answers.hex() == vector["answers"]
    assert (response.document is not None) == (vector["number"] < newest.number)
    assert len(request) in LETTERS["sizes"]["request"]
    assert len(unhex(vector["response"])) in LETTERS["sizes"]["response"]


STREAM = FILES["streams.json"]


def test_a_recorded_stream_plays_again_on_the_relays_side() -> None:
    document = keydoc.decode(unhex(STREAM["document"]), unhex(STREAM["identity"]))
    keys = RelayKeys(document, {document.number: unhex(STREAM["kem private"])})
    relay = streams.RelayStream(keys, unhex(STREAM["relay random (private share, response nonce)"]))
    assert relay.receive(unhex(STREAM["letter"])) == streams.Request(0, from_json(STREAM["operations"]))
    assert relay.answer(0, from_json(STREAM["answers"])).hex() == STREAM["answer"]
    for frame in STREAM["frames"]:
        match frame:
            case {"from": "app", "n": n, "operations": asked}:
                assert relay.receive(unhex(frame["frame"])) == streams.Request(n, from_json(asked))
            case {"answers": given, "n": n}:
                assert relay.answer(n, from_json(given)).hex() == frame["frame"]
            case {"pushed": pushed}:
                assert relay.push(from_json(pushed)).hex() == frame["frame"]
            case {"signalled": signalled}:
                assert relay.signal(from_json(signalled)).hex() == frame["frame"]
            case {"key document": _}:
                assert relay.new_keys(document).hex() == frame["frame"]
            case _:
                pytest.fail(f"a frame that this test does not know: {frame}")


def test_a_recorded_stream_plays_again_on_the_apps_side() -> None:
    app, _ = make_vectors.stream_app(unhex(STREAM["letter"]))
    [first] = app.receive(unhex(STREAM["answer"]))
    assert first == streams.Answered(0, from_json(STREAM["answers"]))
    for frame in STREAM["frames"]:
        data = unhex(frame["frame"])
        match frame:
            case {"from": "app", "n": n, "operations": asked}:
                assert app.request(n, from_json(asked)) == data
            case {"answers": given, "n": n}:
                assert app.receive(data) == [streams.Answered(n, from_json(given))]
            case {"pushed": value} | {"signalled": value}:
                assert app.receive(data) == [from_json(value)]
            case {"key document": document}:
                [news] = app.receive(data)
                assert isinstance(news, streams.NewKeys)
                assert news.document.encoded.hex() == document
            case _:
                pytest.fail(f"a frame that this test does not know: {frame}")


def test_frames_open_with_the_recorded_keys_alone() -> None:
    counts = {"app": 0, "relay": 0}
    for frame in STREAM["frames"]:
        key = unhex(STREAM["keys"]["to relay" if frame["from"] == "app" else "to app"])
        nonce = counts[frame["from"]].to_bytes(12, "big")
        counts[frame["from"]] += 1
        value = cbor.decode(ChaCha20Poly1305(key).decrypt(nonce, unhex(frame["frame"]), None))
        assert value[0] in (0, 1, 2, 4)


# ------------------------------------------------------------------------------------------------ pieces

CUT = FILES["pieces.json"]


@named(CUT["exchanges"], "what")
def test_a_piece_is_read(vector: dict[str, Any]) -> None:
    assert make_vectors.to_json(pieces.read_asked(unhex(vector["to relay"]))) == vector["asked"]
    assert make_vectors.to_json(pieces.read_told(unhex(vector["to app"]))) == vector["told"]
    assert len(unhex(vector["to relay"])) in CUT["sizes"]
    assert len(unhex(vector["to app"])) in CUT["sizes"]


def test_the_pieces_are_the_letter_and_the_answer() -> None:
    there, back = b"", b""
    for vector in CUT["exchanges"]:
        kind, *rest = unhex(vector["to relay"]).rstrip(b"\0")[:-1]
        if kind == 4:
            there += cbor.decode(bytes(rest))[5]
        kind, *rest = unhex(vector["to app"]).rstrip(b"\0")[:-1]
        if kind == 7:
            back += cbor.decode(bytes(rest))[2]
    assert (there.hex(), back.hex()) == (CUT["letter"], CUT["answer"])


def test_refusals_are_read_and_what_is_no_piece_is_refused() -> None:
    for vector in CUT["refusals"]:
        assert make_vectors.to_json(pieces.read_told(unhex(vector["to app"]))) == vector["told"]
    for vector in CUT["refused"]:
        with pytest.raises(Malformed):
            pieces.read_asked(unhex(vector["to relay"]))


# ------------------------------------------------------------------------------------------------- texts

TEXTS = FILES["texts.json"]


@named(TEXTS["invites"])
def test_an_invite_is_read(vector: dict[str, Any]) -> None:
    assert parse_invite(vector["text"]) == from_json(vector["value"])
    assert from_json(vector["value"]).text == vector["text"]


@named(TEXTS["addresses"])
def test_an_address_is_read(vector: dict[str, Any]) -> None:
    assert parse_address(vector["text"]) == from_json(vector["value"])
    assert from_json(vector["value"]).text == vector["text"]


@named(TEXTS["routes"], "text")
def test_a_route_is_read(vector: dict[str, Any]) -> None:
    route = parse_route(vector["text"])
    assert route == from_json(vector["value"])
    assert route.text == vector["text"]
    assert write_routes((route,)).hex() == vector["bytes"]


def test_ways_are_read_together() -> None:
    data = unhex(TEXTS["ways together"]["bytes"])
    routes, end = read_routes(data, len(TEXTS["ways together"]["texts"]), 0)
    assert end == len(data)
    assert [route.text for route in routes] == TEXTS["ways together"]["texts"]


@pytest.mark.parametrize("text", TEXTS["the same invite"])
def test_the_same_invite_in_other_forms(text: str) -> None:
    assert parse_invite(text).text == TEXTS["invites"][0]["text"]


@named(TEXTS["not an invite"], "text")
def test_is_not_an_invite(vector: dict[str, Any]) -> None:
    with pytest.raises(errors.TextError) as refused:
        parse_invite(vector["text"])
    assert type(refused.value).__name__ == vector["error"]
