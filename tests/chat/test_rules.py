"""Who may do what: each row is a commit that somebody makes in a real MLS group, and what everybody else says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from whimbrel.chat.identity import Identity
from whimbrel.chat.rules import Refused, Seat, check_commit, check_group, may_post, roles_of, seats
from whimbrel.crypto import mls
from whimbrel.crypto.accounts import make_credential
from whimbrel.crypto.leaf import ADMINS, EVERYBODY, LeafExtension, Picture, Roles, encode_leaf, encode_roles
from whimbrel.wire import cbor
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
    def make(*admins: str, pair: bool = False, **rights: int) -> Room:
        people = {name: Device(name) for name in ("Ada", "Bo", "Cy", "Dan", "Eve")}
        people["Bo2"] = Device("Bo2", of=people["Bo"])
        people["Bo3"] = Device("Bo3", of=people["Bo"])
        roles = Roles(tuple(people[name].account for name in admins or ("Ada",)), name="" if pair else "room")
        room = Room(people, replace(roles, **rights))
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


def put(**what: Any) -> Wish:
    """The roles of the room with this changed."""
    return lambda room: {"roles": encode_roles(replace(room.roles, **what))}


def spoilt(place: int, value: Any) -> Wish:
    """The roles of the room with an element that no honest member would write."""

    def wish(room: Room) -> dict[str, Any]:
        fields = cbor.decode(encode_roles(room.roles))
        return {"roles": cbor.encode([*fields[:place], value, *fields[place + 1 :]])}

    return wish


rename = put(name="other")
PICTURE = Picture(*(prf(b"picture", "test", bytes((n,))) for n in range(2)), 20_000, bytes(32), bytes(32))


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
    ("a member adds somebody", "Cy", add("Dan"), "addition by"),
    ("a member adds an own device and somebody", "Bo", add("Bo3", "Dan"), "addition by"),
    ("a member removes somebody", "Cy", remove("Bo"), "removal by"),
    ("a member removes the admin", "Cy", remove("Ada"), "removal by"),
    ("a member removes own and others' devices", "Bo", remove("Bo2", "Cy"), "removal by"),
    ("a member adds a device of somebody else", "Cy", add("Bo3"), "addition by"),
    ("a member promotes", "Cy", admins("Ada", "Cy"), "change by"),
    ("a member renames", "Cy", rename, "change by"),
    ("a member sets the timer", "Cy", put(timer=3600), "change by"),
    ("a member sets the picture", "Cy", put(picture=PICTURE), "change by"),
    ("a member sets the same roles again", "Cy", admins("Ada"), "change by"),
    ("a member gives everybody a right", "Cy", put(may_add=1), "change by"),
    ("roles that are none", "Ada", lambda room: {"roles": b"nonsense"}, "cannot be read"),
    ("roles of a later version", "Ada", lambda room: {"roles": b"\x81\x02"}, "cannot be read"),
    ("a right that is none", "Ada", spoilt(3, 2), "cannot be read"),
    ("a name that turns what follows", "Ada", spoilt(5, "gnp.\u202eexe"), "cannot be read"),
    ("a name of two lines", "Ada", spoilt(5, "a\nb"), "cannot be read"),
    ("a name that is too long", "Ada", spoilt(5, "n" * 257), "cannot be read"),
    ("no name any more", "Ada", put(name=""), "without a name"),
    ("a name of spaces", "Ada", put(name="  "), "without a name"),
    ("a timer that is too short", "Ada", spoilt(6, 299), "cannot be read"),
    ("a timer that is too long", "Ada", spoilt(6, 90 * 86_400 + 1), "cannot be read"),
    ("a timer before now", "Ada", spoilt(6, -300), "cannot be read"),
    ("a picture that is too large", "Ada", spoilt(7, [bytes(32), bytes(32), 2**18 + 1, bytes(32), bytes(32)]), "cannot be read"),
    ("a picture at an address", "Ada", spoilt(7, ["https://example.org/", bytes(32), 9, bytes(32), bytes(32)]), "cannot be read"),
    ("no admin is left", "Ada", admins("Dan"), "no admin"),
    ("the only admin after it is removed by it", "Ada", both(remove("Cy"), admins("Cy")), "no admin"),
]  # fmt: skip

FREE_ALLOWED: list[tuple[str, str, Wish]] = [
    ("a member adds somebody", "Cy", add("Dan")),
    ("a member adds many", "Cy", add("Dan", "Eve")),
    ("a member adds an own device and somebody", "Bo", add("Bo3", "Dan")),
    ("a member renames", "Cy", rename),
    ("a member sets the timer", "Cy", put(timer=7 * 86_400)),
    ("a member sets a picture", "Cy", put(picture=PICTURE)),
    ("a member sets the same roles again", "Cy", put()),
    ("a member adds and renames", "Cy", both(add("Dan"), rename)),
    ("an admin takes the rights back", "Ada", put(may_add=0, may_change=0)),
]
"""Where everybody may add and change."""

FREE_REFUSED: list[tuple[str, str, Wish, str]] = [
    ("a member removes somebody", "Cy", remove("Bo"), "removal by"),
    ("a member removes the admin", "Cy", remove("Ada"), "removal by"),
    ("a member promotes", "Cy", admins("Ada", "Cy"), "admins or rights"),
    ("a member takes over", "Cy", admins("Cy"), "admins or rights"),
    ("a member who adds promotes", "Cy", both(add("Dan"), admins("Ada", "Dan")), "admins or rights"),
    ("a member keeps others from writing", "Cy", put(may_post=0), "admins or rights"),
    ("a member takes a right back", "Cy", put(may_add=0), "admins or rights"),
    ("a member renames and takes a right back", "Cy", put(name="mine", may_change=0), "admins or rights"),
    ("a member adds a device of somebody else", "Cy", add("Bo3"), "device of somebody else"),
    ("a member takes the name away", "Cy", put(name=" "), "without a name"),
    ("a member sets a timer that is none", "Cy", spoilt(6, 1), "cannot be read"),
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


@pytest.mark.parametrize(
    ("by", "wish"), [row[1:] for row in FREE_ALLOWED], ids=[row[0] for row in FREE_ALLOWED]
)
def test_where_everybody_may_add_and_change_it_may_be(by: str, wish: Wish) -> None:
    room = Room.make(may_add=EVERYBODY, may_change=EVERYBODY)
    wanted = wish(room)
    after = room.judged(by, **wanted)
    assert encode_roles(after) == wanted.get("roles", encode_roles(room.roles))


@pytest.mark.parametrize(
    ("by", "wish", "why"), [row[1:] for row in FREE_REFUSED], ids=[row[0] for row in FREE_REFUSED]
)
def test_where_everybody_may_add_and_change_it_may_not_be(by: str, wish: Wish, why: str) -> None:
    room = Room.make(may_add=EVERYBODY, may_change=EVERYBODY)
    with pytest.raises(Refused, match=why):
        room.judged(by, **wish(room))


@pytest.mark.parametrize(
    ("rights", "wish", "fine"),
    [
        ({"may_add": EVERYBODY}, add("Dan"), True),
        ({"may_add": EVERYBODY}, rename, False),
        ({"may_change": EVERYBODY}, rename, True),
        ({"may_change": EVERYBODY}, add("Dan"), False),
    ],
)
def test_each_right_is_for_what_it_says(rights: dict[str, int], wish: Wish, fine: bool) -> None:
    room = Room.make(**rights)
    if fine:
        room.judged("Cy", **wish(room))
        return
    with pytest.raises(Refused, match="no admin"):
        room.judged("Cy", **wish(room))


def test_nobody_but_an_admin_lets_a_device_of_an_admin_in() -> None:
    """The relay's admins are their log keys: only with an admin's signature may they become more."""
    room = Room.make("Ada", "Dan", may_add=EVERYBODY)
    with pytest.raises(Refused, match="device of somebody else"):
        room.judged("Cy", **add("Dan")(room))
    assert room.judged("Ada", **add("Dan")(room)) == room.roles


def test_who_may_post() -> None:
    room = Room.make()
    ada, cy = room["Ada"].account, room["Cy"].account
    assert may_post(room.roles, ada)
    assert may_post(room.roles, cy)
    quiet = replace(room.roles, may_post=ADMINS)
    assert may_post(quiet, ada)
    assert not may_post(quiet, cy)


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
        ("Ada", put(timer=3600), True),
        ("Bo", put(timer=3600), True),
        ("Ada", put(timer=3600, name="us"), False),
        ("Ada", put(name="us"), False),
        ("Bo", put(picture=PICTURE), False),
        ("Bo", put(may_post=0), False),
        ("Ada", put(may_add=1), False),
    ],
)
def test_a_conversation_of_two_stays_one(by: str, wish: Wish, fine: bool) -> None:
    room = Room.make("Ada", "Bo", pair=True)
    wanted = wish(room)
    if fine:
        after = room.judged(by, pair=True, **wanted)
        assert encode_roles(after) == wanted.get("roles", encode_roles(room.roles))
        return
    with pytest.raises(Refused, match="conversation of two"):
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


@pytest.mark.parametrize("what", [{"may_post": 0}, {"may_add": 1}, {"may_change": 1}])
def test_a_conversation_of_two_has_no_rights_of_its_own_from_the_start(what: dict[str, int]) -> None:
    room = Room.make("Ada", "Bo", pair=True, **what)
    group = room["Bo"].group
    assert group is not None
    with pytest.raises(Refused, match="conversation of two"):
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
