"""Ways back: what becomes of a conversation whose newest line is lost (docs/protocol/conversation.md, "Two ways back").

If the relay lost or altered something, an admin moves the conversation; the first admin at once, the others one after
the other when the first does not. If this device lost its place, it asks to be let in again. Who is no admin asks in
both cases; an admin whom nobody lets in moves. All of it is said in the chat, and nothing of it needs a person.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects
from whimbrel.chat.household import Household
from whimbrel.chat.line import Line
from whimbrel.chat.line_state import Standing
from whimbrel.chat.moving import Moves
from whimbrel.chat.outbox import has_come
from whimbrel.chat.re_adding import ReAdds
from whimbrel.chat.refusal import CannotDo
from whimbrel.chat.troubles import DAMAGE, ON_THEIR_WAY, text_of, way_back

STAGGER = 60_000
"""Milliseconds that each further admin waits for those before to move."""
GRACE = 600_000
"""Milliseconds that a letter may take which is known to be on its way."""
ASK_AGAIN = (600_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000)
"""Milliseconds after which a request that brought nothing is made again."""
ASKS = 3
"""Requests without an effect after which an admin moves."""
MOVE_AGAIN = 600_000
"""Milliseconds after which a move that could not be made is tried again: cards are on their way."""
WAITS_FOR_ALL = 24 * 3_600_000
"""Milliseconds after which a conversation moves without those of whom there is no key package."""
LONGEST = 24 * 3_600_000 + 64 * STAGGER

Step = Literal["ask", "move"]


class WaysBack:
    """Tends all lost conversations of a Person."""

    def __init__(self, person: Household) -> None:
        self._person = person
        self.moves = Moves(person)
        self.re_adds = ReAdds(person)

    def tend(self, now: int, fx: Effects) -> None:
        """Take the steps that are due."""
        for chat in self._person.chats.values():
            if chat.id in self._person.aside:
                continue
            self._person.doing = chat.id
            line = chat.lost
            if line is None or chat.is_copied:  # first this device must be another one
                continue
            if not line.state.lost.at:
                line.state.lost = replace(line.state.lost, at=now)
                fx.watch_changed = True
                if line.state.trouble not in ON_THEIR_WAY:
                    self._say(chat, line, now, fx)
                fx.save(chat.save())
            step, time = self._next(line)
            if has_come(time, now, LONGEST):
                if step == "move":
                    self._move(chat, line, now, fx)
                else:
                    self._ask(chat, line, now, fx)

    def next_time(self) -> int | None:
        """When the next step is due (milliseconds)."""
        times = []
        for chat in self._person.chats.values():
            line = chat.lost if chat.id not in self._person.aside else None
            if line is not None:
                times.append(0 if chat.is_copied else self._next(line)[1])
        return min(times, default=None)

    def _say(self, chat: Conversation, line: Line, now: int, fx: Effects) -> None:
        """What happened and what comes next, in the chat and in `status`."""
        me, code = self._person.identity.account, line.state.trouble
        chat.note(line, "lost", me, [me], now, fx, code)
        text = f"{text_of(code)} {way_back(code, me in line.roles.admins)}"
        fx.tell("trouble", chat=chat.id, code=code, text=text)

    def _next(self, line: Line) -> tuple[Step, int]:
        """What is to be done next about a lost line, and when. What has just moved does not move again at once: a relay that
        lies about each log that it gets would otherwise be asked for one after the other."""
        step, time = self._step(line)
        if step == "move" and line.state.move:
            time = max(time, line.state.healing.at + MOVE_AGAIN)
        return step, time

    def _step(self, line: Line) -> tuple[Step, int]:
        lost, code, me = line.state.lost, line.state.trouble, self._person.identity.account
        admins = [a for a in line.roles.admins if a in line.accounts()]
        begin = lost.at + (GRACE if code in ON_THEIR_WAY else 0)
        again = lost.asked_at + ASK_AGAIN[min(max(lost.asked - 1, 0), len(ASK_AGAIN) - 1)]
        if me not in admins:
            return "ask", again if lost.asked else begin
        if code in DAMAGE:
            place = admins.index(me) if lost.asked_at == 0 else 0
            return "move", (lost.asked_at + MOVE_AGAIN) if lost.asked_at else lost.at + place * STAGGER
        if code not in ON_THEIR_WAY and (admins == [me] or lost.asked >= ASKS):
            return "move", (lost.asked_at + MOVE_AGAIN) if lost.asked_at else begin
        return "ask", again if lost.asked else begin

    def _ask(self, chat: Conversation, line: Line, now: int, fx: Effects) -> None:
        lost = line.state.lost
        if not lost.asked and line.state.trouble in ON_THEIR_WAY:
            self._say(chat, line, now, fx)
        asked = self.re_adds.ask(chat, line, now, fx)
        # With nobody to ask yet it is tried again after the first pause.
        line.state.lost = replace(
            lost, asked_at=now, asked=lost.asked + 1 if asked or not lost.asked else lost.asked
        )
        fx.save(chat.save())

    def _move(self, chat: Conversation, line: Line, now: int, fx: Effects) -> None:
        """An admin's app moves by itself. After a day without those whom it cannot bring along."""
        lost = line.state.lost
        try:
            self.moves.begin(chat, None, now, fx)
            return
        except CannotDo as cannot:
            fx.tell("trouble", chat=chat.id, code=cannot.code, text=str(cannot))
        if not 0 <= now - lost.at < WAITS_FOR_ALL:
            without = [a for a in line.accounts() if not self._has_key_package(a, now)]
            self.moves.begin(chat, None, now, fx, without)
            return
        line.state.lost = replace(lost, asked_at=now)
        fx.save(chat.save())

    def _has_key_package(self, account: bytes, now: int) -> bool:
        contact = self._person.contacts.get(account)
        if account == self._person.identity.account:
            return True
        return contact is not None and contact.can_be_let_in(now)

    def founded(self, chat: Conversation, line: Line) -> None:
        """A new log stands."""
        if line.state.standing is Standing.OPEN:
            self.moves.founded(chat, line)
