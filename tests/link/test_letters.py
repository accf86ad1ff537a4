"""Where connections freeze by volume: one connection for a letter, or for a piece of one, and what goes into it."""

from __future__ import annotations

from collections.abc import Callable

from link_table import Table, append, delivered, done, fetched, item, of, put, sent, seqs
from simulated_network import BRIDGES, RELAY, known

from whimbrel.link.events import (
    Action,
    Answered,
    Close,
    Dial,
    Event,
    PieceCame,
    Report,
    Send,
    WatchSet,
    WayLost,
)
from whimbrel.link.letters import REACT, TEXTS_FIRST
from whimbrel.link.link import Link
from whimbrel.link.memory import Memory
from whimbrel.link.trouble import Reason, Stage, Trouble
from whimbrel.link.variants import variants
from whimbrel.wire.answers import Answer, Chunk, Done, Part, Watched
from whimbrel.wire.operations import Append, Fetch, Get, Operation, Put, Watch
from whimbrel.wire.routes import parse_route

HANDLE = b"h" * 16
CANDIDATES = tuple(c for _, c in variants([parse_route(t) for t in (RELAY, *BRIDGES)], known).values())


class Frozen(Table):
    """A table on a network of which it is remembered that connections freeze."""

    def __init__(self) -> None:
        super().__init__()
        self._answered: set[int] = set()
        self._dialled: dict[int, float] = {}
        self.memory = Memory()
        self.memory.showed("home", "frozen-by-volume")
        self.link = Link(CANDIDATES, memory=self.memory, network="home", seed=b"s")
        self.link.takes_parts = True

    def live(self, seconds: float) -> list[Action]:
        """Time passes, and the relay answers each letter: after 0.2 s, or when it has held it long enough."""
        end, found = self.now + seconds, []
        while self.now < end:
            found += self.wait(0.1)
            for dial in self.letters():
                wait = max((getattr(o, "wait", 0) for o in dial.operations), default=0)
                if dial.way not in self._answered and self.now >= self._dialled[dial.way] + 0.2 + wait:
                    self._answered.add(dial.way)
                    found += self.answer(dial.way, 0, *answers(dial.operations))
        return found

    def tell(self, *events: Event) -> list[Action]:
        actions = super().tell(*events)
        self._dialled.update((d.way, self.now) for d in of(actions, Dial))
        return actions

    def letters(self) -> list[Dial]:
        return [d for d in of(self.actions, Dial) if d.room is not None]

    def streams(self) -> list[Dial]:
        return [d for d in of(self.actions, Dial) if d.room is None]


def answers(operations: tuple[Operation, ...]) -> list[Answer]:
    """What the relay says when nothing is new."""
    found: list[Answer] = []
    for operation in operations:
        match operation:
            case Append():
                found.append(done())
            case Watch():
                found.append(Watched(HANDLE, ()))
            case Fetch():
                found.append(fetched(head=1))
            case _:
                found.append(Done())
    return found


def begun() -> Frozen:
    """Letters get through, and the set is known to the relay."""
    table = Frozen()
    table.tell(WatchSet({1: item(1)}))
    first = table.letters()[-1]
    table.now += 0.3
    table.answer(first.way, 0, Watched(HANDLE, ((1, fetched(1)),)))
    for stream in table.streams():
        table.tell(WayLost(stream.way, Trouble(Stage.RECEIVE, Reason.RESET)))
    table.now += 0.5
    table.tell()
    table.actions.clear()
    return table


def test_a_letter_has_a_connection_of_its_own_that_is_closed_with_its_answer() -> None:
    table = begun()
    table.submit(append("a", 300))
    [letter] = table.letters()
    assert letter.candidate.short
    assert letter.candidate.text.startswith("short|https://")
    assert letter.room == (2112, 8256)
    assert letter.operations[0] == append("a", 300)
    look = letter.operations[1]
    assert isinstance(look, Fetch)
    assert look.limit * table.link.watching.record < 8256, "as much as fits into the answer"
    actions = table.answer(letter.way, 0, done(), fetched(2))
    assert delivered(actions) == [1]
    assert seqs(actions) == [2]
    assert Close(letter.way) in actions


def test_what_waits_goes_together_and_rooms_fit_what_is_let_through() -> None:
    table = begun()
    table.submit(append("a", 300))
    [first] = table.letters()
    for name in "bcdef":
        table.submit(append(name, 300))
    assert len(table.letters()) == 1, "one at a time"
    table.now += 0.2
    table.answer(first.way, 0, *answers(first.operations))
    table.wait(1)
    letter = table.letters()[1]
    assert [o for o in letter.operations if isinstance(o, Append)] == [append(n, 300) for n in "bcdef"]
    assert letter.room == (4160, 4160)
    table = begun()
    table.submit(append("long", 20_000))
    [letter] = table.letters()
    assert letter.operations == (append("long", 20_000),), "nothing else beside what takes several pieces"
    assert letter.room == (8256, 576)


def test_a_long_letter_goes_on_by_other_connections_until_its_answer_is_there() -> None:
    table = begun()
    table.submit(append("long", 20_000))
    [letter] = table.letters()
    left, came, ways = 3, list[int](), list[Dial]()
    while not came:
        table.wait(0.2)
        going = [d for d in table.letters() if letter.way in (d.way, d.continues) and d not in ways]
        ways.append(going[0])
        left -= 1
        if left:
            actions = table.tell(PieceCame(ways[-1].way, left))
            assert Close(ways[-1].way) in actions
        else:
            came = delivered(table.answer(ways[-1].way, 0, done()))
        table.wait(1)
    assert came == [1]
    assert [d.continues for d in ways] == [None, letter.way, letter.way]
    assert all(d.operations == () for d in ways[1:])
    assert len({w.candidate.subnet for w in ways}) == len(ways)


def test_a_text_does_not_wait_for_the_end_of_a_long_letter() -> None:
    table = begun()
    table.submit(append("long", 20_000))
    table.now += 0.3
    table.tell(PieceCame(table.letters()[0].way, 2))
    table.submit(append("a"))
    table.wait(3)
    assert any(append("a") in d.operations for d in table.letters())


def test_a_letter_that_is_late_has_another_one_put_beside_it_to_another_subnet() -> None:
    table = begun()
    table.submit(append("a"))
    table.wait(1.5)
    first, second, *_ = table.letters()
    assert first.operations[0] == second.operations[0] == append("a")
    assert first.candidate.subnet != second.candidate.subnet
    assert table.now >= 0.35
    actions = table.answer(second.way, 0, *answers(second.operations))
    assert delivered(actions) == [1]
    assert Close(first.way) in actions, "nobody needs it any more"


def test_while_nobody_writes_a_letter_is_held_and_a_text_goes_beside_it() -> None:
    table = begun()
    table.wait(3)
    [held] = table.letters()
    [watch] = held.operations
    assert isinstance(watch, Watch)
    assert watch.wait == 8, "while people talk; it shows soon whether it lives"
    table.submit(append("a"))
    assert table.letters()[-1].operations[0] == append("a")
    assert of(table.actions, Close) == []


def test_who_has_been_quiet_for_a_while_is_listened_for_longer_and_has_connections_left_for_a_picture() -> (
    None
):
    table = begun()
    table.live(90)
    table.actions.clear()
    table.live(61)
    waits = [o.wait for letter in table.letters() for o in letter.operations if isinstance(o, Watch)]
    assert set(waits) == {25}
    assert len(table.letters()) <= 3
    for n in range(10):
        table.submit(Get(b"B" * 32, n))
    table.actions.clear()
    table.live(6)
    assert sum(isinstance(o, Get) for letter in table.letters() for o in letter.operations) >= 10


def test_chunks_go_in_parts_and_texts_before_them() -> None:
    table = begun()
    table.submit(put(0))
    letters = table.letters()
    assert 1 <= len(letters) <= 2
    [part] = letters[0].operations
    assert isinstance(part, Put)
    assert (part.at, len(part.chunk)) == (0, 6144)
    assert letters[0].room == (8256, 576)
    table.submit(append("a"))
    assert append("a") in table.letters()[-1].operations, "it does not wait"


def test_a_chunk_is_put_together_from_its_parts() -> None:
    table = begun()
    content = bytes(i % 251 for i in range(65552))
    table.submit(Get(b"B" * 32, 0))
    came: list[Action] = []
    answered: set[int] = set()
    while not delivered(came) and table.now < 300:
        table.wait(0.2)
        for dial in table.letters():
            if dial.way in answered:
                continue
            answered.add(dial.way)
            back: list[Answer] = []
            for operation in dial.operations:
                if isinstance(operation, Get):
                    assert operation.length is not None
                    part = content[operation.at : operation.at + operation.length]
                    back.append(Part(part, 65552, operation.at))
                else:
                    back += answers((operation,))
            came += table.answer(dial.way, 0, *back)
    [chunk] = [a.answer for a in came if hasattr(a, "answer")]
    assert chunk == Chunk(content, 65552)
    assert table.now < 61, "ten of them fit into a minute"


def test_a_stream_is_tried_now_and_then_and_has_to_prove_itself() -> None:
    table = begun()
    now = table.now
    while not table.streams() and table.now < now + 60:
        table.live(0.5)
    stream = table.streams()[0]
    assert stream.operations == ()
    assert table.now - now <= 48, "so that it is found within a minute"
    table.now += 0.25
    actions = table.answer(stream.way, 0)
    table.submit(append("a"))
    for count in range(24):
        [question] = [a for a in of(actions, Send) if a.way == stream.way]
        assert question.operations == (), "texts do not go by it yet"
        table.now += 0.06
        actions = table.answer(stream.way, question.n)
        took_over = any(r.up == stream.candidate for r in of(actions, Report))
        assert took_over is (count == 23)
    assert any(append("a") in operations for operations in sent(actions))
    assert table.memory.pattern("home") == "frozen-by-volume", "that packets pass is not all"
    for count in range(80):
        table.submit(append(f"{count}"))
        for asked in of(table.actions[-9:], Send):
            table.answer(stream.way, asked.n, *answers(asked.operations))
    assert table.memory.pattern("home") == "", "connections carry more again"


def test_a_stream_is_tried_more_seldom_while_a_file_needs_the_connections() -> None:
    tried = []
    for chunks in (0, 60):
        table = begun()
        for n in range(chunks):
            table.submit(put(n))
        table.live(100)
        tried.append(len(table.streams()))
    without, beside = tried
    assert beside <= 1 < without


def test_one_that_freezes_while_it_proves_itself_delays_nothing() -> None:
    table = begun()
    while not table.streams():
        table.live(0.5)
    stream = table.streams()[0]
    table.now += 0.25
    table.answer(stream.way, 0)
    table.submit(append("a"))
    actions = table.wait(3)
    assert any(append("a") in d.operations for d in table.letters())
    assert Close(stream.way) in actions
    assert table.memory.pattern("home") == "frozen-by-volume"


def test_two_ways_that_go_silent_after_little_are_a_pattern_and_one_is_not() -> None:
    table = Table(*CANDIDATES)
    table.memory = Memory()  # type: ignore[attr-defined]
    table.tell()
    reports: list[Report] = []
    for _ in range(3):
        dial = of(table.actions, Dial)[-1]
        table.now += 0.25
        table.answer(dial.way, 0, *(done() for _ in dial.operations))
        table.submit(append("a"))
        table.now += 0.06
        n = of(table.actions, Send)[-1].n
        table.tell(Answered(dial.way, n, (done(),)))
        table.submit(append("b"))
        reports += of(table.wait(4), Report)
    patterns = [r.pattern for r in of(table.actions, Report)]
    assert patterns[-1] == "frozen-by-volume"
    assert table.link.dialer.only_short
    assert patterns.count("frozen-by-volume") >= 1


def test_what_a_file_takes_is_answered_for_itself() -> None:
    table = begun()
    table.submit(put(0), put(1))
    came: list[int] = []
    while len(came) < 2 and table.now < 400:
        came += delivered(table.live(1))
    assert sorted(came) == [1, 2]
    parts = [(o.n, o.at) for d in table.letters() for o in d.operations if isinstance(o, Put)]
    assert len(parts) == len(set(parts)) == 22, "none that was answered is sent again"


def test_who_writes_now_and_then_is_not_made_to_wait_and_who_writes_all_the_time_is_told_when_a_letter_leaves() -> (
    None
):
    table = begun()
    assert table.link.leaves_at(table.now) is None
    for n in range(3):
        before = len(table.letters())
        table.submit(append(f"now and then {n}"))
        table.live(0.5)
        assert len(table.letters()) > before, "at once"
        table.live(12)
    for n in range(30):
        table.submit(append(f"all the time {n}"))
        table.live(0.8)
    assert table.link.leaves_at(table.now) is None, "what waits already has company"
    while table.link.unanswered:
        table.live(0.1)
        table.link.dialer.is_written(table.now, 1)
    at = table.link.leaves_at(table.now)
    assert at is not None
    assert 0 < at - table.now < 10
    last = append("one more")
    table.submit(last)
    table.live(at - table.now - 0.5)
    assert all(last not in letter.operations for letter in table.letters())
    table.live(0.8)
    assert any(last in letter.operations for letter in table.letters()), "and then it does"


def test_where_nothing_freezes_nothing_waits_for_company() -> None:
    table = Table()
    for n in range(30):
        table.submit(append(f"{n}"))
    assert table.link.leaves_at(table.now) is None


def test_a_text_has_the_first_moment_of_a_letter_before_the_app_only_listens() -> None:
    table = begun()
    for n in range(12):
        table.submit(append(f"all the time {n}"))
        table.live(0.5)
    while table.link.unanswered or table.link._letters.under_way:
        table.live(0.1)
        table.link.dialer.is_written(table.now, 4)  # somebody writes on, and the app lets it wait for company
    before = len(table.letters())
    opened_at = None
    while len(table.letters()) == before:
        opened_at = table.link.dialer.short_at(table.now)
        table.link.dialer.is_written(table.now, 4)
        table.wait(0.05)
    assert opened_at is not None
    assert table.now - opened_at >= TEXTS_FIRST
    assert any(isinstance(o, Watch) for o in table.letters()[-1].operations)


def test_two_that_freeze_are_enough_when_a_third_comes_up() -> None:
    """Not waited for until they are given up: the third has to prove that it is another case, and letters go meanwhile."""
    table = Table(*CANDIDATES)
    table.submit(append("a"))
    for n in range(2):
        newest = of(table.actions, Dial)[-1]
        table.answer(newest.way, 0, *answers(newest.operations))
        table.submit(append(f"lost {n}"))
        dialled = len(of(table.actions, Dial))
        while len(of(table.actions, Dial)) == dialled:
            table.wait(0.05)
    assert not table.link.dialer.only_short
    table.wait(0.25)
    newest = of(table.actions, Dial)[-1]
    actions = table.answer(newest.way, 0, *answers(newest.operations))
    assert table.link.dialer.only_short
    assert [d for d in of(actions, Dial) if d.room is not None], "letters, at once"


def test_what_streams_would_have_brought_is_asked_for_everywhere_by_an_early_letter() -> None:
    """Not only where something came last: somebody new may have written into a log that nothing came from yet."""
    table = Table(*CANDIDATES)
    table.tell(WatchSet({1: item(1), 2: item(2, log=b"N")}))
    main = of(table.actions, Dial)[-1].way
    table.answer(main, 0, Watched(HANDLE, ((1, fetched(1)), (2, fetched()))))
    for n in range(2):
        table.submit(append(f"lost {n}"))
        table.actions.clear()
        while not of(table.actions, Dial):
            table.wait(0.05)
        newest = of(table.actions, Dial)[-1]
        table.wait(0.25)
        more = fetched(n + 2, head=5, more=True)
        table.answer(newest.way, 0, *(more if isinstance(o, Fetch) else done() for o in newest.operations))
    table.wait(REACT)
    [first] = [d for d in of(table.actions, Dial) if d.room is not None]
    assert {type(o) for o in first.operations} == {Fetch, Watch}


def test_what_the_app_says_to_an_answer_goes_in_the_next_letter_with_what_waited() -> None:
    """Letters are few: one that leaves at once with half of it costs the next."""
    table = begun()
    table.submit(append("a"))
    [first] = table.letters()
    table.submit(append("b"))
    table.now += 1.0
    table.answer(first.way, 0, *answers(first.operations))
    assert len(table.letters()) == 1
    table.now += 0.02
    table.submit(append("c"))
    assert len(table.letters()) == 1
    table.wait(REACT)
    [_, second] = table.letters()
    assert second.operations[:2] == (append("b"), append("c"))


def test_letters_take_other_machines_than_one_whose_name_was_met() -> None:
    """A reset of its stream is a reset of its letters, too: four of twenty connections are not spent on finding that out."""
    table = begun()
    blocked = table.link._letters.up
    assert blocked is not None
    stream = next(c for c in CANDIDATES if (c.host, c.kind, c.short) == (blocked.host, blocked.kind, False))
    table.link.dialer.failed(table.now, stream.text)
    for n in range(6):
        table.submit(append(f"{n}"))
        table.live(1.0)
    met = [
        c.candidate
        for c in table.letters()
        if (c.candidate.host, c.candidate.kind) == (blocked.host, blocked.kind)
    ]
    assert len(table.letters()) >= 4
    assert met == []


def test_of_two_long_letters_with_the_same_one_goes_on() -> None:
    """Each takes four connections where little goes through: a newcomer has none left then for the first words."""
    table = begun()
    table.submit(append("long", 20_000))
    [first] = table.letters()
    table.wait(0.9)
    [second] = [letter for letter in table.letters() if letter is not first]
    table.tell(PieceCame(first.way, 3))
    table.tell(PieceCame(second.way, 3))
    assert {letter.continues for letter in table.letters()} == {None, first.way}
    table.wait(3)
    going_on = [letter for letter in table.letters() if letter.continues is not None]
    assert {letter.continues for letter in going_on} == {first.way}, (
        "one that is late is put beside, and no more"
    )
    table.actions.clear()
    table.answer(going_on[0].way, 0, done())
    assert table.link.unanswered == 0
    assert not [letter for letter in table.letters() if any(isinstance(o, Append) for o in letter.operations)]
    assert second.way not in table.link._letters.under_way


def test_a_long_letter_of_which_a_part_came_through_is_not_said_again() -> None:
    table = begun()
    table.submit(append("long", 20_000))
    [first] = table.letters()
    table.wait(0.9)
    beside = [letter for letter in table.letters() if letter is not first]
    assert len(beside) == 1, "nothing came: the same by another way"
    table.tell(PieceCame(first.way, 2))
    table.actions.clear()
    table.wait(2.0)
    assert all(letter.continues is not None for letter in table.letters()), (
        "what has begun goes on, and nothing else"
    )


def test_what_hung_at_one_machine_does_not_make_letters_to_others_smaller() -> None:
    """A line may drop packets of one name alone: then the same letter is more packets there, and freezes."""
    table = begun()
    for n in range(4):
        table.submit(append(f"{n}"))
        table.live(4.0)
    table.actions.clear()
    table.submit(append("long", 20_000))
    table.wait(0.1)
    first = next(dial for dial in table.letters() if append("long", 20_000) in dial.operations)
    assert first.room == (8256, 576)
    table._answered.add(first.way)  # this one hangs
    table.tell(WayLost(first.way, Trouble(Stage.RECEIVE, Reason.TIMED_OUT)))
    table.live(61.0)
    table.actions.clear()
    table.submit(append("longer", 20_000))
    table.live(0.4)
    again, *_ = [dial for dial in table.letters() if append("longer", 20_000) in dial.operations]
    assert again.candidate.place != first.candidate.place
    assert again.room == (8256, 576)


def test_on_a_slow_line_less_is_dared_from_the_start() -> None:
    """Each packet that comes alone is acknowledged alone, so that the same letter takes more packets."""
    table = begun()
    table.submit(append("long", 20_000))
    [first] = table.letters()
    table.now += 2.0
    table.answer(first.way, 0, done())
    table.live(2.0)
    table.actions.clear()
    table.submit(append("longer", 20_000))
    table.live(0.4)
    again, *_ = [dial for dial in table.letters() if append("longer", 20_000) in dial.operations]
    assert again.room == (4160, 2112)


def test_what_is_put_down_waits_for_what_is_fetched_and_for_what_is_said_to_it() -> None:
    table = begun()
    table.submit(Get(b"B" * 32, 0))
    [get] = table.letters()
    table.submit(put(0))
    table.wait(0.3)
    assert table.letters() == [get], "the chunk that is fetched comes first"
    table.answer(get.way, 0, Chunk(b"c" * 600, 600))
    table.wait(0.05)
    table.submit(append("said to it", 3000))
    letter = table.letters()[-1]
    assert append("said to it", 3000) in letter.operations
    table.answer(letter.way, 0, done())
    table.wait(1.0)
    assert any(isinstance(o, Put) for dial in table.letters() for o in dial.operations)


def test_a_letter_with_something_new_does_not_say_what_goes_on_in_pieces() -> None:
    table = begun()
    table.submit(append("long", 20_000))
    [first] = table.letters()
    table.tell(PieceCame(first.way, 3))
    table.submit(append("new"))
    table.wait(0.3)
    new = [dial for dial in table.letters() if append("new") in dial.operations]
    assert len(new) == 1
    table.wait(1.0)
    later = [dial for dial in table.letters() if append("new") in dial.operations]
    assert len(later) >= 2, "it is late, and goes once more"
    assert all(append("long", 20_000) not in dial.operations for dial in later)


def test_a_part_that_a_frozen_stream_carries_is_asked_for_once_more_and_not_twice() -> None:
    """It is left to letters when they begin; when the stream ends, they have it still."""
    table = Table(*CANDIDATES)
    table.link.takes_parts = True
    table.submit(append("a"))
    for n in range(2):
        newest = of(table.actions, Dial)[-1]
        table.answer(newest.way, 0, *answers(newest.operations))
        table.submit(append("lost") if n else Get(b"B" * 32, 0))
        dialled = len(of(table.actions, Dial))
        while len(of(table.actions, Dial)) == dialled:
            table.wait(0.05)
    table.wait(0.25)
    newest = of(table.actions, Dial)[-1]
    table.answer(newest.way, 0, *answers(newest.operations))
    assert table.link.dialer.only_short
    table.wait(0.5)
    assert of(table.actions, Close), "the streams that froze have ended"
    table.wait(2.5)
    asked = [d for d in of(table.actions, Dial) if d.room and any(isinstance(o, Get) for o in d.operations)]
    assert len(asked) == 1


def test_what_is_much_does_not_join_a_letter_that_is_said_again() -> None:
    """It would make four connections of one, and what is waited for comes with the last of them."""
    table = begun()
    table.tell(WatchSet({1: item(1), 2: item(2, log=b"N")}))
    table.wait(1.5)
    first = table.letters()[0]
    assert all(isinstance(o, Watch | Fetch) for o in first.operations)
    table.submit(append("much", 10_000))
    table.wait(1.0)
    again = [dial for dial in table.letters() if dial is not first]
    assert again, "it is late, and goes once more"
    assert all(append("much", 10_000) not in dial.operations for dial in again)
    table.answer(first.way, 0, Watched(HANDLE, ((1, fetched(1)), (2, fetched()))))
    table.live(3.0)
    assert any(append("much", 10_000) in dial.operations for dial in table.letters())


def test_parts_of_a_chunk_are_smaller_where_one_hung_and_grow_again() -> None:
    """On a slow line each packet is acknowledged alone: what fits through elsewhere never gets through there."""
    table = begun()
    table.submit(put(0), put(1), put(2))
    sizes: list[int] = []

    def through(hangs: Callable[[Dial], bool], seconds: float) -> None:
        end, seen = table.now + seconds, len(table.letters())
        while table.now < end:
            table.wait(0.1)
            for dial in table.letters()[seen:]:
                parts = [o for o in dial.operations if isinstance(o, Put)]
                if dial.way in table._answered or table.now < table._dialled[dial.way] + 0.3:
                    continue
                if parts and hangs(dial):
                    continue
                table._answered.add(dial.way)
                sizes.extend(len(o.chunk) for o in parts)
                table.answer(dial.way, 0, *answers(dial.operations))

    through(lambda dial: dial.room == (8256, 576), 240.0)
    assert sum(sizes) >= 20 * 1024, "it goes on"
    assert set(sizes) == {2048}
    through(lambda dial: False, 120.0)
    assert max(sizes) == 6144, "more again after some that came through"
