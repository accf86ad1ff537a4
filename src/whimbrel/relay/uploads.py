"""What a relay does with each operation on blobs: put, keep, get, stat, and their end.

A chunk goes to the disk in a thread of its own (one at work at a time; what comes meanwhile forms the next batch), then
the storage's group says that it is there, then the app hears of it. So `put` answers later, all others at once. A part
of a chunk goes the same way, to its place in the same file; a chunk is there when all its parts are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from whimbrel.wire import parts
from whimbrel.wire.answering import STARTED_MAX
from whimbrel.wire.answers import Answer, Chunk, Done, Extent, Failure, Part, Status
from whimbrel.wire.operations import PART, SEALED_CHUNK, Get, Keep, Put, Stat

from .blobs import BlobFolder, ChunkWrite
from .engine import Budget
from .places import DENIED, FULL, Payer, Places
from .settings import Limits
from .storage import BlobRow, Storage

EXISTS = Failure(Status.EXISTS)
TOO_MANY_STARTED = Failure(Status.BUSY, retry_after=1)
DISK_FAILS = Failure(Status.BUSY, retry_after=60)

Reply = Callable[[Answer], None]
DiskWork = Callable[[Callable[[], None], Callable[[Exception | None], None]], None]
"""Runs blocking work in the disk thread, then calls what comes second in the loop, with what went wrong."""


@dataclass(slots=True)
class _Chunking:
    """One chunk, or part of one, under way and who waits for it."""

    write: ChunkWrite
    replies: list[Reply] = field(default_factory=list)

    @property
    def weight(self) -> int:
        """What it counts in the queue: the last part of a chunk may be very small, and takes room all the same."""
        return max(PART, len(self.write.chunk))


class Uploads:
    """All rules for blobs, over one storage and one folder."""

    def __init__(
        self,
        storage: Storage,
        places: Places,
        folder: BlobFolder,
        limits: Limits,
        disk: DiskWork,
        clock: Callable[[], float],
    ) -> None:
        """`clock`: Unix seconds, for what ends outside of a request."""
        self._storage = storage
        self._places = places
        self._folder = folder
        self._limits = limits
        self._disk = disk
        self._under_way: dict[tuple[bytes, int], list[_Chunking]] = {}
        self._waiting: list[_Chunking] = []
        self._waiting_bytes = 0
        self._writing = False
        self._to_delete: list[bytes] = []
        self._clock = clock
        self.changed: Callable[[], None] = lambda: None
        """Called after answers were given outside of any request: the group wants to be committed."""
        self.failed: Callable[[Exception], None] = lambda error: None
        """Called when the storage failed outside of any request: the group has to be rolled back."""
        self.disk_full = False

    # --------------------------------------------------------------------------------------------- put

    def put(self, put: Put, now: int, reply: Reply) -> Answer | None:
        """Write a chunk or a part of one. None: `reply` will be called; otherwise the answer."""
        blob = self._storage.blob(put.blob)
        if blob is not None:
            if blob.size != put.size:
                return EXISTS
            if _has(blob, put.n):
                return self._again(blob, put, reply)
            known = self._known_in_part(blob, put)
            if known is not None:
                return known
        write = ChunkWrite(put.blob, put.n, put.chunk, put.at or 0)
        under_way: _Chunking | None = None
        for other in self._under_way.get((put.blob, put.n), ()):
            if _differ(other.write, write):
                return EXISTS
            if other.write == write:
                under_way = other

        payer = self._places.payer(put.place, put.token, now)
        if isinstance(payer, Failure):
            return payer
        if blob is not None and (blob.place != payer.place or blob.links != payer.links):
            return DENIED
        if under_way is not None:
            under_way.replies.append(reply)
            return None
        chunking = _Chunking(write, [reply])
        if self._waiting_bytes + chunking.weight > self._limits.upload_queue:
            return Failure(Status.BUSY, retry_after=1)
        if blob is None:
            refused = self._begin(put, payer, now)
            if refused is not None:
                return refused
        self._under_way.setdefault((put.blob, put.n), []).append(chunking)
        self._waiting.append(chunking)
        self._waiting_bytes += chunking.weight
        self._write_next()
        return None

    def _again(self, blob: BlobRow, put: Put, reply: Reply) -> Answer | None:
        at = put.at or 0
        try:
            there = self._folder.read(blob.id, put.n, blob.size, at, len(put.chunk))
        except OSError:
            return DISK_FAILS
        if there != put.chunk:
            return EXISTS
        if not blob.whole and _ranges(blob) == ((0, _chunks(blob)),):
            # All chunks are there, the last name is not: under way just now, or cut short by a crash.
            self._finish(blob.id, _Chunking(ChunkWrite(blob.id, put.n, put.chunk, at), [reply]))
            return None
        return Done()

    def _known_in_part(self, blob: BlobRow, put: Put) -> Answer | None:
        """The answer when parts of the chunk are there: other bytes than these, or all of these. None: go on."""
        started = dict(self._storage.started(blob.id))
        if put.n not in started:
            return TOO_MANY_STARTED if put.at is not None and len(started) >= STARTED_MAX else None
        at = put.at or 0
        end = at + len(put.chunk)
        wanted = parts.bits_of(at, end)
        there = int.from_bytes(started[put.n], "little") & wanted
        try:
            for first, last in parts.ranges(there, end):
                found = self._folder.read(blob.id, put.n, blob.size, first, last - first)
                if found != put.chunk[first - at : last - at]:
                    return EXISTS
        except OSError:
            return DISK_FAILS
        return Done() if there == wanted else None

    def _begin(self, put: Put, payer: Payer, now: int) -> Failure | None:
        if put.size > self._limits.blob_bytes:
            return Failure(Status.TOO_LARGE)
        if self._storage.was_dropped(put.blob):
            return DENIED
        if self.disk_full:
            return FULL
        refused = self._places.take_space(payer, put.size)
        if refused is not None:
            return refused
        chunks = -(-put.size // SEALED_CHUNK)
        self._storage.save_blob(
            BlobRow(
                put.blob,
                payer.place,
                payer.links,
                put.size,
                now + self._limits.upload_life,
                False,
                bytes(-(-chunks // 8)),
            )
        )
        return None

    def _write_next(self) -> None:
        if self._writing or not self._waiting:
            return
        self._writing = True
        batch, self._waiting = self._waiting, []

        def write() -> None:
            self._folder.write(chunking.write for chunking in batch)

        def written(fault: Exception | None) -> None:
            self._writing = False
            self._waiting_bytes -= sum(chunking.weight for chunking in batch)
            for chunking in batch:
                self._guarded(chunking, fault, self._note)
            self._write_next()
            self.changed()

        self._disk(write, written)

    def _guarded(
        self,
        chunking: _Chunking,
        fault: Exception | None,
        note: Callable[[_Chunking], None],
    ) -> None:
        """Note what the disk has done, if it has; whoever waits hears in any case."""
        if fault is None:
            try:
                note(chunking)
                return
            except Exception as error:
                self.failed(error)
        self._end(chunking, Failure(Status.BUSY, retry_after=10))

    def _note(self, chunking: _Chunking) -> None:
        """The chunk, or the part of it, is on the disk."""
        write = chunking.write
        n = write.n
        blob = self._storage.blob(write.blob)
        if blob is None:
            self._came_back(chunking)
            return
        if blob.have is None or _has(blob, n):
            self._end(chunking, Done())
            return
        until = max(blob.until, int(self._clock()) + self._limits.upload_life)
        marks = parts.marks_of(blob.size, n)
        started = dict(self._storage.started(blob.id))
        there = int.from_bytes(started.get(n, b""), "little")
        there |= parts.bits_of(write.at, write.at + len(write.chunk))
        if there != (1 << marks) - 1:
            if n not in started and len(started) >= STARTED_MAX:
                self._end(chunking, TOO_MANY_STARTED)
                return
            self._storage.save_parts(blob.id, n, there.to_bytes(-(-marks // 8), "little"))
            self._storage.save_blob(replace(blob, until=until))
            self._end(chunking, Done())
            return
        if n in started:
            self._storage.save_parts(blob.id, n, b"")
        have = bytearray(blob.have)
        have[n >> 3] |= 1 << (n & 7)
        blob = replace(blob, have=bytes(have), until=until)
        self._storage.save_blob(blob)
        if _ranges(blob) == ((0, _chunks(blob)),):
            self._finish(blob.id, chunking)
        else:
            self._end(chunking, Done())

    def _finish(self, blob_id: bytes, chunking: _Chunking) -> None:
        """All chunks are on the disk: the last name, and then it is whole."""

        def finished(fault: Exception | None) -> None:
            self._guarded(chunking, fault, self._note_whole)
            self.changed()

        self._disk(lambda: self._folder.finish(blob_id), finished)

    def _note_whole(self, chunking: _Chunking) -> None:
        blob = self._storage.blob(chunking.write.blob)
        if blob is None:
            self._came_back(chunking)
            return
        until = max(blob.until, int(self._clock()) + self._limits.blob_life)
        self._storage.save_blob(replace(blob, until=until, whole=True, have=None))
        self._end(chunking, Done())

    def _came_back(self, chunking: _Chunking) -> None:
        """Dropped or rolled back meanwhile, and the file has come back by our writing."""
        self._to_delete.append(chunking.write.blob)
        self._end(chunking, Failure(Status.BUSY, retry_after=1))

    def _end(self, chunking: _Chunking, answer: Answer) -> None:
        key = chunking.write.blob, chunking.write.n
        under_way = [other for other in self._under_way.get(key, ()) if other is not chunking]
        if under_way:
            self._under_way[key] = under_way
        else:
            self._under_way.pop(key, None)
        for reply in chunking.replies:
            reply(answer)

    # -------------------------------------------------------------------------------- keep, get, stat

    def keep(self, keep: Keep, now: int) -> Answer:
        """Let whole blobs live on from now; all of them have to be at this place."""
        payer = self._places.payer(keep.place, keep.token, now)
        if isinstance(payer, Failure):
            return payer
        found: list[BlobRow] = []
        missing: list[bytes] = []
        for blob_id in keep.blobs:
            blob = self._storage.blob(blob_id)
            ours = blob is not None and (blob.place, blob.links) == (payer.place, payer.links)
            if blob is not None and blob.whole and ours:
                found.append(blob)
            else:
                missing.append(blob_id)
        if missing:
            return Failure(Status.MISSING, missing=tuple(missing))
        until = now + self._limits.blob_life
        for blob in found:
            if blob.until < until:
                self._storage.save_blob(replace(blob, until=until))
        return Done()

    def get(self, get: Get, budget: Budget) -> Answer:
        """A chunk or a part of one, for whoever knows the id."""
        blob = self._storage.blob(get.blob)
        if blob is None or get.n >= _chunks(blob) or not _has(blob, get.n):
            return Failure(Status.MISSING, missing=(get.blob,))
        length = parts.length_of(blob.size, get.n) - get.at
        if length <= 0:
            return Failure(Status.MALFORMED)
        if get.length is not None:
            length = min(length, get.length)
        cost = length + 32
        if cost > budget.left:
            return Failure(Status.BUSY, retry_after=0)
        try:
            found = self._folder.read(get.blob, get.n, blob.size, get.at, length)
        except FileNotFoundError:
            return Failure(Status.MISSING, missing=(get.blob,))
        except OSError:
            return DISK_FAILS
        budget.left -= cost
        return Chunk(found, blob.size) if get.length is None else Part(found, blob.size, get.at)

    def stat(self, stat: Stat, budget: Budget) -> Answer:
        """What of a blob is there."""
        blob = self._storage.blob(stat.blob)
        if blob is None:
            return Failure(Status.MISSING, missing=(stat.blob,))
        ranges = _ranges(blob)
        started = () if blob.have is None else tuple(self._storage.started(blob.id))
        cost = 32 + 12 * len(ranges) + 24 * len(started)
        if cost > budget.left:
            return Failure(Status.BUSY, retry_after=0)
        budget.left -= cost
        return Extent(blob.size, ranges, blob.until, started)

    # --------------------------------------------------------------------------------------------- end

    def delete(self, blob: BlobRow) -> None:
        """Forget a blob, in the group; its file goes when the group is on disk."""
        self._storage.delete_blob(blob.id)
        self._places.give_space(blob.place, blob.links, blob.size)
        self._to_delete.append(blob.id)

    def committed(self) -> None:
        """The group is on disk: files that nothing refers to any more can go."""
        if self._to_delete:
            gone, self._to_delete = self._to_delete, []
            self._disk(lambda: self._folder.delete(gone), lambda fault: None)

    def rolled_back(self) -> None:
        """The group has not happened: its blobs are still there."""
        self._to_delete.clear()


def _differ(one: ChunkWrite, other: ChunkWrite) -> bool:
    """Whether two writes to the same chunk have different bytes for the same place."""
    start = max(one.at, other.at)
    end = min(one.at + len(one.chunk), other.at + len(other.chunk))
    return (
        start < end
        and one.chunk[start - one.at : end - one.at] != other.chunk[start - other.at : end - other.at]
    )


def _chunks(blob: BlobRow) -> int:
    return -(-blob.size // SEALED_CHUNK)


def _has(blob: BlobRow, n: int) -> bool:
    return blob.have is None or bool(blob.have[n >> 3] >> (n & 7) & 1)


def _ranges(blob: BlobRow) -> tuple[tuple[int, int], ...]:
    """Half-open ranges of the chunks that are there."""
    chunks = _chunks(blob)
    if blob.have is None:
        return ((0, chunks),)
    ranges: list[tuple[int, int]] = []
    bits = int.from_bytes(blob.have, "little")
    at = 0
    while bits:
        skip = (bits & -bits).bit_length() - 1
        bits >>= skip
        run = (~bits & (bits + 1)).bit_length() - 1
        ranges.append((at + skip, at + skip + run))
        bits >>= run
        at += skip + run
    return tuple(ranges)
