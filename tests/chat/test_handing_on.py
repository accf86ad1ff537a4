"""Bridges travel in conversations: who is told what, what is taken of others, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.village import Village, Villager
from whimbrel.chat.contacts import Contact
from whimbrel.chat.handing_on import OTHERS_MAX, TELL_AFTER, TOLD, place_of
from whimbrel.chat.records import OutboxRow
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.payload import decode_ways, encode_ways
from whimbrel.wire import cbor
from whimbrel.wire.paths import SecretPath, names_of, parse_path
from whimbrel.wire.routes import parse_route

PATIENT = 2 * TELL_AFTER


def own_path(number: int) -> SecretPath:
    """The path that a bridge gives out itself."""
    return SecretPath(bytes([number]) * 5, (), bytes([number]) * 10)


def bridge(number: int, host: str = "") -> str:
    return f"wss://{host or f'bridge{number}.example'}{own_path(number).text}"


def knows(villager: Villager, *routes: str) -> None:
    """Somebody is given these bridges to their relay by hand, beside the way that they have, and those of before are gone."""
    shown(villager, *routes)
    villager.do(lambda person, now, fx: person.handing_on.given(routes, fx))


def shown(villager: Villager, *routes: str) -> None:
    """The relay shows somebody these, in place of others."""
    relay = villager.person.relays[villager.person.inbox.here().relay]
    first = relay.routes[0]
    villager.do(lambda person, now, fx: person.set_ways(relay.identity, (first, *routes), fx))


def of_others(villager: Villager) -> dict[str, str]:
    """Ways of contacts to somebody's relay, and whose they are."""
    here = villager.person.inbox.here().relay
    return {route: contact.name for route, contact in villager.person.handing_on.of_others(here)}


def tell(villager: Villager, name: str, *routes: str) -> None:
    """Let somebody tell a contact whatever they like."""
    chat = villager.chat(name)
    relay = villager.person.inbox.here().relay
    villager.person.handing_on.told = lambda account: encode_ways({relay: routes})  # type: ignore[method-assign]
    villager.do(lambda person, now, fx: chat.put(OutboxRow(chat.id, "ways", b""), fx))
    villager.village.settle()


def test_a_contact_is_told_a_bridge_by_a_path_of_their_own(village: Village) -> None:
    ada, bo, cleo = village.friends("Ada", "Bo", "Cleo")
    village.settle()
    knows(bo, bridge(1))
    village.settle(patience=PATIENT)
    [(to_ada, of_ada)] = of_others(ada).items()
    [(to_cleo, of_cleo)] = of_others(cleo).items()
    assert (of_ada, of_cleo) == ("Bo", "Bo")
    assert to_ada != to_cleo
    for text, friend in ((to_ada, ada), (to_cleo, cleo)):
        route = parse_route(text)
        assert (route.transport, route.host, route.wrappers) == ("wss", "bridge1.example", ("public",))
        assert len(names_of(route.path.encode(), own_path(1)) or ()) == 1, "the bridge knows it as its own"
        whose = bo.person.handing_on.whose(parse_path(route.path))
        assert whose is not None
        assert whose[0].account == friend.person.identity.account
        assert whose[1] == bo.person.inbox.here().relay
    assert bo.person.handing_on.whose(own_path(1)) is None
    assert ada.person.handing_on.whose(parse_path(parse_route(to_ada).path)) is None, "she gave it to nobody"


def test_what_the_relay_showed_is_not_handed_on_until_it_is_given_by_hand(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    shown(bo, bridge(1), bridge(2))
    village.settle(patience=PATIENT)
    assert of_others(ada) == {}
    bo.do(lambda person, now, fx: person.handing_on.given([bridge(2)], fx))
    bo.crash()
    village.settle(patience=PATIENT)
    assert [parse_route(way).host for way in of_others(ada)] == ["bridge2.example"]


def test_it_is_tried_after_what_one_knows_oneself_and_survives_a_restart(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    knows(bo, bridge(1))
    village.settle(patience=PATIENT)
    relay = ada.person.inbox.here().relay
    ways = ada.person.ways_to(relay)
    assert ways[:-1] == ada.person.relays[relay].routes
    assert ways[-1].startswith("public|wss://bridge1.example/")
    ada.crash()
    assert ada.person.ways_to(relay) == ways


def test_texts_go_before_and_nobody_is_told_twice(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    knows(bo, bridge(1))
    bo.send("Ada", "first")
    village.settle(patience=1_000)
    assert ada.texts("Bo") == ["first"]
    assert of_others(ada) == {}
    assert bo.person.waiting() == 0, "no person waits for it"
    village.settle(patience=PATIENT)
    assert len(of_others(ada)) == 1
    head = bo.chat("Ada").latest
    assert head is not None
    seq = head.state.seq
    bo.crash()
    knows(bo, bridge(1))
    village.settle(patience=PATIENT)
    assert head.state.seq == seq


def test_a_bridge_that_is_taken_away_is_taken_back(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    knows(bo, bridge(1))
    village.settle(patience=PATIENT)
    knows(bo, bridge(2))
    village.settle(patience=PATIENT)
    assert [parse_route(way).host for way in of_others(ada)] == ["bridge2.example"]
    knows(bo)
    village.settle(patience=PATIENT)
    assert of_others(ada) == {}


def test_each_contact_is_told_few_of_many_and_the_same_each_time(village: Village) -> None:
    bo, *others = village.friends("Bo", *(f"Friend {n}" for n in range(5)))
    knows(bo, *(bridge(n) for n in range(1, 7)))
    village.settle(patience=PATIENT)
    told = [{parse_route(way).host for way in of_others(friend)} for friend in others]
    assert all(len(hosts) == TOLD for hosts in told)
    assert len(set(map(frozenset, told))) > 1, "not all the same ones"
    account = others[0].person.identity.account
    assert bo.person.handing_on.told(account) == bo.person.handing_on.told(account)
    bo.crash()
    assert {
        parse_route(route).host
        for routes in decode_ways(bo.person.handing_on.told(account)).values()
        for route in routes
    } == told[0]


def test_what_is_no_bridge_is_neither_told_nor_taken(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    knows(bo, "wss://relay.example/short", "ws://192.168.1.9:8080/secret")
    village.settle(patience=PATIENT)
    assert bo.person.handing_on.told(ada.person.identity.account) == b""
    tell(
        bo,
        "Ada",
        "wss://relay.example/short",
        f"ws://plain.example{own_path(1).text}",
        f"https://letters.example{own_path(2).text}",
        f"socks5://10.0.0.1:9050|wss://proxied.example{own_path(3).text}",
        "no way at all",
    )
    assert of_others(ada) == {}


def test_a_contact_fills_no_more_than_their_places(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    tell(bo, "Ada", *(bridge(n) for n in range(1, 9)))
    assert len(of_others(ada)) == TOLD
    assert len(bo.contact("Ada").ways) == 0


def test_a_bridge_that_one_knows_oneself_is_not_taken_of_others(village: Village) -> None:
    """Nor does it take the place of one's own path there; so what went round comes to nothing."""
    ada, bo = village.friends("Ada", "Bo")
    knows(ada, bridge(1))
    tell(bo, "Ada", f"wss://bridge1.example{own_path(9).text}", bridge(2))
    assert [parse_route(way).host for way in of_others(ada)] == ["bridge2.example"]


def test_a_path_is_not_handed_on_for_ever(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    path = own_path(1)
    for n in range(4):
        path = path.handed_on(bytes([n]) * 5)
    knows(bo, f"wss://bridge1.example{path.text}")
    village.settle(patience=PATIENT)
    assert of_others(ada) == {}


def test_what_is_refused_is_not_taken_again(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    tell(bo, "Ada", bridge(1), bridge(2))
    place = place_of(bridge(1))
    assert place is not None
    relays = ada.do(lambda person, now, fx: person.handing_on.refuse(place, fx))
    assert relays == [ada.person.inbox.here().relay]
    ada.crash()
    tell(bo, "Ada", bridge(1), bridge(2), bridge(3))
    assert [parse_route(way).host for way in of_others(ada)] == ["bridge2.example", "bridge3.example"]
    assert ada.do(lambda person, now, fx: person.handing_on.refuse("nowhere.example:443", fx)) == []


def test_what_is_refused_is_taken_from_nobody_else_either(village: Village) -> None:
    ada, bo, cleo = village.friends("Ada", "Bo", "Cleo")
    tell(bo, "Ada", bridge(1))
    place = place_of(bridge(1))
    assert place is not None
    ada.do(lambda person, now, fx: person.handing_on.refuse(place, fx))
    tell(cleo, "Ada", bridge(1), bridge(2))
    assert [parse_route(way).host for way in of_others(ada)] == ["bridge2.example"]


def test_who_names_a_bridge_with_a_false_key_does_not_take_it_from_who_names_it_rightly(
    village: Village,
) -> None:
    """Whoever of the two comes first."""
    ada, *others = village.friends("Ada", "Bo", "Cleo", "Dov", "Eli")
    right = bridge(1)
    for number, one in enumerate(others):
        tell(one, "Ada", right if number % 2 else f"key:{'a' * 52}|{right}")
    assert sorted(of_others(ada)) == [f"public|key:{'a' * 52}|{right}", f"public|{right}"]


def test_who_is_blocked_leads_nowhere_and_who_is_met_in_a_group_tells_nothing(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    tell(bo, "Ada", bridge(1))
    account = ada.contact("Bo").account
    ada.do(lambda person, now, fx: person.acquaintances.block(account, fx))
    assert of_others(ada) == {}
    ada.do(lambda person, now, fx: person.acquaintances.unblock(account, fx))
    assert len(of_others(ada)) == 1
    ada.do(lambda person, now, fx: person.put_contact(replace(ada.contact("Bo"), standing="known"), fx))
    tell(bo, "Ada", bridge(2))
    assert [way for _, ways in ada.contact("Bo").ways for way in ways] == [f"public|{bridge(1)}"]


def test_verified_contacts_come_first_and_there_is_an_end(village: Village) -> None:
    ada, *others = village.friends("Ada", *(f"Friend {n}" for n in range(6)))
    relay = ada.person.inbox.here().relay
    for n, friend in enumerate(others):
        contact = ada.contact(friend.person.identity.name)
        ways = ((relay, (f"public|{bridge(2 * n + 1)}", f"public|{bridge(2 * n + 2)}")),)
        there = replace(contact, ways=ways, verified=n == 4)
        ada.do(lambda person, now, fx, there=there: person.put_contact(there, fx))
    found = ada.person.handing_on.of_others(relay)
    assert len(found) == OTHERS_MAX
    assert [contact.name for _, contact in found[:2]] == ["Friend 4"] * 2


def test_what_cannot_be_read_changes_nothing(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    tell(bo, "Ada", bridge(1))
    before: Contact = ada.contact("Bo")
    bo.person.handing_on.told = lambda account: b"\xff"  # type: ignore[method-assign]
    chat = bo.chat("Ada")
    bo.do(lambda person, now, fx: chat.put(OutboxRow(chat.id, "ways", b""), fx))
    village.settle()
    assert ada.contact("Bo") == before
    bo.send("Ada", "still there")
    village.settle()
    assert ada.texts("Bo") == ["still there"]


def test_the_list_has_limits() -> None:
    ways = {bytes([n]) * 32: (bridge(n),) for n in range(4)}
    assert decode_ways(encode_ways(ways)) == ways
    for bad in (
        encode_ways({bytes([n]) * 32: () for n in range(5)}),
        encode_ways({bytes(31): ()}),
        cbor.encode([[bytes(32), []], [bytes(32), []]]),
        encode_ways({bytes(32): ("x" * 2000,)}),
        encode_ways({bytes(32): ("wss://a/b",) * 9}),
        b"",
    ):
        with pytest.raises(CryptoError):
            decode_ways(bad)


def runs(villager: Villager, *routes: str) -> None:
    """A bridge runs in somebody's app, or none any more."""
    relay = villager.person.inbox.here().relay
    villager.do(
        lambda person, now, fx: person.handing_on.runs(dict.fromkeys([relay], *routes) if routes else {}, fx)
    )


HOME_KEY = "key:" + "a" * 52


def test_the_bridge_in_ones_own_app_is_told_to_each_contact_before_others_and_taken_back(
    village: Village,
) -> None:
    ada, bo, cleo = village.friends("Ada", "Bo", "Cleo")
    knows(bo, *(bridge(n) for n in range(1, 5)))
    runs(bo, f"{HOME_KEY}|wss://203.0.113.7:8443{own_path(9).text}")
    bo.crash()
    village.settle(patience=PATIENT)
    told = {}
    for friend in (ada, cleo):
        [way] = [way for way in of_others(friend) if "203.0.113.7" in way]
        assert way.startswith(f"public|{HOME_KEY}|wss://203.0.113.7:8443/")
        told[friend.person.identity.account] = parse_path(parse_route(way).path)
        assert len(of_others(friend)) == TOLD
        assert "203.0.113.7" not in "".join(friend.person.relays[friend.person.inbox.here().relay].routes)
    for account, path in told.items():
        whose = bo.person.handing_on.whose(path)
        assert whose is not None
        assert whose[0].account == account
    assert len({path.text for path in told.values()}) == 2
    runs(bo, f"{HOME_KEY}|wss://198.51.100.3:8443{own_path(9).text}")
    village.settle(patience=PATIENT)
    assert not [way for way in of_others(ada) if "203.0.113.7" in way], "its address is another now"
    assert [way for way in of_others(ada) if "198.51.100.3" in way]
    runs(bo)
    village.settle(patience=PATIENT)
    assert not [way for way in of_others(ada) if "198.51.100.3" in way]
    assert len(of_others(ada)) == TOLD


def test_ones_own_bridge_stands_in_no_invite_and_is_no_way_of_ones_own(village: Village) -> None:
    bo = village.person("Bo")
    runs(bo, f"{HOME_KEY}|wss://203.0.113.7:8443{own_path(9).text}")
    assert not [route for route in bo.invite().routes if route.host == "203.0.113.7"]
    assert not [way for way in bo.person.ways_to(bo.person.inbox.here().relay) if "203.0.113.7" in way]


def test_a_way_to_ones_own_bridge_is_not_taken_of_a_contact(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    village.settle(patience=PATIENT)
    runs(ada, f"{HOME_KEY}|wss://203.0.113.7:8443{own_path(9).text}")
    tell(bo, "Ada", f"{HOME_KEY}|wss://203.0.113.7:8443{own_path(9).handed_on(b'to bo').text}", bridge(1))
    assert [parse_route(way).host for way in of_others(ada)] == ["bridge1.example"]


@pytest.mark.parametrize(
    "around", ["key:", "key:short", "key:" + "A" * 52, f"{HOME_KEY}|{HOME_KEY}", f"{HOME_KEY}|frag", "frag"]
)
def test_a_forged_key_or_more_around_a_way_is_not_taken(village: Village, around: str) -> None:
    ada, bo = village.friends("Ada", "Bo")
    village.settle(patience=PATIENT)
    tell(bo, "Ada", f"{around}|wss://203.0.113.7{own_path(1).text}")
    assert of_others(ada) == {}


def test_who_is_blocked_is_refused_by_the_name_in_their_path_until_they_are_not(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    runs(bo, f"{HOME_KEY}|wss://203.0.113.7:8443{own_path(9).text}")
    village.settle(patience=PATIENT)
    [way] = of_others(ada)
    assert bo.person.handing_on.names_refused() == frozenset()
    account = ada.person.identity.account
    bo.do(lambda person, now, fx: person.acquaintances.block(account, fx))
    assert bo.person.handing_on.names_refused() == frozenset(parse_path(parse_route(way).path).names)
    bo.do(lambda person, now, fx: person.acquaintances.unblock(account, fx))
    assert bo.person.handing_on.names_refused() == frozenset()
