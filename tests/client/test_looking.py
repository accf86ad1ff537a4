"""The network as a person is shown it: in words in each language, and in a report that names nobody."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from whimbrel.cli.network import FOUND, LOOKS, STAGES
from whimbrel.client.examining import Examination, Probe, again, names_shown, plan
from whimbrel.client.link_runner import LinkState
from whimbrel.client.looking import Looking, nameless, observer, tried, works
from whimbrel.client.service import Service
from whimbrel.link.diagnosis import Finding, What
from whimbrel.link.outcomes import Outcome
from whimbrel.link.trouble import Reason, Stage, Trouble
from whimbrel.link.variants import PLAIN, SYSTEM, UNNAMED, variants
from whimbrel.transports.registry import Opener
from whimbrel.wire.paths import SecretPath
from whimbrel.wire.routes import parse_route

WORDS = Path(__file__).parents[2] / "web" / "src" / "words"
BRIDGE = SecretPath(b"place", (), b"and a tag.").text
ROUTES = [
    parse_route(text)
    for text in (
        "wss://talk.example/long-secret-path?ip=203.0.113.10&ip=198.51.100.10",
        f"wss://photos.example{BRIDGE}?ip=198.19.11.10",
        f"wss://library.example{BRIDGE}?ip=198.19.22.10",
    )
]
UP = LinkState(True, "wss://talk.example/x", 0.0, None)
OUTCOME = Outcome(
    1.0, "wss://talk.example/x", "talk.example", "203.0.113.0/24", PLAIN, carried=5000, connected_in=0.1
)


@pytest.fixture
def probes() -> list[Probe]:
    return plan(variants(ROUTES, Opener(servers=()).candidate).values())


def test_each_finding_has_a_sentence_in_each_language() -> None:
    english = json.loads((WORDS / "en" / "network.json").read_text())
    russian = json.loads((WORDS / "ru" / "network.json").read_text())
    for what in What:
        key = f"network.found.{what.value}"
        assert english[key]["text"]
        assert russian[key]
        assert (
            english[key]["text"].count("{kbit}")
            == russian[key].count("{kbit}")
            == FOUND[what.value].count("{kbit}")
        )


def test_each_stage_and_each_look_has_words() -> None:
    assert set(STAGES) == {stage.value for stage in Stage}
    assert {PLAIN, UNNAMED, SYSTEM} <= set(LOOKS)


def test_the_relay_is_looked_at_with_its_name_and_without_and_bridges_with_theirs(
    probes: list[Probe],
) -> None:
    kinds = [(p.candidate.host, p.candidate.subnet, p.candidate.kind) for p in probes]
    assert len(set(kinds)) == len(kinds)
    own = [(subnet, kind) for host, subnet, kind in kinds if host == "talk.example"]
    assert {(subnet, kind) for subnet, kind in own if kind != SYSTEM} == {
        (subnet, kind) for subnet in ("203.0.113.0/24", "198.51.100.0/24") for kind in (PLAIN, UNNAMED)
    }
    assert [kind for _, kind in own].count(SYSTEM) == 1
    assert [kind for host, _, kind in kinds if host != "talk.example"] == [PLAIN, PLAIN]


@pytest.mark.parametrize(
    "route",
    [
        "wss://talk.example/x?sni=other.example&ip=203.0.113.10",
        "wss://talk.example/x?sni=&ip=203.0.113.10",
        "socks5://127.0.0.1:9050|wss://talk.example/x",
        f"wss://photos.example{BRIDGE}?ip=198.19.11.10",
        "wss://203.0.113.10/x",
    ],
)
def test_nobody_is_asked_for_a_name_that_connections_do_not_show(route: str) -> None:
    assert list(names_shown([parse_route(route)])) == []


def test_the_name_of_the_relay_is_asked_for(probes: list[Probe]) -> None:
    assert set(names_shown(probe.route for probe in probes)) == {"talk.example"}


def test_no_subnet_gets_more_connections_in_a_round_than_the_strictest_policing_allows(
    probes: list[Probe],
) -> None:
    for subnet in {probe.candidate.subnet for probe in probes}:
        assert sum(probe.candidate.subnet == subnet for probe in probes) <= 3


def test_what_failed_is_tried_again_with_its_controls(probes: list[Probe]) -> None:
    fine = [
        Outcome(0.0, p.candidate.text, p.candidate.place, p.candidate.subnet, p.candidate.kind)
        for p in probes
    ]
    assert again(probes, fine) == []
    bad = replace(fine[0], trouble=Trouble(Stage.HANDSHAKE, Reason.RESET))
    once_more = again(probes, [bad, *fine[1:]])
    machine = probes[0].candidate.subnet
    assert [p for p in once_more if p.candidate.subnet == machine] == [
        p for p in probes if p.candidate.subnet == machine
    ]
    assert sum(p.candidate.subnet != machine for p in once_more) == 1


def test_connections_that_look_alike_are_counted_together() -> None:
    froze = replace(OUTCOME, trouble=Trouble(Stage.RECEIVE, Reason.SILENT))
    [item] = tried([OUTCOME, froze])
    assert (item["worked"], item["failed"], item["bytes"], item["stage"]) == (1, 1, 5000, "receive")


def test_what_goes_follows_from_what_was_found() -> None:
    assert set(works(UP, []).values()) == {"at-once"}
    assert set(works(replace(UP, up=False), []).values()) == {"not-now"}
    frozen = works(UP, [Finding(What.FROZEN)])
    assert (frozen["text"], frozen["picture"], frozen["video"]) == ("at-once", "slowly", "hardly")
    slow = works(UP, [Finding(What.SLOW, kbit=140)])
    assert (slow["text"], slow["voice"], slow["video"]) == ("at-once", "at-once", "hardly")
    assert works(UP, [Finding(What.SLOW, kbit=14)])["voice"] == "slowly"


@pytest.mark.parametrize(
    ("route", "sees", "host"),
    [
        ("wss://talk.example/x?ip=203.0.113.10", "name", "talk.example"),
        ("wss://talk.example/x?sni=&ip=203.0.113.10", "address", "203.0.113.10"),
        ("system|wss://talk.example/x", "program", "talk.example"),
        ("ws://127.0.0.1:9/x", "nothing", ""),
    ],
)
def test_what_an_observer_sees_is_what_the_way_shows(route: str, sees: str, host: str) -> None:
    text = parse_route(route).text
    assert observer(replace(UP, route=text)) == {"sees": sees, "host": host}


def test_the_report_names_no_machine() -> None:
    other = replace(OUTCOME, host="photos.example", machine="198.19.11.0/24", bridge=True)
    lines = list(nameless([OUTCOME, other, OUTCOME]))
    assert [line.split(",")[0] for line in lines] == ["relay 1", "relay 1", "bridge 1"]
    assert all(line.endswith("works, 4096, -") for line in lines), "of 5,000 bytes: others have as many"
    text = "\n".join(lines)
    for one in (OUTCOME, other):
        for named in (one.host, one.machine, one.way, one.machine.partition("/")[0]):
            assert named not in text


async def test_a_look_that_fails_ends_and_leaves_the_app_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(self: Examination) -> None:
        async with asyncio.TaskGroup():
            raise RuntimeError("a resolver said what nobody foresaw")

    monkeypatch.setattr(Examination, "run", fails)
    async with Service.open(
        tmp_path / "home", passphrase="one that is long", embedded=False, wait=0
    ) as service:
        monkeypatch.setattr(Looking, "relay", lambda self: (bytes(32), None))
        await service.looking.look()
        assert not service.looking.running
    assert "a look at the network failed" in caplog.text
