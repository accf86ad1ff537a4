"""Who pays for space, and whether there is any left: a log, or an admission; under both the links of an admission.

A blob is *put to a place*. Its size counts in the place from the first chunk on until it is deleted, and under every link
of the admission (of the log that is the place, or the one given): so a guest uses up the host's share.
"""

from __future__ import annotations

from dataclasses import dataclass

from whimbrel.wire.admission import Counted, Denied, decode_admission, verify
from whimbrel.wire.answers import Failure, Status
from whimbrel.wire.errors import Malformed
from whimbrel.wire.operations import LogKind
from whimbrel.wire.purpose import token_hash

from .logs import Granted, Log, Role
from .settings import Limits
from .storage import Storage, Usage

LINK = 32
MEGABYTE = 1_000_000

DENIED = Failure(Status.DENIED)
MALFORMED = Failure(Status.MALFORMED)
FULL = Failure(Status.FULL)


@dataclass(frozen=True, slots=True)
class Payer:
    """A place and who may use it: a log (then perhaps only by a grant), or links of an admission alone."""

    log: Log | None
    grant: Granted | None
    links: bytes
    counted: tuple[Counted, ...] = ()
    """For an admission: its links with their limits (a log's were stored when it was made)."""

    @property
    def place(self) -> int | None:
        return None if self.log is None else self.log.number


class Places:
    """The accounts of one relay. Every method that changes something belongs to the storage's open group."""

    def __init__(self, storage: Storage, limits: Limits, root: bytes) -> None:
        self._storage = storage
        self._limits = limits
        self._root = root

    def writer(self, log: Log, write: bytes) -> Granted | Failure | None:
        """Who comes with this write token: None for the current one, a grant, or the failure that answers it."""
        token = token_hash(write)
        if token == log.write:
            return None
        grant = self._storage.granted(log, token)
        if grant is not None:
            return grant
        if Role.OLD_WRITE in self._storage.token_role(log, token):
            return Failure(Status.WRONG_TURN, head=log.head)
        return DENIED

    def payer(self, place: bytes, token: bytes, now: float) -> Payer | Failure:
        """Who pays at this place (a log's id, or nothing for an admission)."""
        if place:
            log = self._storage.log(place)
            if log is None:
                return DENIED
            writer = self.writer(log, token)
            if isinstance(writer, Failure):
                return writer
            return Payer(log, writer, self._storage.links(log))
        counted = self.admission(token, now)
        if isinstance(counted, Failure):
            return counted
        return Payer(None, None, b"".join(one.account for one in counted), counted)

    def admission(self, encoded: bytes, now: float) -> tuple[Counted, ...] | Failure:
        """The links of an admission of this relay that holds now."""
        try:
            found = verify(self._root, decode_admission(encoded), now)
        except Malformed:
            return MALFORMED
        return DENIED if isinstance(found, Denied) else found.counted

    def take_log(self, counted: tuple[Counted, ...], kind: LogKind | int) -> Failure | None:
        """Count one more log under every link, or say that one of them is used up."""
        taken = []
        for one in counted:
            usage = self._storage.usage(one.account)
            inbox = kind == LogKind.INBOX
            most = one.limits.inboxes if inbox else one.limits.logs
            if (usage.inboxes if inbox else usage.logs) >= _least(most, self._limits.admission_logs):
                return FULL
            usage.most = self._most(one)
            if inbox:
                usage.inboxes += 1
            else:
                usage.logs += 1
            taken.append((one.account, usage))
        for account, usage in taken:
            self._storage.save_usage(account, usage)
        return None

    def give_log(self, links: bytes, kind: LogKind | int) -> None:
        """A log is gone."""
        for link in _split(links):
            usage = self._storage.usage(link)
            if kind == LogKind.INBOX:
                usage.inboxes -= 1
            else:
                usage.logs -= 1
            self._storage.save_usage(link, usage)

    def take_space(self, payer: Payer, size: int) -> Failure | None:
        """Count a blob of `size` bytes, or say that there is no space for it and change nothing."""
        if payer.log is not None and self._storage.space(payer.log.number) + size > self._limits.log_blobs:
            return FULL
        if payer.grant is not None and payer.grant.size < size:
            return FULL
        most = {one.account: self._most(one) for one in payer.counted}
        taken: list[tuple[bytes, Usage]] = []
        for link in _split(payer.links):
            usage = self._storage.usage(link)
            usage.most = most.get(link, usage.most)
            if usage.size + size > usage.most:
                return FULL
            usage.size += size
            taken.append((link, usage))
        for link, usage in taken:
            self._storage.save_usage(link, usage)
        if payer.log is not None:
            self._storage.add_space(payer.log.number, size)
            if payer.grant is not None:
                payer.grant.size -= size
                self._storage.save_grant(payer.log, payer.grant)
        return None

    def give_space(self, place: int | None, links: bytes, size: int) -> None:
        """A blob is gone. What a grant allowed in all is not given back."""
        for link in _split(links):
            usage = self._storage.usage(link)
            usage.size -= size
            self._storage.save_usage(link, usage)
        if place is not None:
            self._storage.add_space(place, -size)

    def _most(self, one: Counted) -> int:
        limit = one.limits.megabytes
        return _least(None if limit is None else limit * MEGABYTE, self._limits.admission_bytes)


def _least(limit: int | None, usual: int) -> int:
    return usual if limit is None else min(limit, usual)


def _split(links: bytes) -> list[bytes]:
    return [links[at : at + LINK] for at in range(0, len(links), LINK)]
