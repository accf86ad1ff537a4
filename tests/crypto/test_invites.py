"""What both sides derive from a one-use invite's seed."""

import pytest

from support.people import secret
from whimbrel.crypto.invites import from_seed, ready_log
from whimbrel.wire.codec import encode_log_body
from whimbrel.wire.operations import LogKind
from whimbrel.wire.purpose import prf, public_of, token_hash

SEED = secret("seed")


def test_the_same_seed_gives_the_same_log() -> None:
    assert encode_log_body(ready_log(SEED)) == encode_log_body(ready_log(SEED))
    assert encode_log_body(ready_log(SEED)) != encode_log_body(ready_log(secret("another")))


def test_each_thing_has_a_secret_of_its_own() -> None:
    keys = from_seed(SEED)
    secrets = [keys.card_id, keys.card_key, keys.read, keys.write, keys.admin_private, keys.nonce]
    assert len({SEED, *secrets}) == 7
    assert all(len(one) == 32 for one in secrets)
    assert keys.card_key == prf(SEED, "invite card key")


def test_the_log_is_a_conversations_with_one_admin_whose_key_is_in_the_seed() -> None:
    keys, body = from_seed(SEED), ready_log(SEED)
    assert body.kind == LogKind.CONVERSATION
    assert body.admins == (public_of(keys.admin_private),)
    assert (body.read_hash, body.write_hash) == (token_hash(keys.read), token_hash(keys.write))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32"):
        from_seed(bytes(size))
