"""What is as large as it may be, or one byte larger; what is nothing at all; a text that is no text to look at.

A file of 2 GiB goes from one app to another in `make soak` (soak/large_file.py). Here its exact limits are met without its
bytes: at the relay's desk, with its first and last chunks and the real folder, and by command with a file that is all hole.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.homes import Home, RelayProcess, befriend
from support.relay_client import Place
from whimbrel.crypto.files import FILE_MAX, chunk_count, chunk_range, open_part, seal_part, sealed_size
from whimbrel.relay.settings import Limits
from whimbrel.wire.admission import encode_admission
from whimbrel.wire.answers import Chunk, Done, Extent, Failure, Status
from whimbrel.wire.operations import Get, Put, Stat

pytestmark = pytest.mark.processes

KEY = b"k" * 32


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RelayProcess, Home, Home]]:
    folder = tmp_path_factory.mktemp("street")
    with RelayProcess(folder / "relay") as relay:
        ada, bo = Home(folder / "ada"), Home(folder / "bo")
        ada.make_account("Ada", relay.address)
        bo.make_account("Bo", relay.address)
        befriend(ada, bo)
        with ada.app("--no-relay"), bo.app("--no-relay"):
            yield relay, ada, bo


def hole(path: Path, size: int) -> Path:
    """A file of so many zeros that takes no space."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_file_of_more_than_2_gib_is_refused_at_once(
    street: tuple[RelayProcess, Home, Home], tmp_path: Path
) -> None:
    _, ada, _ = street
    before = sorted((ada.path / "files").rglob("*"))
    told = ada.run("send", "Bo", "--file", str(hole(tmp_path / "film", FILE_MAX + 1))).failed(1)
    assert told["error"] == "file-too-large"
    assert "2 GB" in told["message"]
    assert sorted((ada.path / "files").rglob("*")) == before
    assert not [line for line in ada.run("read", "Bo").all if line["files"]]


def test_a_file_of_exactly_2_gib_fits_a_relay_as_it_comes(street: tuple[RelayProcess, Home, Home]) -> None:
    """Its first, middle and last chunks, sealed, on a real relay's disk; and nothing larger than the relay's limit."""
    relay, _, _ = street
    place = Place(relay.address)
    assert place.address.admission is not None
    admission = encode_admission(place.address.admission)
    size, last = sealed_size(FILE_MAX), chunk_count(FILE_MAX) - 1
    assert size <= Limits().blob_bytes
    blob = os.urandom(32)
    full = -(-FILE_MAX // (1 << 16)) - 1
    for n in (0, 1, full // 2, full, full + 1, last):
        start, stop = chunk_range(FILE_MAX, n)
        sealed = seal_part(KEY, FILE_MAX, n, bytes(stop - start))
        [put] = place.exchange(Put(blob, b"", admission, size, n, sealed))
        assert isinstance(put, Done), n
        [got] = place.exchange(Get(blob, n))
        assert isinstance(got, Chunk)
        assert got.size == size
        assert open_part(KEY, FILE_MAX, n, got.chunk) == bytes(stop - start)
    [extent] = place.exchange(Stat(blob))
    assert isinstance(extent, Extent)
    assert extent.size == size
    assert extent.ranges[-1] == (last, last + 1)

    for too_large in (Limits().blob_bytes + 1, 1 << 40, (1 << 63) - 1):
        [put] = place.exchange(Put(os.urandom(32), b"", admission, too_large, 0, bytes(65_552)))
        assert isinstance(put, Failure)
        assert put.status in (Status.TOO_LARGE, Status.MALFORMED)


def test_a_file_of_nothing_is_a_file(street: tuple[RelayProcess, Home, Home], tmp_path: Path) -> None:
    _, ada, bo = street
    ada.run("send", "Bo", "nothing", "--file", str(hole(tmp_path / "nothing", 0))).ok()
    came = bo.wait_for_text("Ada", "nothing")
    assert [(file["name"], file["size"]) for file in came["files"]] == [("nothing", 0)]
    folder = tmp_path / "saved"
    folder.mkdir()
    [saved] = bo.run("save", came["id"], str(folder)).all
    assert Path(saved["path"]).read_bytes() == b""


def test_a_megabyte_of_combining_characters_goes_from_command_to_command(
    street: tuple[RelayProcess, Home, Home],
) -> None:
    """One letter with half a million accents on it: sent, stored, searched, shown and followed by others."""
    _, ada, bo = street
    text = "zalgo a" + "\u0301\u0327" * ((1 << 18) - 2)
    assert 1 << 20 > len(text.encode()) > (1 << 20) - 10
    ada.run("send", "Bo", "-", stdin=text).ok()
    ada.run("send", "Bo", "after it").ok()
    bo.wait_for_text("Ada", "after it")
    assert text in bo.texts("Ada")
    assert text in [line["text"] for line in bo.run("search", "zalgo").all]
    shown = bo.say("read", "Ada")
    assert "after it" in shown
    assert not [c for c in shown if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")]
    too_long = ada.run("send", "Bo", "-", stdin="a" + "\u0301" * (1 << 19)).failed(1)
    assert "1048576 are allowed: send it as a file" in too_long["message"]
    assert "after it" in ada.texts("Bo")[-1]
