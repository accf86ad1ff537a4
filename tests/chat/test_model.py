"""A model of the protocol: anything may happen, in any order, and in the end all have everything, once, and agree.

Four people with real stores and the real engine, and the real engine of a relay. What they do and what befalls them
is drawn: answers that are lost, late or repeated, records in parts and again, crashes, a relay that starts again, hours that
pass. The model itself knows only what was said and answered. With SOAK=true it looks further.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from support.village import Village
from support.weather import Weather, Weathered
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.line_state import Standing
from whimbrel.chat.records import MessageRow

NAMES = ("Ada", "Bo", "Cy", "Di")
GROUP = "birds"
HOUR = 3_600_000

people = st.sampled_from(NAMES)
chats = st.sampled_from((GROUP, GROUP, *NAMES))
which = st.integers(0, 5)
how = st.sampled_from(("well", "well", "lost", "twice", "late"))


@cache
def the_village() -> Village:
    """Four friends; three are in a group, two of them as admins. Made once, and copied for each run."""
    village = Village(Path(tempfile.mkdtemp(prefix="whimbrel-model-")))
    ada, bo, *_ = village.friends(*NAMES)
    ada.group(GROUP, "Bo", "Cy")
    village.settle()
    account = bo.person.identity.account
    ada.do(lambda person, now, fx: person.intend(ada.chat(GROUP), "roles", ["promote", account], fx))
    village.settle()
    return village


class Conversations(RuleBasedStateMachine):
    """What people do, and the weather."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="whimbrel-model-")
        self.village = Weather(the_village(), Path(self.folder.name) / "village")
        self.group = self.one("Ada").chat(GROUP).id
        self.said: dict[tuple[str, str], list[str]] = defaultdict(list)
        """What was answered as saved, by sender and chat, in its order."""
        self.n = 0
        self.changed_members = False

    def one(self, name: str) -> Weathered:
        found = self.village.people[name]
        assert isinstance(found, Weathered)
        return found

    def chat(self, name: str, chat: str) -> Conversation | None:
        """The chat as this person has it; the group by its id, since its name changes."""
        person = self.one(name).person
        if chat == GROUP:
            return person.chats.get(self.group)
        return next((c for c in person.chats.values() if c.kind == "pair" and c.name == chat), None)

    # ------------------------------------------------------------------------------------- what people do

    @rule(who=people, chat=chats, count=st.integers(1, 3))
    def say(self, who: str, chat: str, count: int) -> None:
        for _ in range(count):
            self.n += 1
            text = f"{who} {self.n}"
            there = self.chat(who, chat)
            if there is not None:
                id = self.one(who).wish(
                    lambda person, now, fx, chat=there, text=text: person.send(chat, text, [], None, now, fx)
                )
                if id is not None:
                    self.said[who, chat].append(text)

    @rule(who=people, what=st.sampled_from(("remove", "promote", "demote", "name", "update")), whom=people)
    def change(self, who: str, what: str, whom: str) -> None:
        account = self.one(whom).person.identity.account
        self.n += 1
        kind, value = {
            "remove": ("remove", [account]),
            "promote": ("roles", ["promote", account]),
            "demote": ("roles", ["demote", account]),
            "name": ("roles", ["name", f"birds {self.n}"]),
            "update": ("update", []),
        }[what]
        chat = self.chat(who, GROUP)
        if chat is not None and chat.line is not None and (what != "remove" or who != whom):
            self.one(who).wish(lambda person, now, fx: person.intend(chat, kind, value, fx))

    @rule(who=people, whom=people)
    def let_in(self, who: str, whom: str) -> None:
        chat = self.chat(who, GROUP)
        if chat is not None and chat.line is not None and who != whom:
            contact = self.one(who).contact(whom)
            self.one(who).wish(lambda person, now, fx: person.add_to_group(chat, contact, now, fx))

    @rule(who=st.sampled_from(("Cy", "Di")))
    def leave(self, who: str) -> None:
        chat = self.chat(who, GROUP)
        if chat is not None and chat.line is not None:
            self.one(who).wish(lambda person, now, fx: person.leave(chat, fx))

    # ------------------------------------------------------------------------------------------- the weather

    @rule(who=people, which=which, how=how)
    def an_ask(self, who: str, which: int, how: str) -> None:
        self.one(who).ask_one(which, how)

    @rule(who=people, count=st.integers(2, 12))
    def some_steps(self, who: str, count: int) -> None:
        for _ in range(count):
            if not self.one(who).step():
                break

    @rule(who=people, which=which, limit=st.sampled_from((1, 2, 500)))
    def records(self, who: str, which: int, limit: int) -> None:
        self.one(who).read_one(which, limit)

    @rule(who=people, which=which)
    def records_again(self, who: str, which: int) -> None:
        self.one(who).read_again(which)

    @rule(who=people, which=which)
    def a_late_answer(self, who: str, which: int) -> None:
        self.one(who).hear_late(which)

    @rule(who=people)
    def crash(self, who: str) -> None:
        self.one(who).crash()

    @rule()
    def the_relay_starts_again(self) -> None:
        self.village.restart_relay()

    @rule(milliseconds=st.sampled_from((100, 2_500, 61_000, HOUR)))
    def time_passes(self, milliseconds: int) -> None:
        self.village.now += milliseconds
        for one in self.village.people.values():
            one.do(lambda person, now, fx: None)

    # --------------------------------------------------------------------------------------- what must hold

    @rule()
    @precondition(lambda self: self.n)
    def all_is_delivered(self) -> None:
        self.village.settle(patience=3 * HOUR)
        for one in self.village.people.values():
            self.is_at_rest(one)
        self.all_agree()
        self.nothing_is_lost_or_doubled()

    def teardown(self) -> None:
        try:
            self.all_is_delivered()
        finally:
            self.village.close()
            self.folder.cleanup()

    def is_at_rest(self, one: Any) -> None:
        assert not one.troubles(), (one.name, one.news[-3:])
        passed_over = [news for news in one.news if news["event"] == "ignored"]
        assert not passed_over, (one.name, passed_over)
        assert one.person.waiting() == 0, one.name
        assert not one.person.busy(self.village.now), one.name
        for chat in one.person.chats.values():
            for line in chat.lines:
                assert line.state.standing in (Standing.OPEN, Standing.CLOSED), one.name
                assert line.state.standing is Standing.CLOSED or not line.state.landed, one.name

    def all_agree(self) -> None:
        """Who is in the group is in the same one, and knows the same of it; and so are each two."""
        lines = {name: chat.line for name in NAMES if (chat := self.chat(name, GROUP)) and chat.line}
        names = {self.one(name).person.identity.account: name for name in NAMES}
        stands = {
            (
                line.group.epoch_authenticator(),
                tuple(names[account] for account in line.accounts()),
                tuple(names[account] for account in line.roles.admins),
                line.roles.name,
                (line.state.seq, line.state.turn, line.state.h, line.state.n, line.state.read),
            )
            for line in lines.values()
        }
        assert len(stands) <= 1, stands
        for stand in stands:
            assert sorted(stand[1]) == sorted(lines), (stand[1], sorted(lines))
            assert stand[2], "a group without an admin"
        for one, other in ((a, b) for a in NAMES for b in NAMES if a < b):
            here, there = self.chat(one, other), self.chat(other, one)
            assert here is not None
            assert there is not None
            assert here.line is not None
            assert there.line is not None
            assert here.line.group.epoch_authenticator() == there.line.group.epoch_authenticator()

    def rows(self, name: str, chat: str) -> list[MessageRow]:
        there = self.chat(name, chat)
        return self.one(name).home.database.messages(there.id) if there is not None else []

    def nothing_is_lost_or_doubled(self) -> None:
        for who in NAMES:
            for other in NAMES:
                if who != other:
                    said = self.said[who, other]
                    assert [row.text for row in self.rows(who, other) if row.mine] == said
                    assert [row.text for row in self.rows(other, who) if not row.mine] == said
        # In the group: who was never out has all that anybody said and that was not told to have failed.
        kept = {
            who: [row.text for row in self.rows(who, GROUP) if row.mine and row.state != "failed"]
            for who in NAMES
        }
        for who in NAMES:
            assert [row.text for row in self.rows(who, GROUP) if row.mine] == self.said[who, GROUP]
        orders = {who: log_order(self.rows(who, GROUP)) for who in NAMES}
        stayed = [who for who in ("Ada", "Bo", "Cy") if not self.was_out(who)]
        whole = max(orders.values(), key=len) if not stayed else orders[stayed[0]]
        for who in stayed:
            assert orders[who] == whole
            for sender in NAMES:
                assert [text for text in orders[who] if text.startswith(sender + " ")] == kept[sender]
        for who in NAMES:
            heard = [whole.index(text) for text in orders[who] if text in whole]
            assert heard == sorted(set(heard)), who
            if stayed:
                assert len(heard) == len(orders[who]), who
                assert sum(b != a + 1 for a, b in pairwise(heard)) <= self.was_out(who), who

    def was_out(self, name: str) -> int:
        """How often somebody was removed from the group, or left."""
        chat = self.chat(name, GROUP)
        if chat is None:
            return 1
        events = [
            row.event
            for row in self.one(name).home.database.messages(chat.id, None, None, True)
            if row.event is not None
        ]
        return sum(event in ("removed", "left") for event in events)


def log_order(rows: list[MessageRow]) -> list[str]:
    """Texts in the order of the log. Own messages that went together have the place of their last one."""
    return [row.text for row in sorted(rows, key=lambda row: (row.seq, row.n)) if row.state != "failed"]


DEEP = os.environ.get("SOAK") == "true"


class TestConversations(Conversations.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(
        max_examples=500 if DEEP else 40,
        stateful_step_count=120 if DEEP else 50,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
