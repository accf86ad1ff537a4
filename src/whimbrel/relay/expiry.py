"""What a relay forgets, and when: entries, then ids, `advance` entries, blobs that nothing needs. In small steps.

Of every log the records are gone through from the oldest, at most `STEP` at a time:

* an entry that is older than `entry_life` and that no late reader needs is removed; its id stays in its place;
* the id goes when it is older than `id_life`; an `advance` entry stays whole until `advance_life`, then it goes wholly;
* what stands in the present turn, with the `advance` that began it, stays; in an inbox, which has no turns, the last
  record stays as an id: it says where the log stands.

Nothing here is exact to the second: a round over all logs is begun every hour.
"""

from __future__ import annotations

from dataclasses import dataclass

from .logs import SEQ_MAX, Log, Row, cost_of
from .settings import Limits
from .storage import Storage
from .uploads import Uploads

STEP = 200
"""Rows looked at in one step, so that nobody waits for it."""
LOGS = 50


@dataclass(slots=True)
class _Place:
    """How far a round has come: the last log that is done, the seq reached in the next one, and the last blob."""

    log: int = 0
    seq: int = 0
    blob: bytes = b""
    logs_done: bool = False


class Expiry:
    """One round after the other over all logs and blobs."""

    def __init__(self, storage: Storage, uploads: Uploads, limits: Limits) -> None:
        self._storage = storage
        self._uploads = uploads
        self._limits = limits
        self._at = _Place()

    def step(self, now: int) -> bool:
        """Go on with the round, as part of the storage's group. False: the round is over, the next step begins anew."""
        if self._at == _Place():
            # Where little is said, the youngest records would never become old.
            self._storage.settle()
        if not self._at.logs_done:
            self._logs(now)
            return True
        if self._blobs(now):
            return True
        self._at = _Place()
        return False

    # -------------------------------------------------------------------------------------------- logs

    def _logs(self, now: int) -> None:
        ids = self._storage.logs_after(self._at.log, LOGS)
        if not ids:
            self._at.logs_done = True
            return
        looked_at = 0
        for log_id in ids:
            log = self._storage.log(log_id)
            if log is None:
                continue
            looked_at += self._log(log, now, STEP - looked_at)
            if looked_at >= STEP:
                return

    def _log(self, log: Log, now: int, count: int) -> int:
        """Up to `count` rows of one log; moves the round's place on. Answers how many rows were looked at."""
        rows = self._storage.settled_rows(log.number, self._at.seq, count)
        keep_from = self._kept_from(log)
        entries: list[Row] = []
        gone: list[int] = []
        young = False
        for row in rows:
            age = now - row[7]
            if age <= self._limits.entry_life:
                young = True
                break
            if row[0] & SEQ_MAX >= keep_from:
                young = True
                break
            life = self._limits.advance_life if row[2] else self._limits.id_life
            if age > life:
                gone.append(row[0])
                if row[4] is not None:
                    entries.append(row)
            elif not row[2] and row[4] is not None:
                entries.append(row)
        last = self._last_of_inbox(log, rows, now)
        if last is not None:
            entries.append(last)
        self._forget(log, entries, gone)
        if young or len(rows) < count:
            self._at.log, self._at.seq = log.number, 0
        else:
            self._at.seq = rows[-1][0] & SEQ_MAX
        return len(rows)

    def _kept_from(self, log: Log) -> int:
        """The seq from which on records stay as they are."""
        if not log.has_turns:
            return log.seq
        return max(1, self._storage.last_advance(log))

    def _last_of_inbox(self, log: Log, rows: list[Row], now: int) -> Row | None:
        """The last record of an inbox, when its entry has had its time."""
        if log.has_turns or not rows:
            return None
        for row in rows:
            if row[0] & SEQ_MAX == log.seq and row[4] is not None:
                return row if now - row[7] > self._limits.entry_life else None
        return None

    def _forget(self, log: Log, entries: list[Row], gone: list[int]) -> None:
        if entries:
            self._storage.drop_entries([row[0] for row in entries])
            log.freed += sum(cost_of(row[4] or b"", row[5]) for row in entries)
            self._storage.save_log(log)
        if gone:
            self._storage.drop_rows(gone)

    # ------------------------------------------------------------------------------------------- blobs

    def _blobs(self, now: int) -> bool:
        """Some blobs whose own time is over; False when there are no more."""
        blobs = self._storage.blobs_past(now, self._at.blob, LOGS)
        for blob in blobs:
            self._at.blob = blob.id
            if not self._storage.is_needed(blob.id):
                self._uploads.delete(blob)
        return len(blobs) == LOGS
