"""The pages in docs/protocol give the numbers that the code has."""

from __future__ import annotations

import re

from make_vectors import FOLDER

from whimbrel.wire import answering, asking, cbor, keydoc, letters, pieces, routes, stored, texts
from whimbrel.wire.answers import Status
from whimbrel.wire.keydoc import USUAL_LIMITS, Feature, Limit
from whimbrel.wire.operations import ENTRIES_MAX, ENTRY_MAX, PART, SEALED_CHUNK


def page(name: str) -> str:
    return re.sub(r"\s+", " ", (FOLDER.parent / f"{name}.md").read_text())


def numbered_rows() -> dict[str, int]:
    """What stands beside each number in the tables of operations and answers."""
    text = (FOLDER.parent / "operations.md").read_text()
    return {
        what: int(number) for number, what in re.findall(r"^\| (\d+) \| ([a-z ]+) \|", text, re.MULTILINE)
    }


def test_every_operation_has_its_code_on_the_page() -> None:
    rows = numbered_rows()
    for name in (
        "CREATE",
        "APPEND",
        "FETCH",
        "WATCH",
        "SIGNAL",
        "ALTER",
        "PUT",
        "KEEP",
        "GET",
        "STAT",
        "DROP",
        "ROUTES",
    ):
        assert rows[name.lower()] == getattr(asking, name)


def test_every_answer_has_its_number_on_the_page() -> None:
    rows = numbered_rows()
    assert rows["done"] == answering.DONE
    assert [
        rows[name]
        for name in (
            "created",
            "appended",
            "fetched",
            "watched",
            "altered",
            "chunk",
            "extent",
            "route list",
            "part",
        )
    ] == [
        answering.CREATED,
        answering.APPENDED,
        answering.FETCHED,
        answering.WATCHED,
        answering.ALTERED,
        answering.CHUNK_FOUND,
        answering.EXTENT,
        answering.ROUTE_LIST,
        answering.PART_FOUND,
    ]
    failures = ", ".join(status.name.lower().replace("_", "-") for status in Status if status)
    assert failures in page("operations")


def test_limits_are_those_on_the_pages() -> None:
    operations = page("operations")
    for number in (
        cbor.MESSAGE_MAX,
        cbor.PARTS_MAX,
        asking.OPERATIONS_MAX,
        asking.WATCH_MAX,
        asking.WAIT_MAX,
        asking.SIGNAL_MAX,
        stored.GRANTS_MAX,
        answering.RETRY_MAX,
        answering.RANGES_MAX,
        answering.ROUTE_TEXT_MAX,
        ENTRY_MAX,
    ):
        assert f"{number:,}" in operations
    assert f"at most {cbor.DEPTH_MAX} containers" in operations
    assert f"1 to {ENTRIES_MAX}, none twice" in operations
    assert f"at most {stored.ADMINS_MAX} admins" in operations
    assert f"left out when {asking.FETCH_USUAL}" in operations
    assert f"at most {asking.ADMISSION_MAX} bytes in all" in operations
    assert f"{SEALED_CHUNK:,} bytes" in page("blobs")
    assert f"every {PART:,} bytes" in page("blobs")
    assert f"at most {answering.STARTED_MAX} of them" in page("blobs")


def test_sizes_of_letters_and_limits_of_relays_are_those_on_the_page() -> None:
    text = page("letters")
    assert " · ".join(f"{size:,}" for size in letters.LETTER_SIZES) + " bytes" in text
    assert f"Sizes are those of requests, and {letters.RESPONSE_SIZES[0]}" in text
    assert f"At most {keydoc.DOCUMENT_MAX:,} bytes" in text
    assert f"0x{keydoc.KEM:X}" in text
    assert " · ".join(f"{size:,}" for size in pieces.MESSAGE_SIZES) + " bytes" in text
    assert f"carries** {pieces.AROUND} bytes less" in text
    assert f"`count` (at most {pieces.COUNT_MAX:,})" in text
    assert f"at least {pieces.PIECE_MIN:,} when there are several" in text
    assert f"at least {pieces.DOWN_MIN}, is the size" in text
    assert f"the seconds (at most {pieces.RETRY_MAX:,})" in text
    for feature in Feature:
        assert f" {int(feature)} {feature.name.lower()}" in text, feature
    for limit in Limit:
        assert re.search(rf"[·:] {int(limit)} [^·(]*\({USUAL_LIMITS[limit]:,}\)", text), limit


def test_what_texts_take_is_on_the_page() -> None:
    text = page("texts")
    assert f"at most {texts.NAME_MAX} characters" in text
    assert f"at most {texts.WAYS_MAX}) ‖ ways" in text
    assert f"at most {routes.PATH_MAX} characters" in text
    assert f"At most {routes.ROUTE_TEXT_MAX:,} characters" in text
    assert f"at most {routes.ADDRESSES_MAX}, the best first" in text
