"""A model of the protocol: anything may happen, in any order, and in the end all have everything, once, and agree.

Four people with real stores and the real engine, and the real engine of a relay. What they do and what befalls them
is drawn: answers that are lost, late or repeated, records in parts and again, crashes, a relay that starts again, hours that
pass. The model itself knows only what was said and answered. With SOAK=true it looks further.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from support.village import Village
from support.weather import Weather, Weathered
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects
from whimbrel.chat.line_state import Standing
from whimbrel.chat.person import Person
from whimbrel.chat.records import MessageRow
from whimbrel.chat.rules import may_post
from whimbrel.crypto.leaf import encode_roles

NAMES = ("Ada", "Bo", "Cy", "Di")
GROUP = "birds"
LEAVERS = ("Cy", "Di")
MONTH = 30 * 24 * 3600
"""Longer than any run: what was said stays, and can be counted."""
HOUR, DAY = 3_600_000, 86_400_000
PAUSES = (100, 100, 2_500, 2_500, 61_000, HOUR)

people = st.sampled_from(NAMES)
chats = st.sampled_from((GROUP, GROUP, *NAMES))
words = st.lists(st.tuples(people, chats), min_size=1, max_size=6)
change = st.sampled_from(
    (
        *("add", "add", "remove", "promote", "demote", "update", "leave"),
        *("name", "timer", "picture", "may_post", "may_add", "may_change"),
    )
)
changes = st.lists(st.tuples(people, change, people), min_size=1, max_size=4)
deed = st.sampled_from(("edit", "delete", "react", "react", "take back"))
deeds = st.lists(st.tuples(people, chats, deed, st.integers(0, 9)), min_size=1, max_size=4)
REACTIONS = ("\N{THUMBS UP SIGN}", "\N{PARTY POPPER}")
event = st.sampled_from(
    (
        *("step",) * 8,
        *("ask well", "ask well", "ask lost", "ask twice", "ask late"),
        *("read 1", "read 2", "read 500", "read again"),
        *("late", "late", "crash", "restart", "pause"),
    )
)
weather = st.lists(st.tuples(people, event, st.integers(0, 5)), min_size=4, max_size=40)


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
        self.first: dict[bytes, str] = {}
        """What each message said when it was sent, whatever became of it."""
        self.n = 0

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

    @rule(words=words)
    def people_talk(self, words: list[tuple[str, str]]) -> None:
        for who, chat in words:
            self.n += 1
            self.people_say(who, chat, f"{who} {self.n}")

    def people_say(self, who: str, chat: str, text: str) -> None:
        there = self.chat(who, chat)
        if there is not None:
            id = self.one(who).wish(
                lambda person, now, fx: person.send(person.chats[there.id], text, [], None, now, fx)
            )
            if id is not None:
                self.said[who, chat].append(text)
                self.first[id] = text

    @rule(deeds=deeds)
    def people_do_things_to_messages(self, deeds: list[tuple[str, str, str, int]]) -> None:
        for who, chat, what, which in deeds:
            rows = self.rows(who, chat)
            if rows:
                row = rows[-1 - which % len(rows)]
                if what != "delete" or row.state not in ("queued", "failed"):  # else it was never said
                    self.n += 1
                    self.one(who).wish(partial(self._do_to, what, row))

    def _do_to(self, what: str, row: MessageRow, person: Person, now: int, fx: Effects) -> None:
        chat, acts = person.chats[row.chat], person.acts
        match what:
            case "edit":
                acts.edit(chat, row, f"edited {self.n}", (), now, fx)
            case "delete":
                acts.delete(chat, row, now, fx)
            case "react":
                acts.react(chat, row, REACTIONS[self.n % 2], now, fx)
            case _:
                acts.react(chat, row, "", now, fx)

    @rule(changes=changes)
    def people_change_the_group(self, changes: list[tuple[str, str, str]]) -> None:
        for who, what, whom in changes:
            self.n += 1
            chat = self.chat(who, GROUP)
            if chat is not None and chat.line is not None:
                self.one(who).wish(partial(self._change, chat.id, what, whom))

    def _change(self, id: bytes, what: str, whom: str, person: Person, now: int, fx: Effects) -> None:
        chat, account = person.chats[id], self.one(whom).person.identity.account
        match what:
            case "leave":
                if person.identity.name in LEAVERS:
                    person.leave(chat, fx)
            case "add":
                if account != person.identity.account:
                    person.add_to_group(chat, person.contacts[account], now, fx)
            case "remove":
                if account != person.identity.account:
                    person.intend(chat, "remove", [account], fx)
            case "update":
                person.intend(chat, "update", [], fx)
            case "name":
                person.change_group(chat, {"name": f"birds {self.n}"}, fx)
            case "timer":
                person.change_group(chat, {"timer": self.n % 3 * MONTH}, fx)
            case "picture":
                person.pictures.set(chat, f"a bird {self.n}".encode() if self.n % 4 else None, fx)
            case "may_post" | "may_add" | "may_change":
                person.change_group(chat, {what: self.n % 2}, fx)
            case _:
                person.intend(chat, "roles", [what, account], fx)

    # ------------------------------------------------------------------------------------------- the weather

    @rule(weather=weather)
    def a_while_passes(self, weather: list[tuple[str, str, int]]) -> None:
        for who, what, n in weather:
            one = self.one(who)
            match what.split():
                case ["step"]:
                    one.step()
                case ["ask", how]:
                    one.ask_one(n, how)
                case ["read", "again"]:
                    one.read_again(n)
                case ["read", limit]:
                    one.read_one(n, int(limit))
                case ["late"]:
                    one.hear_late(n)
                case ["crash"]:
                    one.crash()
                case ["restart"]:
                    self.village.restart_relay()
                case ["pause"]:
                    self.time_passes(PAUSES[n])

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
        self.all_see_the_same()
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
                encode_roles(line.roles),
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

    def all_see_the_same(self) -> None:
        """Who is in the group has its picture, and none that it had before; and knows it by its name."""
        for name in NAMES:
            chat = self.chat(name, GROUP)
            if chat is not None and chat.line is not None:
                picture = chat.line.roles.picture
                here = self.one(name).home.database.pictures(chat.id)
                assert here == ([picture.hash] if picture is not None else []), name
                assert chat.name == chat.line.roles.name

    def words(self, rows: list[MessageRow]) -> list[str]:
        """What these messages said at first."""
        return [self.first.get(row.id, row.text) for row in rows]

    def seen(self, name: str, chat: str) -> dict[bytes, Any]:
        """What each message that left is by now, for this person."""
        rows = [row for row in self.rows(name, chat) if row.state != "failed"]
        reactions = self.one(name).home.database.reactions_to([row.id for row in rows])
        found = {id: sorted((one.sender, one.text) for one in given) for id, given in reactions.items()}
        return {row.id: (row.text, row.edit, row.deleted, found.get(row.id)) for row in rows}

    def messages_are_the_same_for_both(self, one: str, other: str, chats: tuple[str, str]) -> None:
        here, there = self.seen(one, chats[0]), self.seen(other, chats[1])
        for id in here.keys() & there.keys():
            assert here[id] == there[id], (one, other, chats)

    def rows(self, name: str, chat: str) -> list[MessageRow]:
        there = self.chat(name, chat)
        return self.one(name).home.database.messages(there.id) if there is not None else []

    def nothing_is_lost_or_doubled(self) -> None:
        for who in NAMES:
            for other in NAMES:
                if who != other:
                    said = self.said[who, other]
                    assert self.words([row for row in self.rows(who, other) if row.mine]) == said
                    assert self.words([row for row in self.rows(other, who) if not row.mine]) == said
        # In the group: who was never out has all that anybody said and that was not told to have failed.
        for who in NAMES:
            for other in NAMES:
                if who != other:
                    self.messages_are_the_same_for_both(who, other, (other, who))
                if not self.was_out(who) and not self.was_out(other):
                    self.messages_are_the_same_for_both(who, other, (GROUP, GROUP))
        kept = {
            who: self.words([row for row in self.rows(who, GROUP) if row.mine and row.state != "failed"])
            for who in NAMES
        }
        for who in NAMES:
            assert self.words([row for row in self.rows(who, GROUP) if row.mine]) == self.said[who, GROUP]
        orders = {who: self.words(log_order(self.rows(who, GROUP))) for who in NAMES}
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


def log_order(rows: list[MessageRow]) -> list[MessageRow]:
    """Messages in the order of the log. Own messages that went together have the place of their last one."""
    return [row for row in sorted(rows, key=lambda row: (row.seq, row.n)) if row.state != "failed"]


class SetBack(Conversations):
    """The same, and once the relay, or somebody's home, is set back to an old copy. Whoever is hit by that is told; what
    homes had they have still; and all ends in conversations that work again."""

    def __init__(self) -> None:
        super().__init__()
        self.village.back_up_relay()
        self.hit = ""
        """What was set back: the relay, or whose home."""
        self.kept: dict[tuple[str, bytes], list[str]] = {}
        self.outs: dict[str, int] = {}
        self.ahead: list[tuple[str, bytes]] = []
        """Who has more of which chat than what was set back knows of."""

    @rule()
    @precondition(lambda self: not self.hit)
    def the_relay_is_copied(self) -> None:
        self.village.back_up_relay()

    @rule(who=people)
    @precondition(lambda self: not self.hit)
    def a_home_is_copied(self, who: str) -> None:
        self.one(who).back_up()

    @rule()
    @precondition(lambda self: not self.hit and self.n)
    def the_relay_is_set_back(self) -> None:
        self.village.restore_relay()
        self.hit = "the relay"
        self._remember()
        for name in NAMES:
            for chat in self.one(name).person.chats.values():
                for line in chat.lines:
                    log = self.village.relay.storage.log(line.state.log)
                    head = log.seq if log is not None else 0
                    known = max([line.state.seq, *(seq for _, seq in line.state.landed)])
                    if line.state.standing is Standing.OPEN and known > head:
                        self.ahead.append((name, chat.id))

    @rule(who=people)
    @precondition(lambda self: not self.hit and self.n)
    def a_home_is_set_back(self, who: str) -> None:
        one = self.one(who)
        sent = {line.state.log: line.state.sent for chat in one.person.chats.values() for line in chat.lines}
        if one.restore():
            self.hit = who
            self._remember()
            for chat in one.person.chats.values():
                for line in chat.lines:
                    if line.state.standing is Standing.OPEN and sent.get(line.state.log, 0) > line.state.sent:
                        self.ahead.append((who, chat.id))

    def _remember(self) -> None:
        for name in NAMES:
            one = self.one(name)
            self.outs[name] = self.was_out(name)
            for chat in one.person.chats.values():
                self.kept[name, chat.id] = self.words(one.home.database.messages(chat.id))

    @rule()
    @precondition(lambda self: self.n)
    def all_is_delivered(self) -> None:
        if not self.hit:
            super().all_is_delivered()
            return
        self.village.settle(patience=3 * DAY)
        self.all_agree_to_moves()
        for (name, chat), kept in self.kept.items():
            texts = self.words(self.one(name).home.database.messages(chat))
            assert texts[: len(kept)] == kept, f"{name} lost something at home"
            assert len(texts) == len(set(texts)), f"{name} has something twice"
        for name, chat in self.ahead:
            one = self.one(name)
            told = any(news["event"] == "trouble" and news.get("chat") == chat for news in one.news)
            noted = {row.event for row in one.home.database.messages(chat, events=True)}
            away = (
                chat == self.group and self.was_out(name) > self.outs[name]
            )  # that line was over before it was read
            assert told or noted & {"lost", "moved", "move-offered"} or away, f"{name} was not told"
        self.all_agree()
        self.what_was_said_between_two_is_at_both()
        self.all_is_heard_again()

    def all_agree_to_moves(self) -> None:
        """Where a move brought other people along than somebody had read of, it waits for that one's word."""
        for name in NAMES:
            one = self.one(name)
            for chat in list(one.person.chats.values()):
                if chat.offered is not None:
                    one.do(lambda person, now, fx, chat=chat: person.agree_to_move(chat, now, fx))
        self.village.settle(patience=3 * DAY)

    def what_was_said_between_two_is_at_both(self) -> None:
        """In whatever order; what a home forgot when it was set back is not asked of it."""
        for who in NAMES:
            for other in NAMES:
                if who != other and self.hit not in (who, other):
                    there = sorted(self.words([row for row in self.rows(other, who) if not row.mine]))
                    assert there == sorted(self.said[who, other]), (who, other)
                    self.messages_are_the_same_for_both(who, other, (other, who))

    def all_is_heard_again(self) -> None:
        """Everybody can write everywhere, and is read."""
        self.n += 1
        inside = [name for name in NAMES if (chat := self.chat(name, GROUP)) and chat.line]
        ways = [(who, GROUP, inside) for who in inside if self.may_write(who)]
        ways += [(who, other, [other]) for who in NAMES for other in NAMES if who != other]
        for who, chat, _ in ways:
            self.people_say(who, chat, f"{who} again {self.n} {chat}")
        self.village.settle(patience=3 * HOUR)
        for who, chat, readers in ways:
            for reader in readers:
                texts = [
                    row.text
                    for row in self.rows(reader, GROUP if chat == GROUP else who if reader != who else chat)
                ]
                assert texts.count(f"{who} again {self.n} {chat}") == 1, (who, chat, reader)

    def may_write(self, who: str) -> bool:
        chat = self.chat(who, GROUP)
        assert chat is not None
        assert chat.line is not None
        return may_post(chat.line.roles, self.one(who).person.identity.account)


DEEP = os.environ.get("SOAK") == "true"
LOOK = settings(
    max_examples=1500 if DEEP else 80,
    stateful_step_count=40 if DEEP else 20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


class TestConversations(Conversations.TestCase):  # type: ignore[misc, name-defined]
    settings = LOOK


class TestSetBack(SetBack.TestCase):  # type: ignore[misc, name-defined]
    settings = LOOK
