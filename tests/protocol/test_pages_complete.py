"""The pages leave nothing out that the code has: every label, number and limit that another program needs stands on one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from whimbrel.chat import (
    content,
    conversation,
    extensions,
    healing,
    line,
    person,
    re_adding,
    receipts_report,
    troubles,
    ways_back,
    welcomes,
)
from whimbrel.chat.composing import CHUNKED_AES_256_GCM, REACTION_MAX, SENT_AT
from whimbrel.chat.contacts import KEY_PACKAGE_AGE
from whimbrel.chat.content import Disposition
from whimbrel.chat.inbox import GRANT_ENTRIES, GRANT_SIZE, KEEP_EVERY, OPEN_ENTRIES, OPEN_SIZE
from whimbrel.chat.invites import GUEST_DAYS, GUEST_LOGS, GUEST_MEGABYTES
from whimbrel.crypto import accounts, cards, envelopes, files, leaf, mls, names, payload, sealing
from whimbrel.crypto.payload import PayloadKind
from whimbrel.relay.engine import GRANTS_MAX
from whimbrel.wire import base32, stored
from whimbrel.wire.answers import Status

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "protocol"
SOURCES = [
    path for name in ("wire", "crypto", "chat") for path in (ROOT / "src" / "whimbrel" / name).glob("*.py")
]
LABELLING = {"labelled", "prf", "sign", "verify"}
AT_HOME = {"file", "event"}
"""Labels of what never leaves a home: ids of rows in its own store."""


def page(name: str) -> str:
    return re.sub(r"\s+", " ", (FOLDER / f"{name}.md").read_text())


PAGES = " ".join(page(path.stem) for path in sorted(FOLDER.glob("*.md")))


def strings(node: ast.AST, named: dict[str, str]) -> Iterator[str]:
    """The texts that an argument may be: itself, or what a name of the module stands for."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            part.value
            for part in node.values
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        ).strip()
    elif isinstance(node, ast.Name) and node.id in named:
        yield named[node.id]


def assigned(tree: ast.Module) -> dict[str, str]:
    """The module's own names for texts, `A, B = "a", "b"` too."""
    found = {}
    for statement in tree.body:
        if not isinstance(statement, ast.Assign):
            continue
        target, value = statement.targets[0], statement.value
        names_of = target.elts if isinstance(target, ast.Tuple) else [target]
        values_of = value.elts if isinstance(value, ast.Tuple) else [value]
        for name, what in zip(names_of, values_of, strict=False):
            if isinstance(name, ast.Name) and isinstance(what, ast.Constant) and isinstance(what.value, str):
                found[name.id] = what.value
    return found


def labels(path: Path) -> set[str]:
    """All purposes that this file signs, derives or hashes under."""
    tree = ast.parse(path.read_text())
    named, found = assigned(tree), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LABELLING:
            for argument in node.args:
                found.update(strings(argument, named))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            found.update(re.findall(r"\Awhimbrel/1 ([a-z -]+[a-z])", text))
    return found


ALL_LABELS = {label: path.name for path in SOURCES for label in labels(path)}


def test_the_labels_are_found() -> None:
    known = {
        "change",
        "append",
        "key document",
        "request",
        "device list",
        "own tag",
        "read",
        "write",
        "roster",
        "chain",
    }
    assert known <= set(ALL_LABELS)


@pytest.mark.parametrize("label", sorted(set(ALL_LABELS) - AT_HOME))
def test_every_label_is_on_a_page(label: str) -> None:
    forms = (f"`{label}`", f"whimbrel/1 {label}", f"`{label} ")
    assert any(form in PAGES for form in forms), f"{label} of {ALL_LABELS[label]}"


def test_every_page_and_vector_is_in_the_index() -> None:
    index = (FOLDER / "README.md").read_text()
    for path in FOLDER.glob("*.md"):
        assert path.name == "README.md" or f"({path.name})" in index, path.name
    for path in (FOLDER / "vectors").glob("*.json"):
        assert f"`{path.stem}`" in index, path.name


def test_every_error_is_explained() -> None:
    rows = re.findall(r"^\| ([a-z-]+) \|", (FOLDER / "operations.md").read_text(), re.MULTILINE)
    for status in Status:
        assert status is Status.OK or status.name.lower().replace("_", "-") in rows, status


def test_every_payload_and_letter_is_on_the_page() -> None:
    text = (FOLDER / "people.md").read_text()
    for kind in PayloadKind:
        assert re.search(rf"^\| {int(kind)} \|", text.split("## Cards")[0], re.MULTILINE), kind
        assert re.search(rf"\b{int(kind)} [a-z]", (FOLDER / "conversation.md").read_text()), kind
    for tag in (envelopes._WELCOME, envelopes._REQUEST, envelopes._RE_ADD, envelopes._MOVE):
        assert re.search(rf"^\| {tag} \|", text.split("## Letters")[1], re.MULTILINE), tag


def test_dispositions_are_on_the_page() -> None:
    text = page("content")
    for disposition in Disposition:
        assert f"{int(disposition)} {disposition.name.lower()}" in text, disposition


def test_own_extensions_are_on_the_page() -> None:
    text = page("content")
    for key in (SENT_AT, extensions.FORWARDED, extensions.MENTIONS, extensions.MEDIA):
        assert f"| `{key}` |" in text, key
    for known in extensions._Key:
        words = "true: a voice note" if known.name == "VOICE" else known.name.lower()
        assert f"{int(known)} {words}" in text.lower().replace("[", ""), known


def kib(size: int) -> str:
    unit, name = (1024 * 1024, "MiB") if size % (1024 * 1024) == 0 else (1024, "KiB")
    assert size % unit == 0
    return f"{size // unit} {name}"


LIMITS = [
    ("people", f"At most {accounts.DEVICES_MAX} devices"),
    ("people", f"At most {kib(accounts.DEVICE_LIST_MAX)}."),
    ("people", f"At most {accounts.CREDENTIAL_MAX} bytes"),
    ("people", f"*x*({accounts.SAFETY_ITERATIONS})"),
    ("people", f"At most {kib(leaf.LEAF_MAX)}."),
    ("people", f"At most {leaf.REACH_MAX} of them, with at most {leaf.ROUTES_MAX} routes of 1 to {leaf.ROUTE_MAX} bytes"),
    ("people", f"at most {leaf.ADMINS_MAX:,} (and no more than {stored.ADMINS_MAX} in a group"),
    ("people", f"`[{leaf.RULES}, [admin account…]"),
    ("people", f"at most {names.NAME_MAX} bytes"),
    ("people", f"A body has at most {kib(payload.BODY_MAX)}"),
    ("people", f"Kinds go up to {payload.KIND_MAX:,}"),
    ("people", f"at most {payload.KEY_PACKAGES_MAX} of at most {kib(payload.KEY_PACKAGE_MAX)}"),
    ("people", f"At most {kib(cards.CARD_MAX)}. A card"),
    ("people", "up to " + ", ".join(str(size // 1024) for size in cards.SIZES[:-1]) + f" or {cards.SIZES[-1] // 1024} KiB"),
    ("people", "up to " + ", ".join(str(size // 1024) for size in sealing.SIZES[:-1]) + f" or {sealing.SIZES[-1] // 1024} KiB"),
    ("people", f"inbox key ({sealing.PUBLIC:,} bytes"),
    ("people", f"at most {kib(envelopes.LETTER_MAX)}"),
    ("people", f"At most {envelopes.REQUEST_TEXT_MAX:,} characters"),
    ("people", f"from 1 to {envelopes.SUITE_MAX:,}"),
    ("people", f"(0x{mls.LEAF_EXTENSION:X})"),
    ("people", f"(0x{mls.ROLES_EXTENSION:X})"),
    ("mls", f"0x{mls.HYBRID:04X}"),
    ("mls", f"0x{mls.CLASSICAL:04X}"),
    ("files", f"A file has at most {files.FILE_MAX >> 30} GiB"),
    ("texts", f"at most {base32.PAYLOAD_MAX:,} bytes"),
    ("texts", f"{base32.TEXT_MAX:,} characters"),
    ("operations", f"the whole at most {stored.LOG_BODY_MAX:,}"),
    ("operations", f"the whole at most {stored.SIGNED_CHANGE_MAX:,}"),
    ("relay", f"More than {GRANTS_MAX:,} grants"),
    ("content", f"| a content | {kib(content.CONTENT_MAX)} |"),
    ("content", f"| parts, levels of parts | {content.PARTS_MAX:,}; {content.DEPTH_MAX} |"),
    ("content", f"| topic id | {content.TOPIC_MAX:,} bytes |"),
    ("content", f"{content.EXTENSION_NAME_MAX} bytes or ±(2^53 - 1); {content.EXTENSION_MAX:,} bytes"),
    ("content", f"at most {receipts_report.PAIRS_MAX:,} pairs and {kib(receipts_report.REPORT_MAX)}"),
    ("content", f"none over another, at most {extensions.MENTIONS_MAX}."),
    ("content", f"4 waveform (loudness, at most {extensions.WAVEFORM_MAX} bytes"),
    ("content", f"(at most {extensions.THUMBHASH_MAX} bytes)"),
    ("content", f"not fit {content.EXTENSION_MAX:,} bytes is left out"),
    ("content", f"encAlg 0x{CHUNKED_AES_256_GCM:X}"),
    ("content", f"at most {REACTION_MAX} bytes"),
    ("conversation", f"{GRANT_ENTRIES} entries and {kib(GRANT_SIZE)} each, {OPEN_ENTRIES:,} and {kib(OPEN_SIZE)}"),
    ("conversation", f"every {KEEP_EVERY // 86400} days"),
    ("conversation", f"no more than {KEY_PACKAGE_AGE // 86400} days ago"),
    ("conversation", f"{GUEST_LOGS} logs, {GUEST_MEGABYTES:,} MB, {GUEST_DAYS} days"),
    ("conversation", f"An MLS message above {kib(line.POST_MAX)}"),
    ("conversation", f"One of more than {kib(line.POINTER_MAX)}"),
    ("conversation", f"of the last {line.SEEN} records"),
    ("conversation", f"at most {welcomes.LINES_MAX - 1} lines"),
    ("conversation", f"at most {kib(welcomes.IN_BLOBS_MAX)}"),
    ("conversation", f"more than {person.INLINE:,} bytes together"),
    ("conversation", f"groups of more than {conversation.RECEIPTS_UP_TO}"),
    ("conversation", f"up to {conversation.POSTS_AT_ONCE} and about {conversation.BYTES_AT_ONCE // 1024} KiB together"),
]  # fmt: skip

WORDS = {1: "one", 2: "two", 3: "three"}


def times(milliseconds: Sequence[int]) -> list[str]:
    """10 minutes, an hour, six hours, a day: as the page says them."""
    return [
        {600_000: "10 minutes", 3_600_000: "an hour", 21_600_000: "six hours", 86_400_000: "daily"}[t]
        for t in milliseconds
    ]


WAYS_BACK = [
    f"{line.FOREIGN_IN_A_ROW} entries in a row are of another MLS epoch",
    f"after an advance that MLS could not open, {line.FOREIGN_AFTER_DEAF} are enough",
    f"one after the other, {conversation.RELOCK_STEP // 1000} s apart",
    f"to {WORDS[re_adding.ADMINS_AT_ONCE]} admins",
    f"to {WORDS[re_adding.MEMBERS_AT_ONCE]} other members",
    "after {}, {}, {}, then {}".format(*times(ways_back.ASK_AGAIN)),
    f"has asked {WORDS[ways_back.ASKS]} times, moves",
    f"after {healing.POSTS_MAX} own posts",
    f"is {healing.AGE_MAX // 86_400_000} days ago",
    f"a group of {healing.MANY} leaves or more, and whose leaf is one of the first {healing.MANY}",
    f"its place times {healing.STEP // 1000} s.",
]


@pytest.mark.parametrize("words", WAYS_BACK)
def test_ways_back_are_taken_as_the_page_says(words: str) -> None:
    assert words in page("conversation")


def test_every_trouble_is_on_the_page() -> None:
    text = (FOLDER / "conversation.md").read_text().split("## What is noticed")[1]
    for code in troubles._TEXTS:
        assert f"`{code}`" in text, code
    assert (ways_back.STAGGER, ways_back.GRACE, ways_back.WAITS_FOR_ALL) == (60_000, 600_000, 86_400_000)
    assert re_adding.LEAST_PAUSE == 60_000
    for words in (
        "by the second after a minute",
        "after ten minutes",
        "for a day at most",
        "in the last minute",
    ):
        assert words in page("conversation"), words


@pytest.mark.parametrize(("name", "words"), LIMITS, ids=[f"{name}: {words}" for name, words in LIMITS])
def test_limits_are_those_on_the_pages(name: str, words: str) -> None:
    assert words in page(name)


def test_generations_have_the_limit_on_the_page() -> None:
    assert welcomes.GENERATION_MAX == 1 << 40
    assert "at most 2^40" in page("conversation")
