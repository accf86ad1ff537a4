"""Keys and what they vouch for: labels, signatures, the chain, admissions, key documents."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from wire_values import admissions, damaged, exactly, ids, limits

from whimbrel.wire import admission as adm
from whimbrel.wire import cbor, chain, codec, keydoc, proofs
from whimbrel.wire.admission import Denied, Granted, Limits
from whimbrel.wire.errors import BadSignature, Malformed, WireError
from whimbrel.wire.keydoc import Limit
from whimbrel.wire.operations import Append, Change, Entry, Grant, Proof
from whimbrel.wire.purpose import SMALL_ORDER, digest, labelled, prf, public_of, sign, token_hash, verify

PRIVATE, OTHER_PRIVATE = b"p" * 32, b"q" * 32
RELAY, LOG = b"r" * 32, b"l" * 32
KEM_PRIVATE = b"k" * 32
KEM_PUBLIC = keydoc.public_kem_key(KEM_PRIVATE)
ENTRY = codec.encode_entry(Entry(1, bytes(16), bytes(40)))

# ------------------------------------------------------------------------------------------------ purpose


def test_labels_hashes_and_the_prf_are_what_the_pages_say() -> None:
    assert labelled("change") == b"whimbrel/1 change"
    assert digest(b"abc") == hashlib.sha256(b"abc").digest()
    assert token_hash(b"t" * 32) == hashlib.sha256(b"token" + b"t" * 32).digest()
    covered = b"whimbrel/1 x\x00" + b"\x00\x00\x00\x01a" + b"\x00\x00\x00\x00"
    assert prf(b"secret", "x", b"a", b"") == hmac.digest(b"secret", covered, "sha256")


def test_parts_of_a_prf_do_not_run_into_each_other() -> None:
    assert prf(b"s", "x", b"ab", b"c") != prf(b"s", "x", b"a", b"bc") != prf(b"s", "x", b"abc")
    assert prf(b"s", "xy", b"") != prf(b"s", "x", b"y")


@given(ids, st.binary(max_size=50), st.data())
def test_a_signature_is_good_for_its_key_purpose_and_bytes_alone(
    private: bytes, text: bytes, data: st.DataObject
) -> None:
    public, signature = public_of(private), sign(private, "test", text)
    assert verify(public, "test", text, signature)
    assert not verify(public, "tes", b"t" + text, signature)
    assert not verify(public, "test", text + b"x", signature)
    assert not verify(public, "test", text, data.draw(damaged(signature)))
    assert not verify(
        public_of(data.draw(ids.filter(lambda other: other != private))), "test", text, signature
    )


FIELD = 2**255 - 19
CURVE = -121665 * pow(121666, -1, FIELD) % FIELD
"""p and d of edwards25519 (RFC 8032, 5.1)."""


def added(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The sum of two points (RFC 8032, 5.1.4, in affine coordinates)."""
    (x, y), (u, v) = one, other
    product = CURVE * x * u * y * v
    return (
        (x * v + u * y) * pow(1 + product, -1, FIELD) % FIELD,
        (y * v + x * u) * pow(1 - product, -1, FIELD) % FIELD,
    )


def points(encoded: bytes) -> list[tuple[int, int]]:
    """The points with that y; none when it is on no point."""
    y = int.from_bytes(encoded, "little") % 2**255 % FIELD
    square = (y * y - 1) * pow(CURVE * y * y + 1, -1, FIELD) % FIELD
    root = pow(square, (FIELD + 3) // 8, FIELD)
    roots = (root, root * pow(2, (FIELD - 1) // 4, FIELD) % FIELD)
    return [(x, y) for one in roots if one * one % FIELD == square for x in {one, -one % FIELD}]


def test_keys_of_small_order_are_all_there_and_no_others() -> None:
    found = {point for encoded in SMALL_ORDER for point in points(encoded)}
    assert len(found) == 8
    assert all(points(encoded) for encoded in SMALL_ORDER)
    for point in found:
        for _ in range(3):
            point = added(point, point)
        assert point == (0, 1)


def test_nobody_signs_under_a_key_of_small_order() -> None:
    """With all zeros for key and signature the equation of RFC 8032 (5.1.7) holds for one message in four."""
    texts = [b"%d" % n for n in range(64)]
    nobody = Ed25519PublicKey.from_public_bytes(bytes(32))
    taken = 0
    for text in texts:
        try:
            nobody.verify(bytes(64), labelled("test") + b"\x00" + text)
            taken += 1
        except InvalidSignature:
            pass
    assert taken > 0, "the library takes none of them by itself: this test has lost its sense"
    assert not any(verify(key, "test", text, bytes(64)) for key in SMALL_ORDER for text in texts)


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_any_key_and_any_signature_are_only_false(key: bytes, signature: bytes) -> None:
    assert verify(key, "test", b"text", signature) is False


# -------------------------------------------------------------------------------------------------- chain


def test_the_chain_is_the_hash_that_the_page_gives() -> None:
    h0 = chain.start(LOG)
    assert h0 == digest(cbor.encode(["whimbrel/1 chain", LOG]))
    h1 = chain.step(h0, 1, 0, True, b"i" * 32, None)
    assert h1 == digest(cbor.encode(["whimbrel/1 chain", h0, 1, 0, True, b"i" * 32, None]))


def test_everything_in_a_step_changes_the_chain() -> None:
    h = chain.start(LOG)
    steps = {
        chain.step(*step)
        for step in [
            (h, 1, 0, False, b"i" * 32, None),
            (chain.start(RELAY), 1, 0, False, b"i" * 32, None),
            (h, 2, 0, False, b"i" * 32, None),
            (h, 1, 1, False, b"i" * 32, None),
            (h, 1, 0, True, b"i" * 32, None),
            (h, 1, 0, False, b"j" * 32, None),
            (h, 1, 0, False, b"i" * 32, b""),
        ]
    }
    assert len(steps) == 7


# ------------------------------------------------------------------------------------------------- proofs


def test_a_signed_change_holds_for_its_relay_log_and_content_alone() -> None:
    change = Change(3, write_hash=b"w" * 32, grants=(Grant(b"g" * 32, 10, 1000),))
    signed = proofs.sign_change(change, PRIVATE, RELAY, LOG)
    assert signed.key == public_of(PRIVATE)
    assert proofs.verify_change(signed, RELAY, LOG)
    assert not proofs.verify_change(signed, LOG, RELAY)
    assert not proofs.verify_change(signed, RELAY, RELAY)
    assert not proofs.verify_change(replace(signed, change=replace(change, n=4)), RELAY, LOG)
    assert not proofs.verify_change(replace(signed, key=public_of(OTHER_PRIVATE)), RELAY, LOG)


def test_an_admins_proof_holds_for_the_whole_append() -> None:
    append = Append(LOG, b"w" * 32, 4, (ENTRY,), needs=(b"b" * 32,))
    proof = proofs.append_proof(PRIVATE, RELAY, append)
    assert proofs.verify_append(proof, RELAY, append)
    assert proofs.verify_append(proof, RELAY, replace(append, admin=proof))
    change = proofs.sign_change(Change(1), PRIVATE, RELAY, LOG)
    for other in (
        replace(append, log=RELAY),
        replace(append, turn=5),
        replace(append, advance=True),
        replace(append, entries=(ENTRY, ENTRY)),
        replace(append, change=change),
        replace(append, needs=()),
    ):
        assert not proofs.verify_append(proof, RELAY, other)
    assert not proofs.verify_append(proof, LOG, append)


def test_a_proof_for_one_thing_is_none_for_another() -> None:
    drop = proofs.drop_proof(PRIVATE, RELAY, LOG, None)
    assert proofs.verify_drop(drop, RELAY, LOG, None)
    assert not proofs.verify_drop(drop, RELAY, LOG, b"b" * 32)
    assert not proofs.verify_routes(drop, RELAY, LOG)
    asked = proofs.routes_proof(PRIVATE, RELAY, LOG)
    assert proofs.verify_routes(asked, RELAY, LOG)
    assert not proofs.verify_routes(asked, LOG, LOG)
    assert not proofs.verify_routes(Proof(asked.key, bytes(64)), RELAY, LOG)


def test_a_list_of_ways_is_for_one_inbox_of_one_relay() -> None:
    ways = proofs.sign_route_list(PRIVATE, LOG, ("wss://a.example/x",), 1_800_000_000)
    assert proofs.verify_route_list(public_of(PRIVATE), LOG, ways)
    assert not proofs.verify_route_list(public_of(PRIVATE), RELAY, ways)
    assert not proofs.verify_route_list(public_of(OTHER_PRIVATE), LOG, ways)
    assert not proofs.verify_route_list(public_of(PRIVATE), LOG, replace(ways, made_at=1))
    assert not proofs.verify_route_list(public_of(PRIVATE), LOG, replace(ways, routes=()))


# --------------------------------------------------------------------------------------------- admissions

ROOT = b"R" * 32


def test_a_guests_admission_is_counted_under_every_link_and_never_wider() -> None:
    host = adm.mint(ROOT, b"hosthost", Limits(inboxes=5, logs=100, until=2000))
    guest = adm.narrow(host, b"guest..1", Limits(inboxes=50, logs=10, megabytes=20))
    found_host, found_guest = adm.verify(ROOT, host, 1000), adm.verify(ROOT, guest, 1000)
    assert isinstance(found_host, Granted)
    assert isinstance(found_guest, Granted)
    assert found_guest.limits == Limits(inboxes=5, logs=10, megabytes=20, until=2000)
    assert found_guest.counted[0] == found_host.counted[0]
    assert [counted.limits for counted in found_guest.counted] == [
        host.links[0].limits,
        guest.links[1].limits,
    ]
    other = adm.verify(ROOT, adm.narrow(host, b"guest..2", guest.links[1].limits), 1000)
    assert isinstance(other, Granted)
    assert other.counted[1].account != found_guest.counted[1].account


@given(limits, limits, limits)
def test_cutting_only_shrinks(first: Limits, second: Limits, third: Limits) -> None:
    chain_of_three = adm.narrow(
        adm.narrow(adm.mint(ROOT, b"1" * 8, first), b"2" * 8, second), b"3" * 8, third
    )
    narrowest = adm.narrowest(chain_of_three)
    for name in ("inboxes", "logs", "megabytes", "until"):
        set_ones = [value for link in (first, second, third) if (value := getattr(link, name)) is not None]
        assert getattr(narrowest, name) == min(set_ones, default=None)


@given(st.data(), limits, limits)
def test_no_one_takes_a_link_away_or_changes_it(data: st.DataObject, first: Limits, second: Limits) -> None:
    guest = adm.narrow(adm.mint(ROOT, b"1" * 8, first), b"2" * 8, second)
    forged = data.draw(
        st.one_of(
            st.just(replace(guest, links=guest.links[:1])),
            st.just(replace(guest, links=guest.links[1:])),
            st.just(replace(guest, links=guest.links[::-1])),
            st.just(replace(guest, links=())),
            limits.map(
                lambda wider: replace(guest, links=(guest.links[0], replace(guest.links[1], limits=wider)))
            ),
            exactly(16).map(lambda tag: replace(guest, tag=tag)),
        )
    )
    if forged != guest:
        assert isinstance(adm.verify(ROOT, forged, 0), Denied)
    assert isinstance(adm.verify(b"S" * 32, guest, 0), Denied)


def test_an_admission_ends_when_the_first_of_its_links_does() -> None:
    guest = adm.narrow(adm.mint(ROOT, b"1" * 8, Limits(until=100)), b"2" * 8, Limits(until=200))
    assert isinstance(adm.verify(ROOT, guest, 99.9), Granted)
    assert adm.verify(ROOT, guest, 100) == Denied("an admission whose time is over")


@given(admissions)
def test_an_admission_decodes_to_the_same(admission: adm.Admission) -> None:
    assert adm.decode_admission(adm.encode_admission(admission)) == admission


@given(st.data(), admissions)
def test_other_bytes_are_another_admission_or_refused(data: st.DataObject, admission: adm.Admission) -> None:
    for candidate in (data.draw(damaged(adm.encode_admission(admission))), data.draw(st.binary(max_size=60))):
        try:
            found = adm.decode_admission(candidate)
        except Malformed:
            continue
        assert adm.encode_admission(found) == candidate


def test_the_longest_chain_fits_into_a_text() -> None:
    admission = adm.mint(ROOT, b"0" * 8, Limits(1000, 10_000, 1_000_000, 1_900_000_000))
    for _ in range(adm.LINKS_MAX - 2):
        admission = adm.narrow(admission, b"1" * 8, Limits(20, 200, 2000, 1_900_000_000))
    admission = adm.narrow(admission, b"2" * 8, Limits(1, 20, 200, 1_900_000_000))
    with pytest.raises(ValueError, match="links"):
        adm.narrow(admission, b"3" * 8, Limits())
    assert adm.decode_admission(adm.encode_admission(admission)) == admission


# ------------------------------------------------------------------------------------------ key documents


def document(**changes: object) -> keydoc.KeyDocument:
    settings: dict[str, object] = {
        "number": 7,
        "start": 1_800_000_000,
        "until": 1_800_604_800,
        "public": KEM_PUBLIC,
        "limits": {Limit.ENTRY_DAYS: 10},
        **changes,
    }
    return keydoc.make(PRIVATE, **settings)  # type: ignore[arg-type]


def test_a_key_document_says_the_same_to_whoever_knows_the_identity() -> None:
    made = document(successor=b"s" * 32, features={1: 1})
    found = keydoc.decode(made.encoded, public_of(PRIVATE))
    assert found == made
    assert (found.number, found.public, found.successor, found.features) == (7, KEM_PUBLIC, b"s" * 32, {1: 1})
    assert found.limit(Limit.ENTRY_DAYS) == 10
    assert found.limit(Limit.ADVANCE_DAYS) == 400


def test_a_document_of_another_relay_is_not_believed() -> None:
    with pytest.raises(BadSignature, match="another relay"):
        keydoc.decode(document().encoded, public_of(OTHER_PRIVATE))
    body, _ = cbor.decode(document().encoded)
    forged = cbor.encode([body, sign(OTHER_PRIVATE, "key document", body)])
    with pytest.raises(BadSignature, match="did not sign"):
        keydoc.decode(forged, public_of(PRIVATE))


@given(st.data())
def test_a_damaged_document_is_refused(data: st.DataObject) -> None:
    with pytest.raises(WireError):
        keydoc.decode(data.draw(damaged(DOCUMENT)), public_of(PRIVATE))


DOCUMENT = document().encoded


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, -1),
        (2, None),
        (4, 0x20),
        (5, bytes(1215)),
        (5, b"\xff" * 1216),
        (6, {2: 1}),
        (6, {0: b""}),
        (7, {10: 1}),
        (8, b""),
        (7, []),
    ],
)
def test_a_signed_document_that_is_not_well_formed_is_refused(place: int, value: object) -> None:
    body, _ = cbor.decode(DOCUMENT)
    content = cbor.decode(body)
    content[place] = value
    body = cbor.encode(content)
    with pytest.raises(Malformed):
        keydoc.decode(cbor.encode([body, sign(PRIVATE, "key document", body)]), public_of(PRIVATE))


def test_unknown_odd_settings_are_kept_and_do_no_harm() -> None:
    assert document(limits={11: 5}).limits == {11: 5}


def test_the_private_key_is_the_seed_of_x_wing() -> None:
    # draft-connolly-cfrg-xwing-kem, appendix C, first vector: the seed and the start of its public key.
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    public = keydoc.public_kem_key(seed)
    assert len(public) == keydoc.KEM_PUBLIC
    assert public.hex().startswith("e2236b35a8c24b39b10aa1323a96a919")
