"""Does a file of exactly 2 GiB, the largest that there may be, arrive whole, over a restart of everybody?

The file is sparse, but for a few marked places; what travels is 2 GiB of sealed bytes, since a relay cannot tell. Real apps, a
real relay. It needs some 9 GB of disk for as long as it runs.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from _report import Report
from support.homes import RelayProcess
from support.residents import Resident, befriend, eventually, residents
from whimbrel.app.channel import AppGone
from whimbrel.crypto.files import FILE_MAX, chunk_count

HOUR = 3600.0
MARKS = {0: b"the first bytes", 1_500_000_000: b"past the middle", FILE_MAX - 8: b"the last"}
"""What stands where; all else is zeros."""


async def run(folder: Path, seed: int, times: int) -> Report:
    report = Report("large_file", seed, {"bytes": FILE_MAX})
    for n in range(times):
        await asyncio.to_thread(_once, folder / str(n), report)
    return report


def _once(folder: Path, report: Report) -> None:
    (folder / "saved").mkdir(parents=True)
    film = folder / "film.bin"
    with film.open("wb") as file:
        file.truncate(FILE_MAX)
        for place, mark in MARKS.items():
            file.seek(place)
            file.write(mark)
    assert film.stat().st_size == FILE_MAX
    with RelayProcess(folder / "relay") as relay, residents(folder, relay, "Ada", "Bo") as (ada, bo):
        befriend(ada, bo)
        report.setup_done()
        began = time.monotonic()
        ada.ask("send", chat="Bo", text="the film", files=[str(film)], wait=0)
        report.count("sealed", time.monotonic() - began, "s")
        began = time.monotonic()
        eventually(lambda: _stored(relay) > FILE_MAX // 2, HOUR)
        ada.restart()
        relay.restart()
        [came] = eventually(lambda: bo.read("Ada"), HOUR, every=1)
        report.count("up, with a restart of app and relay", time.monotonic() - began, "s")
        assert [(file["name"], file["size"]) for file in came["files"]] == [("film.bin", FILE_MAX)]
        began = time.monotonic()
        saved = _save(bo, came["id"], folder / "saved")
        report.count("down and opened", time.monotonic() - began, "s")
    assert saved.stat().st_size == FILE_MAX
    with film.open("rb") as sent, saved.open("rb") as got:
        while part := sent.read(1 << 24):
            assert got.read(1 << 24) == part
    report.count("chunks", chunk_count(FILE_MAX))


def _save(bo: Resident, message: str, folder: Path) -> Path:
    while True:
        try:
            [file] = bo.ask("save", message=message, dir=str(folder))
            return Path(file["path"])
        except AppGone:
            time.sleep(1)


def _stored(relay: RelayProcess) -> int:
    """Bytes of blobs that the relay has on its disk."""
    return sum(path.stat().st_blocks * 512 for path in (relay.data / "blobs").rglob("*") if path.is_file())
