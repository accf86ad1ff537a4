"""The relay's secrets: kept for life, or destroyed in time."""

from pathlib import Path

import pytest

from whimbrel.relay import keys
from whimbrel.relay.engine import Identity
from whimbrel.relay.keys import KEY_LIFE, WEEK, LetterKeys, open_secrets
from whimbrel.relay.settings import DAY, Limits
from whimbrel.serving import folder
from whimbrel.serving.folder import DataFolderDamaged
from whimbrel.wire import letters
from whimbrel.wire.admission import verify
from whimbrel.wire.cbor import decode, encode
from whimbrel.wire.errors import GoneKey
from whimbrel.wire.keydoc import Feature, Limit
from whimbrel.wire.purpose import public_of

NOW = 1_800_000_000
IDENTITY = Identity(b"i" * 32, public_of(b"i" * 32))


def letter_keys(folder: Path, now: int = NOW, limits: Limits | None = None) -> LetterKeys:
    return LetterKeys(folder / "keys", IDENTITY, limits or Limits(), now)


def test_identity_path_and_admission_are_the_same_after_every_start(tmp_path: Path) -> None:
    first = open_secrets(tmp_path)
    assert open_secrets(tmp_path) == first
    assert len(first.path) == 17
    assert verify(first.root, first.admission, NOW)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_two_relays_have_nothing_in_common(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = open_secrets(tmp_path / "a"), open_secrets(tmp_path / "b")
    assert one.identity.public != other.identity.public
    assert one.path != other.path
    assert one.root != other.root


@pytest.mark.parametrize("name", ["identity", "path", "root"])
def test_a_damaged_secret_is_named_and_never_made_anew(tmp_path: Path, name: str) -> None:
    open_secrets(tmp_path)
    (tmp_path / name).write_bytes(b"short")
    with pytest.raises(DataFolderDamaged, match=name):
        open_secrets(tmp_path)


def test_each_week_has_a_key_and_letters_to_last_weeks_are_still_opened(tmp_path: Path) -> None:
    ring = letter_keys(tmp_path)
    first = ring.current.document
    assert (first.start, first.identity) == (NOW, IDENTITY.public)
    assert not ring.rotate(NOW + WEEK - 1)
    assert ring.rotate(NOW + WEEK)
    second = ring.current.document
    assert second.number == first.number + 1
    sealed = letters.seal_request(first, b"\x80", b"s" * 32)
    opened = letters.open_request(ring.current, sealed.letter)
    assert opened.operations == b"\x80"
    assert ring.current.news_for(opened.number) == second.encoded


def test_private_keys_are_destroyed_after_two_weeks(tmp_path: Path) -> None:
    ring = letter_keys(tmp_path)
    first = ring.current.document
    ring.rotate(NOW + WEEK)
    assert {path.name for path in (tmp_path / "keys").iterdir()} == {
        f"{first.number}.key",
        f"{first.number + 1}.key",
    }
    ring.rotate(NOW + KEY_LIFE)
    assert f"{first.number}.key" not in {path.name for path in (tmp_path / "keys").iterdir()}
    with pytest.raises(GoneKey):
        letters.open_request(ring.current, letters.seal_request(first, b"\x80", b"s" * 32).letter)


def test_a_key_is_overwritten_before_it_is_removed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"S" * 100)
    with secret.open("rb") as still_open:
        folder.destroy(secret)
        assert b"SSSS" not in still_open.read()
    assert not secret.exists()


def test_keys_are_kept_over_restarts_and_a_long_absence_ends_them(tmp_path: Path) -> None:
    first = letter_keys(tmp_path).current.document
    assert letter_keys(tmp_path, NOW + DAY).current.document == first
    later = letter_keys(tmp_path, NOW + 10 * WEEK).current.document
    assert later.number > first.number
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_a_relay_restored_from_an_old_copy_shows_no_older_number(tmp_path: Path) -> None:
    """Apps refuse a document that is older than the one they know."""
    ring = letter_keys(tmp_path)
    copy = {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    for week in range(1, 6):
        ring.rotate(NOW + week * WEEK)
    newest = ring.current.document.number
    for path in (tmp_path / "keys").iterdir():
        path.unlink()
    for name, data in copy.items():
        (tmp_path / "keys" / name).write_bytes(data)
    assert letter_keys(tmp_path, NOW + 5 * WEEK).current.document.number >= newest


def test_a_clock_that_goes_back_a_little_makes_no_key(tmp_path: Path) -> None:
    ring = letter_keys(tmp_path)
    first = ring.current.document
    assert not ring.rotate(NOW - 5 * DAY)
    assert ring.current.document == first


def test_a_clock_that_was_ahead_once_does_not_keep_its_key_for_a_year(tmp_path: Path) -> None:
    ring = letter_keys(tmp_path)
    assert ring.rotate(NOW + 365 * DAY)
    ahead = ring.current.document
    assert ring.rotate(NOW + DAY)
    now = ring.current.document
    assert now.number == ahead.number + 1
    assert now.start == NOW + DAY
    assert not (tmp_path / "keys" / f"{ahead.number}.key").exists()
    assert not ring.rotate(NOW + 2 * DAY)
    assert ring.rotate(NOW + 8 * DAY)


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    letter_keys(tmp_path)
    [path] = (tmp_path / "keys").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataFolderDamaged, match=path.name):
        letter_keys(tmp_path)


def test_a_key_file_with_the_key_or_number_of_another_document_is_named(tmp_path: Path) -> None:
    letter_keys(tmp_path)
    [path] = (tmp_path / "keys").iterdir()
    n, private, document = decode(path.read_bytes())
    for parts in ((n + 1, private, document), (n, b"another".ljust(32), document), (b"7", private, document)):
        path.write_bytes(encode(parts))
        with pytest.raises(DataFolderDamaged, match=path.name):
            letter_keys(tmp_path)


@pytest.mark.parametrize("path", [b"UPPER CASE AND  ", b"abcdefghij23456\xff"])
def test_a_path_that_was_never_one_is_damage(tmp_path: Path, path: bytes) -> None:
    (tmp_path / "path").write_bytes(path)
    with pytest.raises(DataFolderDamaged, match="path"):
        open_secrets(tmp_path)


def test_the_document_states_what_is_not_as_usual(tmp_path: Path) -> None:
    document = letter_keys(tmp_path, limits=Limits(entry_life=10 * DAY, blob_bytes=5000)).current.document
    assert document.limit(Limit.ENTRY_DAYS) == 10
    assert document.limit(Limit.BLOB_BYTES) == 5000
    assert document.limit(Limit.ID_DAYS) == 60
    assert Limit.ID_DAYS not in document.limits


def test_after_an_update_the_document_says_what_the_relay_can_do_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(keys, "FEATURES", {})
        old = letter_keys(tmp_path).current.document
        assert not old.can(Feature.PARTS)
    ring = letter_keys(tmp_path, NOW + DAY)
    assert ring.current.document.number > old.number
    assert all(ring.current.document.can(feature) for feature in Feature)
    # Letters to the old key are still read, and bring the new one.
    opened = letters.open_request(ring.current, letters.seal_request(old, b"\x80", b"s" * 32).letter)
    assert ring.current.news_for(opened.number) == ring.current.document.encoded
    assert not ring.rotate(NOW + 2 * DAY)


def test_a_picked_port_is_kept(tmp_path: Path) -> None:
    assert folder.kept_port(tmp_path) is None
    folder.keep_port(tmp_path, 40123)
    assert folder.kept_port(tmp_path) == 40123
    for damaged in (b"many", b"8\xff", b"0", b"65536", b"8" * 5000):
        (tmp_path / "port").write_bytes(damaged)
        with pytest.raises(DataFolderDamaged, match="port"):
            folder.kept_port(tmp_path)
