"""Files and voices between two people, at two real windows: chosen, dropped, pasted, recorded, heard and saved."""

import base64
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.browser import Chromium
from support.browser_people import Person, at_their_pages
from support.homes import RelayProcess

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def both(
    browser: Chromium, relay: RelayProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sequence[Person]]:
    with at_their_pages(browser, tmp_path_factory.mktemp("media"), relay, "Ada", "Bo") as people:
        for person, friend in zip(people, ("Bo", "Ada"), strict=True):
            person.open_chat(friend)
        yield people


def test_a_voice_note_is_recorded_sent_and_heard(both: Sequence[Person]) -> None:
    ada, bo = both
    ada.button("Record a voice note").click()
    expect(ada.page.get_by_role("timer", name="Recorded so far")).to_contain_text("0:01")
    ada.button("Send voice note").click()
    expect(bo.log.get_by_role("img", name="Not heard yet")).to_be_visible()
    [note] = bo.home.wait_for(
        lambda: [file for item in bo.read("Ada") for file in item["files"] if file["state"] == "here"], bool
    )
    assert note["type"].startswith("audio/")
    assert note["media"]["voice"]
    assert note["media"]["duration_ms"] >= 500
    assert any(note["media"]["waveform"])
    bo.log.get_by_role("button", name="Play").click()
    expect(bo.log.get_by_role("img", name="Not heard yet")).to_have_count(0)


def test_a_file_that_is_dropped_arrives_as_it_is(both: Sequence[Person], tmp_path: Path) -> None:
    ada, bo = both
    content = os.urandom(3_000_000)
    bag = ada.page.evaluate_handle(
        """text => {
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const bag = new DataTransfer();
          bag.items.add(new File([bytes], "chart.bin", { type: "application/octet-stream" }));
          return bag;
        }""",
        base64.b64encode(content).decode(),
    )
    for event in ("dragenter", "dragover", "drop"):
        ada.log.dispatch_event(event, {"dataTransfer": bag})
    ada.box("Message").fill("the whole chart")
    ada.button("Send").click()
    bo.sees("the whole chart")
    [message] = bo.home.wait_for(
        lambda: [item for item in bo.read("Ada") if item["text"] == "the whole chart"], bool
    )
    assert [file["name"] for file in message["files"]] == ["chart.bin"]
    [saved] = bo.ask("save", message=message["id"], dir=str(tmp_path))
    assert Path(saved["path"]).read_bytes() == content
