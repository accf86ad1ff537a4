"""Making and dropping logs, admissions and what is counted under them, ways."""

from dataclasses import replace

import pytest
from relay_paper import (
    IDENTITY,
    ROOT,
    Hearer,
    PaperRelay,
    Room,
    admit,
    denied,
    status,
)

from whimbrel.relay.settings import Limits
from whimbrel.wire import admission, proofs
from whimbrel.wire.admission import Limits as Allowed
from whimbrel.wire.answers import Created, Done, Failure, RouteList, Status
from whimbrel.wire.operations import Create, LogKind, Put, Routes

ADMISSION = admission.mint(ROOT, b"12345678", Allowed())


def narrowed(limits: Allowed, link: bytes = b"guest..1") -> bytes:
    return admission.encode_admission(admission.narrow(ADMISSION, link, limits))


def test_a_log_is_made_once_and_answers_where_it_stands(relay: PaperRelay, room: Room) -> None:
    room.post("one")
    again = relay.one(Create(room.body, admit()))
    assert isinstance(again, Created)
    assert again.head.seq == 1
    relay.restart()
    assert relay.one(Create(room.body, admit())) == again


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        (b"nonsense", Status.MALFORMED),
        (admission.encode_admission(admission.mint(b"another root".ljust(32), b"12345678", Allowed())), Status.DENIED),
        (admission.encode_admission(replace(ADMISSION, tag=bytes(16))), Status.DENIED),
        (narrowed(Allowed(until=1_700_000_000)), Status.DENIED),
        (admission.encode_admission(admission.Admission(ADMISSION.links[:0] or ADMISSION.links, b"t" * 16)), Status.DENIED),
    ],
    ids=["nonsense", "another relay's", "tag altered", "over", "tag guessed"],
)  # fmt: skip
def test_without_a_true_admission_no_log_is_made(relay: PaperRelay, encoded: bytes, expected: Status) -> None:
    assert status(Room(relay, admission_bytes=encoded).created) is expected
    assert relay.storage.logs_after(0, 10) == []


def test_a_guest_cannot_widen_what_was_cut(relay: PaperRelay) -> None:
    narrow = admission.narrow(ADMISSION, b"guest..1", Allowed(logs=1))
    widened = replace(narrow, links=(narrow.links[0], replace(narrow.links[1], limits=Allowed())))
    assert denied(Room(relay, admission_bytes=admission.encode_admission(widened)).created)


def test_each_link_counts_what_was_made_under_it(relay: PaperRelay) -> None:
    host = narrowed(Allowed(logs=3), b"host...1")
    chain = admission.decode_admission(host)
    guest = admission.encode_admission(admission.narrow(chain, b"guest..1", Allowed(logs=2, inboxes=1)))

    def make(name: str, by: bytes, kind: LogKind = LogKind.CONVERSATION) -> Status:
        return status(Room(relay, kind, name, by).created)

    assert [make(f"guest {i}", guest) for i in range(3)] == [Status.OK, Status.OK, Status.FULL]
    # The guest's logs are the host's too: one is left of three.
    assert [make(f"host {i}", host) for i in range(2)] == [Status.OK, Status.FULL]
    # Inboxes are counted apart.
    assert [make(f"box {i}", guest, LogKind.INBOX) for i in range(2)] == [Status.OK, Status.FULL]
    # What was there already is answered, not counted.
    assert make("guest 0", guest) is Status.OK


def test_a_dropped_log_is_gone_for_good_and_counts_no_more(relay: PaperRelay) -> None:
    one = narrowed(Allowed(logs=1))
    room = Room(relay, name="first", admission_bytes=one)
    room.post("text")
    drop = room.drop()
    assert relay.one(drop) == Done()
    assert relay.one(drop) == Done()
    assert denied(room.fetch())
    assert denied(room.post("more"))
    assert denied(relay.one(Create(room.body, one)))
    assert status(Room(relay, name="second", admission_bytes=one).created) is Status.OK
    relay.restart()
    assert denied(relay.one(Create(room.body, one)))
    assert relay.one(drop) == Done()


def test_only_an_admin_of_the_log_drops_it(relay: PaperRelay, room: Room) -> None:
    other = Room(relay, name="other")
    assert denied(relay.one(room.drop(private=other.admin)))
    assert denied(relay.one(replace(other.drop(), log=room.id)))
    assert denied(relay.one(replace(room.drop(), blob=b"b" * 32)))
    assert denied(relay.one(replace(room.drop(), log=b"?" * 32)))
    assert room.texts() == []


def test_who_watches_a_log_hears_of_its_end(relay: PaperRelay, room: Room) -> None:
    hearer = Hearer()
    room.watch(hearer, slot=3)
    relay.one(room.drop())
    assert hearer.heard() == [(3, Failure(Status.DENIED))]


def test_logs_are_made_in_a_burst_and_then_slowly(tmp_path) -> None:  # type: ignore[no-untyped-def]
    relay = PaperRelay(tmp_path, Limits(create_burst=3, create_every=10))
    made = [Room(relay, name=f"{i}").created for i in range(4)]
    assert [status(one) for one in made] == [Status.OK] * 3 + [Status.BUSY]
    assert made[-1].retry_after == 10
    relay.now += 10
    assert status(Room(relay, name="3").created) is Status.OK


def test_space_counts_under_every_link(relay: PaperRelay) -> None:
    megabyte = narrowed(Allowed(megabytes=1))
    room = Room(relay, admission_bytes=megabyte)

    def put(blob: bytes, size: int, place: bytes, token: bytes) -> Status:
        return status(relay.one(Put(blob, place, token, size, size // 65552, b"c" * (size % 65552))))

    assert put(b"1" * 32, 600_000, b"", megabyte) is Status.OK
    assert put(b"2" * 32, 600_000, room.id, room.write) is Status.FULL
    assert put(b"3" * 32, 399_000, room.id, room.write) is Status.OK
    # Given back when the log goes.
    relay.one(room.drop())
    assert put(b"4" * 32, 399_000, b"", megabyte) is Status.OK
    assert put(b"5" * 32, 3_000, b"", megabyte) is Status.FULL


def test_an_inbox_is_told_some_ways_and_always_the_same(tmp_path) -> None:  # type: ignore[no-untyped-def]
    ways = tuple(f"wss://way{i}.example/x" for i in range(9))
    relay = PaperRelay(tmp_path, routes=ways)
    told = []
    for name in ("a", "b", "c", "d"):
        inbox = Room(relay, LogKind.INBOX, name)
        ask = Routes(inbox.id, proofs.routes_proof(inbox.admin, IDENTITY, inbox.id))
        answer = relay.one(ask)
        assert isinstance(answer, RouteList)
        assert proofs.verify_route_list(IDENTITY, inbox.id, answer)
        assert relay.one(ask).routes == answer.routes
        assert len(answer.routes) == 3
        told.append(answer.routes)
    assert len(set(told)) > 1


def test_ways_are_for_the_admin_of_an_inbox(relay: PaperRelay, room: Room) -> None:
    inbox = Room(relay, LogKind.INBOX, "inbox")
    assert denied(relay.one(Routes(inbox.id, proofs.routes_proof(room.admin, IDENTITY, inbox.id))))
    assert denied(relay.one(Routes(room.id, proofs.routes_proof(room.admin, IDENTITY, room.id))))
    assert denied(relay.one(Routes(inbox.id, proofs.routes_proof(inbox.admin, IDENTITY, room.id))))
