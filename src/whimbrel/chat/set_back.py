"""When the relay of our inbox forgot it, or was set back to an earlier time: the inbox is made again, under the same id.

Its id is the hash of what it was made of, so those who know it need not be told anything. Every token that we gave out
is granted again, and the card is put back in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from whimbrel.chat.conversation import Conversation
from whimbrel.chat.doors import Doors
from whimbrel.chat.effects import Effects
from whimbrel.chat.inbox import GRANT_ENTRIES, GRANT_SIZE, OPEN_ENTRIES, OPEN_SIZE, Inbox
from whimbrel.chat.line_state import Standing
from whimbrel.chat.relays import Relay
from whimbrel.crypto.cards import decode_card
from whimbrel.wire.answers import Answer, Failure, Fetched, Head
from whimbrel.wire.operations import Fetch

FORGOTTEN = (
    "The relay has forgotten your inbox. It is made again, as it was; letters that lay there may be missing."
)
SET_BACK = "The relay was set back to an earlier time. Your inbox is mended; letters may be missing."


class Owner(Protocol):
    """What this needs of the account."""

    inbox: Inbox
    doors: Doors
    chats: dict[bytes, Conversation]
    relays: dict[bytes, Relay]

    def next_n(self) -> int: ...


class SetBack:
    """Watches over what the relay says of our inbox."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._asking = False
        self._made_again = False

    def forgotten(self, fx: Effects) -> None:
        """The relay does not know our inbox, or its read token: once in a run it is made again."""
        owner, inbox = self._owner, self._owner.inbox
        if self._made_again or not inbox.here().nonce:
            fx.tell("trouble", code="inbox", text="The relay does not show your inbox any more.")
            return
        self._made_again = True
        fx.tell("trouble", code="inbox", text=FORGOTTEN)
        admission = owner.relays[inbox.here().relay].admission
        inbox.make_again(admission or b"", owner.next_n, fx)
        self._grant_all(fx)
        inbox.put_card_back(owner.next_n, fx)
        fx.watch_changed = True

    def look(self, head: Head, fx: Effects) -> None:
        """What the relay says of the inbox where it shows it. What may only be late is asked again."""
        if self._is_behind(head):
            self.ask(fx)

    def ask(self, fx: Effects) -> None:
        """Ask where the inbox stands."""
        state = self._owner.inbox.here()
        if not self._asking:
            self._asking = True
            fetch = Fetch(state.log, state.read, state.seq, 1)
            fx.ask(state.relay, fetch, "inbox-head", state.seq, self._owner.inbox.confirmed_n())

    def answered(self, seq: int, n: int, answer: Answer, fx: Effects) -> None:
        """Where it stood when it was asked, with our cursor at `seq` and `n` changes known to be made."""
        self._asking = False
        if not isinstance(answer, Fetched):
            return
        head, inbox = answer.head, self._owner.inbox
        inbox.renumber(head.n, fx)
        if head.seq < seq or head.n < n:
            fx.tell("trouble", code="inbox", text=SET_BACK)
            inbox.go_back_to(head, fx)
            self._grant_all(fx)
            inbox.put_card_back(self._owner.next_n, fx)
            fx.watch_changed = True

    def is_told(self, what: Fetched | Failure) -> bool:
        """Whether this would change nothing any more: it was said before."""
        if isinstance(what, Failure):
            return self._made_again
        return self._asking or not self._is_behind(what.head)

    def _is_behind(self, head: Head) -> bool:
        return head.seq < self._owner.inbox.here().seq or head.n < self._owner.inbox.confirmed_n()

    def _grant_all(self, fx: Effects) -> None:
        """Every token that somebody may hold is granted again."""
        inbox = self._owner.inbox
        for token in dict.fromkeys(self._tokens()):
            inbox.grant_again(token, GRANT_ENTRIES, GRANT_SIZE)
        for_all = self._owner.doors.invites.open_token()
        if for_all is not None:
            inbox.grant_again(for_all, OPEN_ENTRIES, OPEN_SIZE)
        inbox.send_grants(self._owner.next_n, fx)

    def _tokens(self) -> Iterator[bytes]:
        """Those of our key packages, of our leaves, and of our card."""
        inbox = self._owner.inbox
        yield from inbox.package_tokens()
        for chat in self._owner.chats.values():
            for line in chat.lines:
                if line.state.standing is not Standing.CLOSED:
                    own = (m for m in line.members if m.index == line.group.own_index)
                    yield from (way.token for member in own for way in member.leaf.reach)
        yield from (way.token for way in decode_card(inbox.here().card).reach)
