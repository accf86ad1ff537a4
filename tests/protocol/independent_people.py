"""Checks vectors/people.json by docs/protocol/people.md alone: nothing here comes from Whimbrel.

independent_people.py people.json     says how many of each it has checked; what does not hold raises
"""

import hashlib
import json
import sys
from pathlib import Path

from independent_client import LABEL, cbor, h, uncbor
from independent_reader import verify

raw = bytes.fromhex


def check_credential(credential, device):
    account, number, signature = uncbor(credential)
    verify(account, b"credential", cbor([device, number]), signature)
    return account


def check_device_list(signed):
    account, _, devices = uncbor(signed[:-64])
    verify(account, b"device list", signed[:-64], signed[-64:])
    return [account, *(device for device, _ in devices)]


def check_card(card):
    found = uncbor(card[:-64])
    verify(found[0], b"card", card[:-64], card[-64:])
    keys = check_device_list(found[4])
    assert keys[0] == found[0], "the list of somebody else"
    return keys


def check_letter(letter):
    tag, *elements = uncbor(letter)
    *body, signature = elements
    if tag == 1:
        check_card(elements[-1])
        if elements[3] is not None:
            move = elements[3]
            assert [move[0], move[1], move[3], move[4]] == [*elements[:2], *elements[4:6]], "another place"
            verify(move[-2], b"move", cbor(move[:-1]), move[-1])
    elif tag == 2:
        assert body[-1] in check_card(body[1]), "asked by somebody else"
        verify(body[-1], b"request", cbor(body), signature)
    elif tag == 3:
        *_, device, credential = body
        check_credential(credential, device)
        verify(device, b"re-add", cbor(body), signature)
    elif tag == 4:
        verify(body[-1], b"move", cbor(body), signature)
    else:
        raise AssertionError("a tag of a later version")


def padded_length(length):
    e = (length + 1).bit_length() - 1
    mask = (1 << max(0, e - e.bit_length())) - 1
    return max(256, (length + 1 + mask) & ~mask)


def fingerprint(account):
    value = LABEL + b"safety number" + account
    for _ in range(5200):
        value = hashlib.sha512(value + account).digest()
    return "".join(f"{int.from_bytes(value[i : i + 5], 'big') % 100000:05}" for i in range(0, 30, 5))


def main(path):
    people = json.loads(Path(path).read_text())
    for pair in people["pairs"]:
        assert h(LABEL + b"pair" + b"".join(sorted(map(raw, pair["accounts"])))).hex() == pair["conversation"]
    for two in people["safety_numbers"]:
        assert "".join(sorted(fingerprint(raw(account)) for account in two["accounts"])) == two["digits"]
    check_credential(raw(people["credential"]["credential"]), raw(people["credential"]["device"]))
    check_card(raw(people["card"]["signed"]))
    for letter in people["letters"]:
        check_letter(raw(letter["encoded"]))
    for payload in people["payloads"]:
        kind, seq, _h, body = uncbor(raw(payload["padded"]), padded=True)
        assert (kind, seq, body.hex()) == tuple(payload["value"][key] for key in ("kind", "seq", "body"))
    for length, padded in people["padded_lengths"]:
        assert padded_length(length) == padded
    checks = {"device list": check_device_list, "card": check_card, "letter": check_letter}
    refused = [one for one in people["refused"] if one["kind"] in checks]
    for one in refused:
        try:
            checks[one["kind"]](raw(one["bytes"]))
        except Exception:
            continue
        raise SystemExit(f"not refused: {one['why']}")
    print(json.dumps({"letters": len(people["letters"]), "refused": len(refused)}))


if __name__ == "__main__":
    main(sys.argv[1])
