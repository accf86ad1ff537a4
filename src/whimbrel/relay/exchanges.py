"""A single letter: opened, decided, answered; held for a while when it only watches and nothing has come yet."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from whimbrel.serving.http import Reply
from whimbrel.wire.answers import Answer, Failure, Fetched, Watched
from whimbrel.wire.codec import decode_operations, encode_answers
from whimbrel.wire.errors import GoneKey, NotForUs, WireError
from whimbrel.wire.letters import OpenedRequest, is_asking_keys, open_request, seal_response
from whimbrel.wire.operations import Operation, Watch

from .engine import Budget
from .watching import Encoded, WatchSet

if TYPE_CHECKING:
    from .server import Relay


def take_letter(relay: Relay, data: bytes, reply: Reply) -> None:
    """Answer one whole letter, now or later."""
    keys = relay.letter_keys
    if is_asking_keys(data):
        reply(keys.document_answer())
        return
    try:
        opened = open_request(keys, data)
        operations = decode_operations(opened.operations)
    except (GoneKey, NotForUs):
        reply(keys.document_answer())
        return
    except WireError:
        reply(None)
        return
    relay.counts.letters += 1
    exchange = Exchange(relay, opened, operations, reply)
    exchange.begin(operations)


class Exchange:
    """One letter and its answer. While it is held, it is the listener of its watch set."""

    __slots__ = ("_handle", "_held_until", "_opened", "_relay", "_reply", "_wait", "_woken", "attached")

    def __init__(
        self, relay: Relay, opened: OpenedRequest, operations: list[Operation | Failure], reply: Reply
    ) -> None:
        self._relay = relay
        self._opened = opened
        self._reply = reply
        self._wait = 0
        if len(operations) == 1 and isinstance(operations[0], Watch):
            self._wait = min(operations[0].wait, relay.limits.hold)
        self._handle = b""
        self._held_until: asyncio.TimerHandle | None = None
        self._woken = False
        self.attached: WatchSet | None = None

    def begin(self, operations: list[Operation | Failure]) -> None:
        listener = self if self._wait else None
        self._relay.desk.take(operations, self._answer, listener, self)

    # --------------------------------------------------------------------------------------- as listener

    def can_take(self) -> bool:
        return True

    def push(self, slot: int, what: Fetched | Failure, shared: Encoded | None) -> None:
        self._wake()

    def signal(self, slot: int, body: bytes) -> None:
        """An exchange has no room for signals: they are for who listens now."""

    # ------------------------------------------------------------------------------------------- answers

    def _answer(self, answers: list[Answer]) -> None:
        first = answers[0] if answers else None
        empty = isinstance(first, Watched) and not first.results
        if self._wait and empty and self.attached is not None and self._relay.may_hold():
            assert isinstance(first, Watched)
            self._handle = first.handle
            self._relay.held.add(self)
            self._held_until = self._relay.loop.call_later(self._wait, self._wake)
            return
        self._send(answers)

    def _wake(self) -> None:
        """Something has come, or the time is over: look again, and answer when what is seen is on disk."""
        if self._held_until is None or self._woken:
            return
        self._woken = True
        self._held_until.cancel()
        self._relay.soon(self._look_again)

    def _look_again(self) -> None:
        self._relay.desk.take((), self._answer_late, None, self)

    def _answer_late(self, _: list[Answer]) -> None:
        self._relay.held.discard(self)
        if self.attached is not None:
            self._relay.watching.detach(self.attached)
        self._send([self._relay.watching.results(self._handle, Budget(self._relay.limits.answer_bytes))])

    def release(self) -> None:
        """The relay stops: answer with what there is."""
        self._wake()

    def _send(self, answers: list[Answer]) -> None:
        if self.attached is not None:
            self._relay.watching.detach(self.attached)
        keys = self._relay.letter_keys
        news = keys.news_for(self._opened.number)
        try:
            data = encode_answers(answers)
            letter = seal_response(self._opened, self._relay.random(32), data, share=None, document=news)
        except (WireError, ValueError):  # they are too much for one letter
            self._reply(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        self._reply(letter)
