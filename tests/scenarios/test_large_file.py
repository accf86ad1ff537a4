"""Files: a large one over three restarts, the smallest, sizes at the borders of chunks, names that harm nobody."""

import os
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest

from support.homes import Home, RelayProcess
from support.residents import Meanwhile, Resident, befriend, eventually, residents
from whimbrel.app.channel import AppGone
from whimbrel.crypto.files import chunk_count
from whimbrel.wire.operations import CHUNK

pytestmark = pytest.mark.processes

SUPPORT = Path(__file__).parents[1] / "support"
LARGE = 200_000_000
UNDER_WAY = 8
"""Chunks without an answer at a time (`client.transfers.WINDOW`): what an interruption may make travel twice."""


class Notes:
    """What `chunks_noted` noted, in the order in which it happened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.program = (sys.executable, "-P", str(SUPPORT / "chunks_noted.py"), str(path))

    def lines(self) -> list[tuple[str, str, int]]:
        words = (line.split() for line in self.path.read_text().splitlines())
        return [(what, blob, int(n)) for what, blob, n in words]

    def came(self) -> int:
        return sum(what == "came" for what, _, _ in self.lines())


def test_200_megabytes_arrive_whole_over_three_restarts_and_no_answered_chunk_goes_twice(
    tmp_path: Path,
) -> None:
    notes = Notes(tmp_path / "notes")
    film, saved = tmp_path / "film.bin", tmp_path / "saved"
    with film.open("wb") as file:
        for _ in range(100):
            file.write(os.urandom(LARGE // 100))
    saved.mkdir()
    chunks = chunk_count(LARGE)
    with (
        RelayProcess(tmp_path / "relay", start=notes.program) as relay,
        residents(tmp_path, relay, "Ada", "Bo", start=notes.program) as (ada, bo),
    ):
        befriend(ada, bo)
        before = notes.came()  # cards are blobs, too

        ada.ask("send", chat="Bo", text="the film", files=[str(film)], wait=0)
        assert ada.ask("status")[0]["waiting"] == 1
        eventually(lambda: notes.came() - before > chunks // 4, every=0.02)
        ada.restart()
        eventually(lambda: notes.came() - before > chunks // 2, every=0.02)
        relay.restart()
        [came] = eventually(lambda: bo.read("Ada"))
        assert came["text"] == "the film"
        assert [(file["name"], file["size"]) for file in came["files"]] == [("film.bin", LARGE)]

        def save_in_vain() -> None:
            with pytest.raises(AppGone):
                bo.ask("save", message=came["id"], dir=str(saved))

        with Meanwhile() as meanwhile:
            meanwhile.do(save_in_vain)
            eventually(lambda: fetched(bo) > LARGE // 2, every=0.02)
            assert fetched(bo) < LARGE
            bo.restart()
        [file] = bo.ask("save", message=came["id"], dir=str(saved))
        assert same(Path(file["path"]), film)
        [own] = ada.ask("save", message=came["id"], dir=str(saved))
        assert Path(own["path"]).name == "film (2).bin"
        assert same(Path(own["path"]), film)

    blob_of_film = Counter(blob for _, blob, _ in notes.lines()).most_common(1)[0][0]
    answered: set[int] = set()
    times: Counter[int] = Counter()
    for what, blob, n in notes.lines():
        if blob != blob_of_film:
            continue
        if what == "answered":
            answered.add(n)
        else:
            assert n not in answered, f"chunk {n} came again after its answer"
            times[n] += 1
    assert set(times) == set(range(chunks))
    assert len(answered) >= chunks - UNDER_WAY  # answers that the killed app did not read any more
    assert times.total() - chunks <= 2 * UNDER_WAY


def test_files_at_the_borders_of_chunks_arrive_whole(tmp_path: Path) -> None:
    sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 5 * CHUNK + 17]
    contents = {f"{size}.bin": os.urandom(size) for size in sizes}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    saved = tmp_path / "saved"
    saved.mkdir()
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, "Ada", "Bo") as (ada, bo):
        befriend(ada, bo)
        ada.ask("send", chat="Bo", files=[str(tmp_path / name) for name in contents])
        [came] = eventually(lambda: bo.read("Ada"))
        assert {file["name"]: file["size"] for file in came["files"]} == {
            name: len(content) for name, content in contents.items()
        }
        for line in bo.ask("save", message=came["id"], dir=str(saved)):
            path = Path(line["path"])
            assert path.read_bytes() == contents[path.name]
        assert {path.name for path in saved.iterdir()} == set(contents)


# What a program of somebody with bad intentions puts into a message, and under which name it is saved.
HOSTILE_NAMES = {
    "../../../outside": "outside",
    "/etc/passwd": "passwd",
    "..": "file",
    ".": "file (2)",
    "": "file (3)",
    "...": "file (4)",
    "a\\..\\..\\evil.exe": "evil.exe",
    ".bashrc": "bashrc",
    "line\nbreak.txt": "linebreak.txt",
    "zero\0.txt": "zero.txt",
    "\x1b]0;owned\x07.txt": "]0;owned.txt",
    "photo\u202egnp.exe": "photognp.exe",
    "CON.txt": "_CON.txt",
    "a<b>:c?.txt": "a_b__c_.txt",
    "trailing. . .": "trailing",
}


def test_names_that_would_leave_the_folder_or_deceive_are_made_harmless(tmp_path: Path) -> None:
    hostile = (sys.executable, "-P", str(SUPPORT / "names_unquoted.py"))
    folder, saved = tmp_path / "files", tmp_path / "deep/down/saved"
    folder.mkdir()
    saved.mkdir(parents=True)
    paths = [folder / (quote(name, safe="").replace(".", "%2E") or "%") for name in HOSTILE_NAMES]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]))
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, "Bo") as [bo]:
        mallory = Home(tmp_path / "mallory", start=hostile)
        mallory.make_account("Mallory", relay.address)
        assert mallory.run("accept", bo.ask("invite")[0]["invite"]).one["chat"]
        words = [word for path in paths for word in ("--file", str(path))]
        assert mallory.run("send", "Bo", "for you", *words).one["state"] == "sent"
        [came] = eventually(lambda: bo.read("Mallory"))
        assert [file["name"] for file in came["files"]] == list(HOSTILE_NAMES)

        before = set(tmp_path.rglob("*"))
        lines = bo.ask("save", message=came["id"], dir=str(saved))
        assert [Path(line["path"]).name for line in lines] == list(HOSTILE_NAMES.values())
        assert [Path(line["path"]).read_bytes() for line in lines] == [bytes([i]) for i in range(len(paths))]
        assert {Path(line["path"]).parent for line in lines} == {saved}
        appeared = {path.parent for path in set(tmp_path.rglob("*")) - before}
        assert appeared <= {saved, bo.home.path / "files"}

        text = bo.home.say("read", "Mallory")
        assert not [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")]


def test_a_file_whose_name_is_no_text_is_sent_all_the_same(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(path, "wb") as file:
        file.write(b"an old disk")
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, "Ada", "Bo") as (ada, bo):
        befriend(ada, bo)
        assert ada.home.run("send", "Bo", "--file", os.fsdecode(path)).one["state"] == "sent"
        [came] = eventually(lambda: bo.read("Ada"))
        [file] = came["files"]
        assert file["size"] == 11
        [line] = bo.ask("save", message=came["id"], dir=str(tmp_path))
        assert Path(line["path"]).read_bytes() == b"an old disk"


def fetched(person: Resident) -> int:
    """Bytes of a file that is coming which are on the disk."""
    return sum(path.stat().st_size for path in (person.home.path / "files").glob("*.part"))


def same(one: Path, other: Path) -> bool:
    with one.open("rb") as first, other.open("rb") as second:
        while True:
            left, right = first.read(1 << 20), second.read(1 << 20)
            if left != right:
                return False
            if not left:
                return True
