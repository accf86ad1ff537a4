"""What is told of a network from how connections went: each thing that is done, and each harmless thing that looks like it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.link.diagnosis import Blame, Evidence, Finding, What, diagnose
from whimbrel.link.outcomes import NameSaid, Outcome, Outcomes, Said
from whimbrel.link.trouble import Reason, Stage, Trouble
from whimbrel.link.variants import PLAIN, SYSTEM, UNNAMED

RELAY = Outcome(
    0.0, "wss://talk.example/x", "talk.example", "203.0.113.0/24", PLAIN, carried=1, connected_in=0.06
)
UNNAMED_RELAY = replace(RELAY, kind=UNNAMED)
OTHER = replace(RELAY, machine="198.51.100.0/24")
BRIDGE = replace(RELAY, host="photos.example", machine="198.19.11.0/24", bridge=True)
ASKED = [
    replace(one, asked=True, carried=100_000, rate=500_000.0) for one in (RELAY, UNNAMED_RELAY, OTHER, BRIDGE)
]


def failed(one: Outcome, stage: Stage, reason: Reason, carried: int = 0) -> Outcome:
    return replace(one, trouble=Trouble(stage, reason), carried=carried, rate=None)


def told(*outcomes: Outcome, **more: object) -> list[What]:
    return [one.what for one in diagnose(Evidence(outcomes, **more))]  # type: ignore[arg-type]


def reset(one: Outcome) -> Outcome:
    return failed(one, Stage.HANDSHAKE, Reason.RESET)


def hung(one: Outcome, stage: Stage = Stage.HANDSHAKE) -> Outcome:
    return failed(one, stage, Reason.TIMED_OUT)


def test_an_open_network_is_clear() -> None:
    assert told(*ASKED) == [What.CLEAR]
    assert diagnose(Evidence(ASKED))[0].blame is Blame.NOBODY


def test_nothing_is_said_before_anything_was_tried() -> None:
    assert told() == []


def test_a_name_that_is_reset_is_told_once_the_same_machine_answers_without_it() -> None:
    assert told(reset(RELAY), reset(RELAY), UNNAMED_RELAY) == [What.NAME_RESET]
    assert told(reset(RELAY), reset(OTHER), UNNAMED_RELAY) == [What.NAME_RESET]


def test_a_name_that_is_met_with_silence() -> None:
    assert told(hung(RELAY), hung(RELAY), UNNAMED_RELAY) == [What.NAME_DROPPED]


def test_one_failure_is_no_verdict() -> None:
    assert told(reset(RELAY), UNNAMED_RELAY) == [What.UNCLEAR]
    assert told(hung(RELAY), UNNAMED_RELAY, BRIDGE) == [What.UNCLEAR]
    assert told(reset(RELAY), RELAY) == [What.CLEAR]


def test_what_is_older_than_a_look_says_nothing_beside_it() -> None:
    strangers = [replace(failed(one, Stage.HANDSHAKE, Reason.CERTIFICATE), at=9.0) for one in (RELAY, BRIDGE)]
    assert told(RELAY, BRIDGE, *strangers, looked_at=8.0) == [What.SIGN_IN]
    assert told(reset(RELAY), reset(RELAY), UNNAMED_RELAY, replace(RELAY, at=9.0), looked_at=8.0) == [
        What.CLEAR
    ]
    assert told(reset(RELAY), looked_at=8.0) == [], "nothing has come of it yet"


def test_a_look_at_which_much_passes_outweighs_what_the_link_remembers() -> None:
    assert told(*ASKED, frozen=True) == [What.CLEAR]


def test_who_has_looked_knows_more_than_who_has_not() -> None:
    assert told(reset(RELAY), *ASKED) == [What.CLEAR]
    assert told(*ASKED, reset(ASKED[0])) == [What.UNCLEAR]


def test_without_a_control_at_the_same_machine_there_is_no_verdict_on_the_name() -> None:
    assert What.NAME_RESET not in told(reset(RELAY), reset(RELAY), BRIDGE)


def test_what_failed_before_it_worked_again_is_over() -> None:
    assert told(reset(RELAY), reset(RELAY), UNNAMED_RELAY, RELAY) == [What.CLEAR]


def test_an_address_is_blocked_when_the_relay_is_reached_otherwise() -> None:
    lost = hung(RELAY, Stage.CONNECT)
    assert told(lost, lost, replace(lost, kind=UNNAMED), BRIDGE) == [What.ADDRESS_BLOCKED]
    assert told(lost, lost, replace(lost, kind=UNNAMED), OTHER) == [What.ADDRESS_BLOCKED]
    assert told(lost, lost, BRIDGE) == [What.UNCLEAR], "two are too few without a control at the same machine"


def test_a_bridge_that_is_silent_is_no_blocking() -> None:
    lost = hung(BRIDGE, Stage.CONNECT)
    assert told(RELAY, lost, lost, lost) == [What.BRIDGE_SILENT, What.CLEAR]


def test_openings_that_are_lost_on_the_way_to_the_relay_alone() -> None:
    late = [replace(one, connected_in=1.06) for one in ASKED[:3]]
    others = [ASKED[3], replace(ASKED[3], machine="198.19.22.0/24")]
    assert told(*late, hung(ASKED[0], Stage.CONNECT), *others) == [What.HANDSHAKES_LOST]


def test_packets_lost_wherever_they_go_are_a_bad_line() -> None:
    late = [replace(one, connected_in=1.06) for one in ASKED]
    assert told(*late, hung(ASKED[0], Stage.CONNECT)) == [What.BAD_LINE]
    assert told(*ASKED, hung(ASKED[0]), hung(ASKED[3])) == [What.BAD_LINE]


def test_connections_that_freeze_after_so_much() -> None:
    froze = [failed(one, Stage.RECEIVE, Reason.SILENT, carried=15_000) for one in (RELAY, BRIDGE)]
    assert diagnose(Evidence(froze)) == (Finding(What.FROZEN, size=15_000),)
    assert told(froze[0], RELAY) == [What.CLEAR]
    assert told(RELAY, frozen=True) == [What.FROZEN]


def test_connections_that_carried_much_since_say_that_nothing_freezes() -> None:
    froze = [failed(one, Stage.RECEIVE, Reason.SILENT, carried=15_000) for one in (RELAY, BRIDGE)]
    assert told(*froze, *ASKED) == [What.CLEAR]


def test_policing_as_the_link_has_seen_it() -> None:
    assert told(RELAY, policed=True) == [What.POLICED]
    assert told(hung(RELAY), hung(RELAY), UNNAMED_RELAY, policed=True) == [What.NAME_DROPPED], (
        "that is why they hang"
    )


def test_hellos_of_programs_alone() -> None:
    programs = [replace(hung(one), kind=SYSTEM) for one in (ASKED[0], ASKED[0], ASKED[2])]
    assert told(*programs, *ASKED) == [What.PROGRAMS_BLOCKED]
    assert told(programs[0], *ASKED) == [What.UNCLEAR]
    by_name = told(RELAY, *programs, reset(ASKED[0]), reset(ASKED[2]), ASKED[1])
    assert by_name == [What.NAME_RESET], "the name is what they have in common"


def test_a_relay_that_is_slowed_and_a_line_that_is_slow() -> None:
    slow = [replace(one, rate=17_300.0) for one in ASKED]
    assert diagnose(Evidence([slow[0], slow[2], *ASKED[1::2]])) == (Finding(What.SLOWED, kbit=140),)
    assert diagnose(Evidence(slow)) == (Finding(What.SLOW, kbit=140),)
    by_chance = [slow[0], slow[2], replace(ASKED[1], rate=20_000.0), ASKED[3]]
    assert What.SLOWED not in told(*by_chance), "one that has nothing to do with the name is slow, too"
    assert Finding(What.SLOW).blame is Blame.UNKNOWN


def test_names_that_are_removed_or_false() -> None:
    gone = NameSaid("talk.example", True, Said.NO_SUCH_NAME)
    false = NameSaid("talk.example", True, Said.FALSE)
    known = NameSaid("talk.example", False, Said.ADDRESS)
    assert told(BRIDGE, names=[gone, known]) == [What.NAMES_REMOVED]
    assert told(RELAY, names=[gone]) == [What.NAMES_REMOVED], "it answers under that name"
    assert told(RELAY, names=[false]) == [What.NAMES_FALSE]
    assert told(BRIDGE, names=[gone]) == [What.CLEAR], "it may have been given up"


def test_resolvers_abroad_that_cannot_be_asked() -> None:
    silent = NameSaid("talk.example", False, Said.NOTHING)
    fine = NameSaid("talk.example", True, Said.ADDRESS)
    assert told(RELAY, names=[fine, silent, silent]) == [What.RESOLVERS_BLOCKED]
    assert told(RELAY, names=[fine, silent]) == [What.CLEAR]
    assert told(RELAY, names=[fine, silent, replace(silent, said=Said.ADDRESS)]) == [What.CLEAR]


def test_a_network_that_wants_one_to_sign_in_is_no_censor() -> None:
    strangers = [failed(one, Stage.HANDSHAKE, Reason.CERTIFICATE) for one in (RELAY, BRIDGE)]
    assert told(*strangers) == [What.SIGN_IN]
    assert diagnose(Evidence(strangers))[0].blame is Blame.LINE


def test_a_relay_that_is_down_is_no_censor() -> None:
    refused = failed(RELAY, Stage.CONNECT, Reason.REFUSED)
    assert told(refused, refused) == [What.RELAY_DOWN]
    assert told(refused, failed(BRIDGE, Stage.HANDSHAKE, Reason.BUSY)) == [What.RELAY_DOWN], (
        "the bridge says so"
    )


def test_no_way_out_and_no_way_to_tell() -> None:
    assert told(RELAY, online=False) == [What.OFFLINE]
    assert told(failed(RELAY, Stage.CONNECT, Reason.UNREACHABLE)) == [What.OFFLINE]
    assert told(hung(RELAY, Stage.CONNECT), hung(BRIDGE, Stage.CONNECT)) == [What.UNREACHED]


_ANY = st.builds(
    Outcome,
    at=st.just(0.0),
    way=st.just("wss://talk.example/x"),
    host=st.sampled_from(["talk.example", "photos.example"]),
    machine=st.sampled_from(["203.0.113.0/24", "198.51.100.0/24", "198.19.11.0/24"]),
    kind=st.sampled_from([PLAIN, UNNAMED, SYSTEM]),
    trouble=st.none() | st.builds(Trouble, st.sampled_from(Stage), st.sampled_from(Reason)),
    carried=st.integers(0, 200_000),
    connected_in=st.none() | st.floats(0, 10),
    rate=st.none() | st.floats(1, 1e7),
    bridge=st.booleans(),
    asked=st.booleans(),
)


@given(st.lists(_ANY, min_size=1, max_size=20), st.booleans(), st.booleans())
def test_there_is_always_an_answer_and_never_the_same_twice(
    outcomes: list[Outcome], frozen: bool, policed: bool
) -> None:
    found = told(*outcomes, frozen=frozen, policed=policed)
    assert found
    assert len(found) == len(set(found))


@given(st.lists(_ANY.filter(lambda one: one.trouble is None), min_size=1))
def test_where_everything_works_nobody_is_blamed(outcomes: list[Outcome]) -> None:
    even = [replace(one, rate=None, connected_in=0.06, carried=100_000) for one in outcomes]
    assert told(*even) == [What.CLEAR]


@pytest.mark.parametrize("what", What)
def test_each_finding_says_whose_doing_it_is(what: What) -> None:
    assert Finding(what).blame in Blame


def test_outcomes_are_of_this_network_and_of_late() -> None:
    kept = Outcomes()
    kept.add(replace(RELAY, at=1.0))
    kept.add(replace(RELAY, at=5.0))
    assert [one.at for one in kept.since(2.0)] == [5.0]
    kept.forget()
    assert kept.since(0.0) == ()
