"""What a network does, told from chance, and remembered."""

from __future__ import annotations

from whimbrel.link.memory import Memory
from whimbrel.link.pattern import Pattern, Seen


def test_two_silences_after_little_are_a_pattern_and_are_remembered_for_this_network() -> None:
    memory = Memory()
    seen = Seen(memory, "home")
    seen.went_silent(0, 9_000)
    assert not seen.frozen
    seen.went_silent(20, 12_000)
    assert seen.frozen
    assert seen.word(20) is Pattern.FROZEN
    again = Memory.from_value(memory.value())
    assert Seen(again, "home").frozen
    assert not Seen(again, "train").frozen
    seen.changed_to("train")
    assert not seen.frozen
    seen.changed_to("home")
    assert seen.frozen


def test_silences_far_apart_or_after_much_are_chance() -> None:
    seen = Seen(Memory(), "")
    seen.went_silent(0, 9_000)
    seen.went_silent(200, 9_000)
    seen.went_silent(201, 500_000)
    assert not seen.frozen


def test_of_two_that_are_silent_while_a_third_comes_up_one_may_be_older_than_the_freezing() -> None:
    seen = Seen(Memory(), "")
    assert not seen.died_young(0, [500_000]), "one that carried much, alone"
    assert not seen.died_young(1, [500_000, 500_000])
    assert seen.died_young(2, [500_000, 9_000])


def test_one_connection_that_carries_more_ends_it() -> None:
    memory = Memory()
    seen = Seen(memory, "")
    seen.went_silent(0, 9_000)
    seen.carried(200_000, 10)
    seen.went_silent(1, 9_000)
    assert not seen.frozen, "what was before does not count"
    seen.went_silent(2, 9_000)
    seen.carried(1_000, 100)
    assert not seen.frozen
    assert memory.pattern("") == ""


def test_a_handshake_that_hangs_after_others_were_made_is_policing() -> None:
    seen = Seen(Memory(), "")
    seen.hung(0, 2)
    assert seen.word(1) is None
    seen.hung(10, 3)
    assert seen.word(11) is Pattern.POLICED
    assert seen.word(700) is None


def test_a_memory_of_before_is_still_read_and_one_with_a_pattern_is_small_and_plain() -> None:
    old = [["home", [["wss://a", 3, 0]]]]
    memory = Memory.from_value(old)
    assert memory.value() == old
    memory.showed("home", "frozen-by-volume")
    assert memory.value() == [["home", [["wss://a", 3, 0]], "frozen-by-volume"]]
    assert Memory.from_value(memory.value()).pattern("home") == "frozen-by-volume"
    assert Memory.from_value([["home", [], "x" * 99], ["train", [], 7]]).value() == []
