"""Commands about the network: network, network check, network report."""

from __future__ import annotations

import sys

from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.output import Item, Paper

FOUND = {
    "names-removed": "This network's name server says that the relay's name does not exist. It does.",
    "names-false": "This network's name server gives a false address for the relay's name.",
    "resolver-silent": "This network's name server does not answer.",
    "resolvers-blocked": "Name servers outside this network cannot be asked.",
    "name-reset": "Connections that show the relay's name are cut. The same machine answers when the name is not shown.",
    "name-dropped": "Connections that show the relay's name get no answer. The same machine answers when the name is not shown.",
    "slowed": "Connections to the relay are slowed to {kbit} kbit/s. Others are not.",
    "address-blocked": "An address of the relay does not answer from here, though the relay runs: it is blocked.",
    "handshakes-lost": "Most new connections to the relay are lost on the way. Others are not.",
    "frozen-by-volume": "Connections freeze after a few kilobytes.",
    "policed": "After a few new connections in a minute, further ones get no answer.",
    "programs-blocked": "Connections that do not look like a browser's are cut. Whimbrel's do look like one.",
    "slow": "What goes to the relay and comes from it passes at {kbit} kbit/s. Whether the line is slow or is made slow cannot be told from here.",
    "bad-line": "The line loses much of what is sent, wherever it goes. This looks like a bad connection, not like blocking.",
    "sign-in": "Something else answers in place of everybody. This network may want you to sign in first: open any web page.",
    "relay-down": "The relay itself does not answer; the network lets connections through.",
    "bridge-silent": "A bridge does not answer. It may be off, or blocked.",
    "unreached": "Neither the relay nor a bridge answers. They may be off, or blocked: it cannot be told from here.",
    "offline": "This computer has no way out to the Internet.",
    "unclear": "Some connections failed and others got through. A closer look tells more: `whimbrel network check`.",
    "clear": "Nothing is in the way.",
}
"""What is found (`client.shapes.Finding`), for people."""
STAGES = {
    "resolve": "no address for its name",
    "connect": "no connection",
    "handshake": "connected, then stopped while shaking hands",
    "send": "stopped while sending",
    "receive": "no answer",
}
LOOKS = {
    "plain": "with its name",
    "unnamed": "without its name",
    "frag": "with its name in two pieces",
    "system": "as a program that is no browser",
}
HOW_WELL = {"at-once": "at once", "slowly": "slowly", "hardly": "hardly", "not-now": "not now"}


class Look:
    """What is so, what goes, what others see, what was tried. Of a check only its last item is shown, and how far it is."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._last: Item | None = None

    def item(self, item: Item) -> None:
        if item["looking"] and sys.stderr.isatty():
            print(f"\rLooking: {item['done']} of {item['planned']} connections", end="", file=sys.stderr)
        self._last = item

    def end(self) -> None:
        item, paper = self._last, self._paper
        if item is None:
            return
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)
        if not item["findings"]:
            paper.line("Nothing is known of this network yet. `whimbrel network check` looks.")
        for found in item["findings"]:
            sentence = FOUND.get(found["what"], found["what"])
            paper.line(sentence.format(kbit=found.get("kbit", "?")))
        works = item["works"]
        goes = (f"{what} {HOW_WELL[works[what]]}" for what in ("text", "picture", "voice", "video"))
        paper.line(f"What goes: {', '.join(goes)}.")
        paper.line(_seen(item["observer"]))
        for one in item["tried"]:
            paper.line(f"  {in_one_line(one['host'])}, {LOOKS[one['looks']]}: {paper.dim(_how(one))}")


def _seen(observer: Item) -> str:
    host = in_one_line(observer["host"])
    return {
        "nothing": "Nothing of Whimbrel can be seen on the line now.",
        "name": f"Who watches the line sees a browser's connection to {host}, when, and how much; not what, and not to whom.",
        "address": f"Who watches the line sees a browser's connection to {host} without a name, when, and how much; not what, and not to whom.",
        "program": f"Who watches the line sees a program's connection to {host}, when, and how much; not what, and not to whom.",
    }[observer["sees"]]


def _how(one: Item) -> str:
    parts = [f"worked {one['worked']} times"] if one["worked"] else []
    if one["failed"]:
        why = f"silent after {one['bytes']} bytes" if one["bytes"] else STAGES[one["stage"] or "connect"]
        parts.append(f"failed {one['failed']} times ({why}: {one['reason']})")
    return ", ".join(parts)


class Report:
    """The report as it is."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        for line in item["text"].splitlines():
            self._paper.line(line)

    def end(self) -> None: ...


NETWORK = Ask(
    name="network",
    summary="what this network does to your connections",
    examples=("whimbrel network", "whimbrel network --json"),
    method="network",
    view=Look,
)

NETWORK_CHECK = Ask(
    name="network check",
    summary="make some connections to find out what this network does",
    about="To your relay and its bridges, with their names and without, in an order that is drawn, none more often than a network may "
    "punish: it can take some minutes. Where the resolver of the network has no true answer for the relay's name, others are asked, as for "
    "every connection then. Nothing goes anywhere else.",
    examples=("whimbrel network check",),
    method="network",
    view=Look,
    parameters=lambda words: {"check": True},
)

NETWORK_REPORT = Ask(
    name="network report",
    summary="what is known of this network, to be shared",
    about="It holds no name, no address and no token.",
    examples=("whimbrel network report > network.txt",),
    method="network_report",
    view=Report,
)
