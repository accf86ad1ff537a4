"""What is pure about the peers: their configurations, what the censor knows of them, and the page that is made of their runs."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab import peers, world
from lab.measures import load
from lab.pages import peers as peers_page
from lab.pages.peers_picture import TITLE_WIDTH, picture
from lab.pages.peers_rows import better, rows
from lab.peers import config
from lab.run import _parser as parser
from lab.run import main, tasks_of
from lab.trial import Record

WORLD = world.the_world("root.pem")
ROOT = Path(__file__).parents[2]


def run(
    peer: str = "xmpp",
    measure: str = "S4",
    mode: str = "cut",
    next_message: float | None = 1.0,
    **more: object,
) -> Record:
    record = Record(measure, peer, mode, 0, 1, 0.05, sent=20, delivered=20, seconds=10.0, bytes=10_000)
    record.next_message = record.after_worst = next_message
    record.recovered = 1.0
    for name, value in more.items():
        setattr(record, name, value)
    return record


# -- configurations ----------------------------------------------------------------------------------------------------


def test_every_file_of_configurations_belongs_to_a_peer_and_every_peer_has_its_files() -> None:
    shown = {name for peer in peers.all_peers().values() for name in peer.configs()}
    assert shown == {path.name for path in config.HERE.iterdir()}
    assert all(peer.configs() for peer in peers.all_peers().values())


def test_a_configuration_is_filled_in_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = config.write(tmp_path, "shadowsocks-server.json", password="it is this")
    assert json.loads(path.read_text())["inbounds"][0]["password"] == "it is this"
    with pytest.raises(ValueError, match="wants"):
        config.filled("shadowsocks-server.json")
    with pytest.raises(ValueError, match="gets"):
        config.filled("shadowsocks-server.json", password="x", more="y")


def test_an_unknown_peer_is_refused_in_words() -> None:
    with pytest.raises(peers.UnknownPeer, match="xmpp"):
        peers.load("carrier-pigeon")


# -- the censor ----------------------------------------------------------------------------------------------------------


def test_the_list_of_the_censor_has_public_names_and_no_tunnels() -> None:
    listed = WORLD.service_names
    assert {WORLD.relay_name, "chat.puffin.example", "mail.kittiwake.example"} == set(listed)
    hidden = {*world.TUNNEL.names, *WORLD.bridge_names, WORLD.neutral_name}
    assert not hidden & set(listed)
    assert set(world.TUNNEL.addresses) <= set(WORLD.service_addresses)
    assert not set(world.TUNNEL.addresses) & set(WORLD.public_addresses)


def test_what_strikes_the_relay_by_address_strikes_a_peer_and_no_tunnel() -> None:
    rules = " ".join(load("S7b").rules(WORLD, 0))
    assert all(
        address in rules for address in (*WORLD.relay_addresses, *world.CHAT.addresses, *world.MAIL.addresses)
    )
    assert not any(address in rules for address in (*world.TUNNEL.addresses, *WORLD.bridge_addresses))


def test_each_server_of_a_peer_has_a_subnet_of_its_own() -> None:
    hosts = [host for host in world.HOSTS if host.addresses]
    nets = [
        address.rpartition(".")[0]
        for host in hosts
        if host.behind == world.WORLD_GATEWAY
        for address in host.addresses
    ]
    assert len(set(nets)) == len(nets)


# -- runs --------------------------------------------------------------------------------------------------------------


def test_peers_have_no_cold_starts_and_the_seeds_of_all_are_the_same() -> None:
    tasks = tasks_of(
        parser().parse_args(["run", "--measure", "S4", "--peer", "whimbrel,plain", "--repeat", "2"])
    )
    assert {(task.peer, task.seed) for task in tasks if task.mode == "cold"} == {
        (peer, seed) for peer in ("whimbrel", "plain") for seed in (1, 2)
    }
    missing = peers.load("xmpp").missing()
    tasks = tasks_of(
        parser().parse_args(["run", "--measure", "S4", "--peer", "whimbrel,xmpp", "--repeat", "2"])
    )
    assert [task.mode for task in tasks if task.peer == "xmpp"] == ([] if missing else ["kept", "cut"] * 2)
    if not missing:
        by_peer = {
            peer: [task.seed for task in tasks if task.peer == peer and task.mode == "cut"]
            for peer in ("whimbrel", "xmpp")
        }
        assert by_peer["whimbrel"] == by_peer["xmpp"]


def test_nobody_waits_less_than_a_peer_needs_by_its_own_timers() -> None:
    assert peers.load("xmpp-openvpn").patience == peers.load("deltachat").patience == 75
    words = ["run", "--measure", "S4", "--peer", "all", "--patience", "45"]
    waits = {task.peer: task.patience for task in tasks_of(parser().parse_args(words))}
    assert waits["whimbrel"] == waits["first"] == 45
    assert all(waits[name] == max(45, peers.load(name).patience) for name in peers.names() if name in waits)


# -- the page ------------------------------------------------------------------------------------------------------------

FACTS = {"peers": "prosody 1", "seeds": "1 to 5"}


def test_what_a_peer_does_better_is_said_first() -> None:
    records = [
        run("whimbrel", next_message=2.0),
        run("xmpp-anytls", next_message=0.5),
        run("xmpp", next_message=None, lost=10),
    ]
    text = peers_page.as_markdown(records, FACTS)
    better = text.index("| S4 | next message, cut | 2.00 s | AnyTLS 0.50 s |")
    assert (
        text.index("## Where a peer does better") < better < text.index("## Seconds to the next message, cut")
    )


def test_what_is_alike_is_not_better_and_who_is_silent_is_not_sparing() -> None:
    records = [
        run("whimbrel", next_message=0.66, connections=4),
        run("xmpp", next_message=0.64, connections=4),
    ]
    assert better(rows(records)) == []
    silent = [records[0], run("xmpp", next_message=None, connections=0, bytes=0)]
    assert better(rows(silent)) == []


def test_what_was_not_measured_is_neither_better_nor_worse() -> None:
    with_files = run("xmpp", picture=0.9, file=1.4)
    assert better(rows([run("whimbrel", picture=None), with_files])) == []
    late = better(rows([run("whimbrel", picture=1.0, file=None), with_files]))
    assert late == ["| S4 | 1 MB | never | XMPP 1.40 s |"], "0.90 s in place of 1.00 s is alike"
    kept = run("xmpp", mode="kept", next_message=0.1)
    assert better(rows([run("whimbrel"), kept])) == []


def test_a_message_that_came_is_better_than_one_that_did_not() -> None:
    records = [run("whimbrel", next_message=None, lost=10, delivered=10), run("xmpp", next_message=40.0)]
    assert "| S4 | next message, cut | never | XMPP 40 s |" in better(rows(records))


def test_fewer_lost_messages_are_better() -> None:
    records = [run("whimbrel", lost=2), run("xmpp")]
    assert any("lost or doubled" in line for line in better(rows(records)))


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([run()], "nothing"),
        ([run(next_message=None)], "another way, or wait"),
        ([run(), run(next_message=None)], "another way, or wait (1 of 2 runs)"),
        ([run(next_message=None, recovered=None)], "start it again, or another way"),
    ],
)
def test_what_a_person_has_to_do_comes_from_the_runs(runs: list[Record], words: str) -> None:
    assert rows(runs)["S4", "xmpp"].by_hand == words


def test_void_runs_count_for_nothing_and_are_named() -> None:
    records = [run(), run(next_message=None, lost=10, void="a benign site could not be opened at acc1")]
    row = rows(records)["S4", "xmpp"]
    assert (row.lost, row.by_hand) == (0, "nothing")
    assert "a benign site could not be opened at acc1: S4 xmpp cut seed 1" in peers_page.as_markdown(
        records, FACTS
    )


def test_the_page_has_every_configuration_and_what_was_not_measured() -> None:
    records = [run(peer) for peer in ("whimbrel", "first", *peers.names()) if peer != "xmpp-openvpn"]
    text = peers_page.as_markdown(
        records, {**FACTS, "not measured": "xmpp-openvpn: this machine has not the program openvpn"}
    )
    for name in peers.names():
        for file, body in peers.load(name).configs().items():
            assert (f"[{file}]" in text and body.rstrip() in text) == (name != "xmpp-openvpn"), file
    assert "- XMPP, OpenVPN: this machine has not the program openvpn" in text
    assert "naiveproxy" in text


def test_the_picture_is_one_and_names_who_is_in_it() -> None:
    records = [run(peer) for peer in ("whimbrel", *peers.names())] + [
        run("xmpp", mode="kept", next_message=None)
    ]
    text = picture(records)
    ElementTree.fromstring(text)
    assert "Whimbrel" in text
    assert "Delta Chat" in text


def test_the_picture_does_not_call_quick_what_lost_the_rest() -> None:
    came = picture([run("whimbrel", next_message=0.65, delivered=16, lost=4)])
    assert "✓ 0.65 s<" in came
    lost = picture([run("whimbrel", next_message=0.65, delivered=15, lost=5)])
    assert "✗ 0.65, lost<" in lost


def test_titles_in_the_picture_are_no_wider_than_their_column() -> None:
    titles = re.findall(
        r'font-weight="600">([^<✓~!✗?]+)</text>', picture([run(peer) for peer in peers.names()])
    )
    assert {"Shadowsocks-", "2022", "TLS proxy, as"} <= set(titles)
    assert all(len(html.unescape(title)) <= TITLE_WIDTH for title in titles)


def test_the_command_writes_the_page_of_what_was_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lab import run as command
    from lab.pages import report

    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "PEERS_DOCS", tmp_path / "lab-peers.md")
    monkeypatch.setattr(command, "PEERS_PICTURE", tmp_path / "lab-peers.svg")
    report.write(tmp_path / "out", [run(), run("whimbrel")], FACTS)
    assert main(["table", str(tmp_path / "out"), "--peers", "--write-docs"]) == 0
    assert "## XMPP" in (tmp_path / "lab-peers.md").read_text().replace("### ", "## ")
    assert "lab-peers.md" in capsys.readouterr().out


def test_the_page_that_is_kept_names_every_peer_if_there_is_one() -> None:
    page = ROOT / "docs" / "lab-peers.md"
    if page.exists():
        text = page.read_text()
        assert all(peer.title in text for peer in peers.all_peers().values())
