"""Who may do what: each row is a commit that somebody makes in a real MLS group, and what everybody else says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from whimbrel.chat.identity import Identity
from whimbrel.chat.rules import Refused, Seat, check_commit, check_group, roles_of, seats
from whimbrel.crypto import mls
from whimbrel.crypto.accounts import make_credential
from whimbrel.crypto.leaf import LeafExtension, Roles, encode_leaf, encode_roles
from whimbrel.wire.purpose import prf, public_of
from whimbrel.wire.stored import ADMINS_MAX

NOW = 1_790_000_000_000


class Device:
    """A device of an account, with an MLS engine and nothing else."""

    def __init__(self, name: str, of: Device | None = None) -> None:
        chance = iter(range(100))
        self.identity = Identity.make(
            name, lambda size: prf(name.encode(), "test", bytes((next(chance),))), NOW
        )
        if of is not None:
            own = of.identity
            self.identity = replace(self.identity, account_private=own.account_private, account=own.account)
        self.engine = self.identity.engine()
        self.group: mls.Group | None = None

    @property
    def account(self) -> bytes:
        return self.identity.account

    def leaf(self) -> bytes:
        return encode_leaf(LeafExtension(public_of(prf(self.account, "log key")), (), NOW // 1000))

    def package(self, credential: bytes | None = None, leaf: bytes | None = None) -> bytes:
        credential = credential or self.identity.credential()
        return self.engine.key_package(mls.CLASSICAL, credential, leaf or self.leaf())[0]

    @property
    def index(self) -> int:
        assert self.group is not None
        return self.group.own_index


@dataclass
class Room:
    """Ada founded it and is its admin; Bo is a member with two devices, Cy one with one. Dan and Eve are outside."""

    people: dict[str, Device]
    roles: Roles

    @staticmethod
    def make(*admins: str, pair: bool = False) -> Room:
        people = {name: Device(name) for name in ("Ada", "Bo", "Cy", "Dan", "Eve")}
        people["Bo2"] = Device("Bo2", of=people["Bo"])
        people["Bo3"] = Device("Bo3", of=people["Bo"])
        room = Room(people, Roles(tuple(people[name].account for name in admins or ("Ada",)), name="room"))
        ada = people["Ada"]
        ada.group = ada.engine.create_group(
            b"room", mls.CLASSICAL, ada.identity.credential(), ada.leaf(), encode_roles(room.roles)
        )
        inside = [people["Bo"]] if pair else [people["Bo"], people["Bo2"], people["Cy"]]
        _, welcome = ada.group.commit([one.package() for one in inside], [], None, False, None)
        ada.group.merge_pending()
        for one in inside:
            one.group = one.engine.join(welcome or b"", ada.group.tree())
        return room

    def __getitem__(self, name: str) -> Device:
        return self.people[name]

    def judged(self, by: str, pair: bool = False, **wish: Any) -> Roles:
        """What another member says of a commit: the roles after it, or Refused."""
        group = self[by].group
        assert group is not None
        body, _ = group.commit(
            wish.get("adds", []),
            wish.get("removes", []),
            wish.get("roles"),
            wish.get("update", False),
            wish.get("leaf"),
        )
        witness = self["Ada" if by != "Ada" else "Bo"].group
        assert witness is not None
        roles, members = roles_of(witness), seats(witness)
        processed = witness.process(body)
        assert processed.commit is not None
        return check_commit(roles, members, processed.sender, processed.commit, pair)


Wish = Callable[[Room], dict[str, Any]]


def add(*names: str) -> Wish:
    return lambda room: {"adds": [room[name].package() for name in names]}


def remove(*names: str) -> Wish:
    return lambda room: {"removes": [room[name].index for name in names]}


def admins(*names: str) -> Wish:
    accounts = lambda room: tuple(room[name].account for name in names)  # noqa: E731
    return lambda room: {"roles": encode_roles(replace(room.roles, admins=accounts(room)))}


def rename(room: Room) -> dict[str, Any]:
    return {"roles": encode_roles(replace(room.roles, name="other"))}


def allow(**rights: int) -> Wish:
    return lambda room: {"roles": encode_roles(replace(room.roles, **rights))}


def update(room: Room) -> dict[str, Any]:
    return {"update": True}


def both(one: Wish, other: Wish) -> Wish:
    return lambda room: one(room) | other(room)


ALLOWED: list[tuple[str, str, Wish]] = [
    ("an admin adds", "Ada", add("Dan")),
    ("an admin adds many", "Ada", add("Dan", "Eve")),
    ("an admin removes", "Ada", remove("Cy")),
    ("an admin removes a device", "Ada", remove("Bo2")),
    ("an admin adds and removes", "Ada", both(add("Dan"), remove("Cy"))),
    ("an admin promotes", "Ada", admins("Ada", "Bo")),
    ("an admin hands over", "Ada", admins("Bo")),
    ("an admin renames", "Ada", rename),
    ("an admin removes and renames", "Ada", both(remove("Cy"), rename)),
    ("an admin updates", "Ada", update),
    ("a member updates", "Cy", update),
    ("a member adds an own device", "Bo", add("Bo3")),
    ("a member removes an own device", "Bo", remove("Bo2")),
    ("a member replaces an own device", "Bo2", both(add("Bo3"), remove("Bo"))),
]

REFUSED: list[tuple[str, str, Wish, str]] = [
    ("a member adds somebody", "Cy", add("Dan"), "no admin"),
    ("a member adds an own device and somebody", "Bo", add("Bo3", "Dan"), "no admin"),
    ("a member removes somebody", "Cy", remove("Bo"), "no admin"),
    ("a member removes the admin", "Cy", remove("Ada"), "no admin"),
    ("a member removes own and others' devices", "Bo", remove("Bo2", "Cy"), "no admin"),
    ("a member adds a device of somebody else", "Cy", add("Bo3"), "no admin"),
    ("a member promotes", "Cy", admins("Ada", "Cy"), "no admin"),
    ("a member renames", "Cy", rename, "no admin"),
    ("a member sets the same roles again", "Cy", admins("Ada"), "no admin"),
    ("roles that are none", "Ada", lambda room: {"roles": b"nonsense"}, "cannot be read"),
    ("roles of a later version", "Ada", lambda room: {"roles": b"\x81\x02"}, "cannot be read"),
    ("everybody may add", "Ada", allow(may_add=1), "later version"),
    ("admins alone may post", "Ada", allow(may_post=0), "later version"),
    ("everybody may change", "Ada", allow(may_change=1), "later version"),
    ("no admin is left", "Ada", admins("Dan"), "no admin"),
    ("the only admin after it is removed by it", "Ada", both(remove("Cy"), admins("Cy")), "no admin"),
]


@pytest.mark.parametrize(("by", "wish"), [row[1:] for row in ALLOWED], ids=[row[0] for row in ALLOWED])
def test_it_may_be(by: str, wish: Wish) -> None:
    room = Room.make()
    wanted = wish(room)
    after = room.judged(by, **wanted)
    assert encode_roles(after) == wanted.get("roles", encode_roles(room.roles))


@pytest.mark.parametrize(("by", "wish", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_it_may_not_be(by: str, wish: Wish, why: str) -> None:
    room = Room.make()
    with pytest.raises(Refused, match=why):
        room.judged(by, **wish(room))


def stolen(room: Room) -> dict[str, Any]:
    """A device that says it is Dan's, whose account never signed it."""
    eve, dan = room["Eve"], room["Dan"]
    return {"adds": [eve.package(dan.identity.credential())]}


def nameless(room: Room) -> dict[str, Any]:
    return {"adds": [room["Eve"].package(b"no credential")]}


def unreachable(room: Room) -> dict[str, Any]:
    return {"adds": [room["Eve"].package(leaf=b"no leaf of ours")]}


def misplaced(room: Room) -> dict[str, Any]:
    return {"update": True, "leaf": b"no leaf of ours"}


@pytest.mark.parametrize("wish", [stolen, nameless, unreachable, misplaced])
def test_no_leaf_that_does_not_hold(wish: Wish) -> None:
    room = Room.make()
    with pytest.raises(Refused, match="does not hold"):
        room.judged("Ada", **wish(room))


def test_one_device_is_in_once_whatever_accounts_sign_it() -> None:
    room = Room.make()
    dan = room["Dan"]
    twice = make_credential(room["Eve"].identity.account_private, dan.identity.device, 5)
    with pytest.raises((Refused, mls.MlsError)):
        room.judged("Ada", adds=[dan.package(), dan.package(twice)])


def test_an_account_has_no_more_devices_than_a_list_has() -> None:
    room = Room.make()
    more = [Device(f"Bo {n}", of=room["Bo"]) for n in range(64)]
    assert room.judged("Bo", adds=[device.package() for device in more[:62]]) == room.roles
    room = Room.make()
    with pytest.raises(Refused, match="devices"):
        room.judged("Bo", adds=[device.package() for device in more[:63]])


def test_there_are_no_more_admins_than_a_log_takes() -> None:
    room = Room.make()
    crowd = [prf(bytes((n % 256, n // 256)), "admin") for n in range(ADMINS_MAX)]
    roles = replace(room.roles, admins=(room["Ada"].account, *crowd))
    with pytest.raises(Refused, match="admins"):
        room.judged("Ada", roles=encode_roles(roles))


@pytest.mark.parametrize(
    ("by", "wish", "fine"),
    [
        ("Ada", update, True),
        ("Bo", update, True),
        ("Bo", add("Bo2"), True),
        ("Bo", add("Dan"), False),
        ("Ada", admins("Ada"), False),
        ("Ada", admins("Ada", "Bo", "Dan"), False),
        ("Ada", both(add("Dan"), admins("Ada", "Bo", "Dan")), False),
    ],
)
def test_a_conversation_of_two_stays_one(by: str, wish: Wish, fine: bool) -> None:
    room = Room.make("Ada", "Bo", pair=True)
    wanted = wish(room)
    if fine:
        assert room.judged(by, pair=True, **wanted) == room.roles
        return
    with pytest.raises(Refused, match="third person"):
        room.judged(by, pair=True, **wanted)


@pytest.mark.parametrize("by", ["Ada", "Bo"])
def test_nobody_takes_the_roles_away(by: str) -> None:
    """OpenMLS makes no such commit here, so what it would say of a stranger's stands in for it."""
    room = Room.make()
    witness = room["Cy"].group
    assert witness is not None
    commit: Any = SimpleNamespace(
        adds=[],
        removes=[],
        updates=[],
        path=None,
        roles=None,
        required_ok=False,
        others=[],
        self_removed=False,
    )
    with pytest.raises(Refused, match="required"):
        check_commit(room.roles, seats(witness), room[by].index, commit, False)


def test_what_a_joiner_asks_of_a_group() -> None:
    room = Room.make("Ada", "Bo", pair=True)
    group = room["Bo"].group
    assert group is not None
    two = frozenset((room["Ada"].account, room["Bo"].account))
    roles, members = check_group(group, two)
    assert roles == room.roles
    assert {member.account for member in members} == two
    assert check_group(group, None) == (roles, members)
    for other in ({room["Ada"].account}, {*two, room["Dan"].account}):
        with pytest.raises(Refused):
            check_group(group, frozenset(other))
    for admins_are in (("Dan",), ("Ada",)):
        room = Room.make(*admins_are, pair=True)
        group = room["Bo"].group
        assert group is not None
        with pytest.raises(Refused):
            check_group(group, frozenset((room["Ada"].account, room["Bo"].account)))


def test_somebody_without_a_leaf_commits_nothing() -> None:
    room = Room.make()
    group, witness = room["Cy"].group, room["Ada"].group
    assert group is not None
    assert witness is not None
    body, _ = group.commit([], [], None, True, None)
    members: list[Seat] = [seat for seat in seats(witness) if seat.account != room["Cy"].account]
    processed = witness.process(body)
    assert processed.commit is not None
    with pytest.raises(Refused, match="no leaf"):
        check_commit(room.roles, members, processed.sender, processed.commit, False)
