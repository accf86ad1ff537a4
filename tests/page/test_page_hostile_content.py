"""What others put into the page: markup, names that deceive, files that are not what they say, words that nobody may say.

It comes from somebody with a true membership (support/stranger.py) through a real relay; nothing of it may run, break the page,
or pass for something else.
"""

import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from support.browser import Chromium
from support.browser_people import Person
from support.homes import RelayProcess
from support.stranger import Stranger
from whimbrel.chat import composing
from whimbrel.chat.content import Disposition, MimiContent, NestedPart, NullPart, SinglePart

pytestmark = pytest.mark.processes

MARKUP = "<img src=x onerror=pwned=1><script>pwned=2</script>"
NAME = "<b onmouseover=pwned=3>Mal</b>"
RLO = "\u202e"


@pytest.fixture(scope="module")
def ada(browser: Chromium, relay: RelayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    person = Person("Ada", tmp_path_factory.mktemp("ada"), browser)
    person.start()
    person.ask("init", name="Ada", relay=relay.address)
    yield person
    person.context.close()
    assert person.app is not None
    person.kill()


@pytest.fixture(scope="module")
def mal(ada: Person, relay: RelayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """A contact of Ada's who keeps to no rules, under a name that is markup."""
    with Stranger(tmp_path_factory.mktemp("mal") / "home", NAME, relay.address) as stranger:
        [made] = ada.ask("invite")
        stranger.call("accept", invite=made["invite"])
        ada.home.wait_for(lambda: ada.ask("contacts"), bool)
        yield stranger


@pytest.fixture(autouse=True)
def nothing_ran(ada: Person) -> Iterator[None]:
    yield
    assert ada.page.evaluate("'pwned' in globalThis") is False
    assert ada.page.locator("img[src=x], b[onmouseover]").count() == 0


def salt() -> bytes:
    return os.urandom(16)


def reaction(to: bytes, text: str) -> MimiContent:
    """One that our own program would not make."""
    part = NestedPart(Disposition.REACTION, "", SinglePart(composing.PLAIN, text.encode()))
    return MimiContent(salt(), None, b"", None, to, (), part)


def png(width: int, height: int) -> bytes:
    """A black picture of so many pixels, one bit each."""
    packed = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    body = b"".join(packed.compress(row) for _ in range(height)) + packed.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def at_the_chat(ada: Person) -> None:
    ada.open()
    # The group has that name in its last line.
    ada.chats.get_by_role("listitem").filter(has_text=NAME).filter(has_not_text="group").first.click()
    expect(ada.log).to_be_visible()


def test_markup_is_shown_as_it_was_written_and_never_runs(ada: Person, mal: Stranger) -> None:
    """In every field that somebody else fills."""
    mal.post("Ada", composing.say(salt(), MARKUP))
    mal.give("Ada", b"x", f"{MARKUP}.txt", "text/plain", text=f"caption {MARKUP}", description=MARKUP)
    first = mal.call("read", chat="Ada")
    mal.post("Ada", reaction(bytes.fromhex(first[0]["id"]) if first else bytes(32), "<b>x</b>"))
    mal.call("group_new", name=f"group {MARKUP}")
    added = False
    for _ in range(50):
        try:
            mal.call("group_add", group=f"group {MARKUP}", person="Ada")
            added = True
            break
        except Exception as error:  # her keys are on their way
            last = error
            ada.page.wait_for_timeout(200)
    assert added, last
    mal.call("send", chat=f"group {MARKUP}", text=f"in a group {MARKUP}")
    at_the_chat(ada)
    expect(
        ada.page.get_by_role("heading", name=NAME).or_(ada.button(NAME, exact=False)).first
    ).to_be_visible()
    ada.sees(MARKUP)
    ada.sees(f"caption {MARKUP}")
    ada.open_chat(f"group {MARKUP}")
    ada.sees(f"in a group {MARKUP}")
    expect(ada.chats).to_contain_text(NAME)
    # Search shows it once more, marked.
    ada.button("Search").first.click()
    ada.page.get_by_role("searchbox").or_(ada.page.get_by_role("textbox", name="Search", exact=False)).or_(
        ada.page.get_by_role("combobox", name="Search", exact=False)
    ).first.fill("caption")
    expect(ada.page.get_by_text(f"caption {MARKUP}", exact=False).first).to_be_visible()


def test_the_name_and_the_words_of_a_request_are_text(
    ada: Person, relay: RelayProcess, tmp_path: Path
) -> None:
    [made] = ada.ask("invite", open=True)
    with Stranger(tmp_path / "asker", NAME, relay.address) as asker:
        asker.call("accept", invite=made["invite"], text=MARKUP)
        ada.home.wait_for(lambda: ada.ask("requests"), bool)
        ada.open()
        ada.page.get_by_role("button", name=re.compile("asks? to write to you")).first.click()
        expect(ada.dialog.get_by_text(MARKUP)).to_be_visible()
        expect(ada.dialog.get_by_text(NAME).first).to_be_visible()


def at_rest(buttons: Locator) -> int:
    """How many there are when no more come: those of the tests before are shown a moment later."""
    count = -1
    while count != (count := buttons.count()):
        buttons.page.wait_for_timeout(500)
    return count


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\autorun.bat", "autorun.bat"),
        (f"photo{RLO}gpj.exe", "photogpj.exe"),
        ("in\nvoice\x00\x07.pdf", "invoice.pdf"),
        ("CON.txt", "_CON.txt"),
        (".bashrc", "bashrc"),
    ],
)
def test_a_file_is_saved_under_a_name_that_harms_nobody(
    ada: Person, mal: Stranger, name: str, saved: str
) -> None:
    at_the_chat(ada)
    buttons = ada.log.get_by_role("button", name=re.compile("^(Save|Download)"))
    before = at_rest(buttons)
    mal.give("Ada", b"what is in it", name, "application/octet-stream")
    expect(buttons).to_have_count(before + 1)
    with ada.page.expect_download() as coming:
        buttons.last.click()
    assert coming.value.suggested_filename == saved
    assert Path(coming.value.path()).read_bytes() == b"what is in it"
    # An override would turn round what stands after it.
    assert RLO not in ada.log.inner_text()


FILES = {
    "a drawing that is a program": (
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="pwned=4"><script>pwned=5</script></svg>',
        "cat.svg",
        "image/svg+xml",
    ),
    "a page": (b"<!doctype html><script>pwned=6</script><h1>Log in</h1>", "cat.html", "text/html"),
    "a page that says it is a picture": (b"<!doctype html><script>pwned=7</script>", "cat.png", "image/png"),
    "a picture that is none": (os.urandom(2000), "holiday.jpg", "image/jpeg"),
    "an empty picture": (b"", "nothing.png", "image/png"),
    "a sound that is none": (b"RIFF" + os.urandom(400), "voice.ogg", "audio/ogg;codecs=opus"),
    "a film that is none": (os.urandom(3000), "film.mp4", "video/mp4"),
    "a type that is markup": (b"x", "odd.bin", f'image/"{MARKUP}'),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_not_what_it_says_breaks_nothing(ada: Person, mal: Stranger, what: str) -> None:
    data, name, kind = FILES[what]
    mal.give("Ada", data, name, kind, text=f"look: {what}")
    mal.post("Ada", composing.say(salt(), "and this after it"))
    at_the_chat(ada)
    ada.sees(f"look: {what}")
    ada.sees("and this after it")
    ada.page.wait_for_timeout(500)
    assert ada.page.locator("iframe, object, embed").count() == 0
    ada.write("the page goes on")


def test_a_file_is_never_shown_as_a_page_of_the_app(ada: Person, mal: Stranger) -> None:
    """Whoever gets somebody to open a file's address in a window gets no script into it."""
    data, name, kind = FILES["a page"]
    id = mal.give("Ada", data, name, kind)
    at_the_chat(ada)
    ada.home.wait_for(lambda: [m for m in ada.read(NAME) if m["id"] == id], bool)
    [file] = [file for message in ada.read(NAME) if message["id"] == id for file in message["files"]]
    [ticket] = ada.ask("ticket", file=file["id"])
    assert ada.app is not None
    answer = ada.context.request.get(ada.app.url.partition("/?")[0] + ticket["url"])
    assert answer.status == 200
    assert answer.headers["content-type"].split(";")[0] in ("application/octet-stream", "text/plain")
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_picture_of_40_000_pixels_is_not_unfolded(ada: Person, mal: Stranger) -> None:
    mal.give("Ada", png(40_000, 40_000), "wall.png", "image/png", text="a large wall")
    at_the_chat(ada)
    ada.sees("a large wall")
    ada.page.wait_for_timeout(1_500)
    ada.write("the page still answers")
    box = ada.log.bounding_box()
    assert box is not None
    shown = ada.log.locator("img").evaluate_all("all => all.map(i => i.naturalWidth * i.naturalHeight)")
    assert all(pixels <= 50_000_000 for pixels in shown), shown


def test_a_hundred_emoji_are_no_reaction(ada: Person, mal: Stranger) -> None:
    ada.ask("send", chat=NAME, text="react to this", wait=10)
    message = ada.read(NAME)[-1]
    to = bytes.fromhex(message["id"])
    mal.post("Ada", reaction(to, "🎉" * 100))
    mal.post("Ada", reaction(to, "🎉" * 16))
    mal.post("Ada", reaction(to, "not an emoji at all"))
    mal.post("Ada", composing.say(salt(), "after the party"))
    at_the_chat(ada)
    ada.sees("after the party")
    shown = ada.log.inner_text()
    assert shown.count("🎉") <= 1, shown
    assert "not an emoji at all" not in shown


def test_nobody_edits_or_deletes_what_another_wrote(ada: Person, mal: Stranger) -> None:
    ada.ask("send", chat=NAME, text="my own words", wait=10)
    message = ada.read(NAME)[-1]
    first = bytes.fromhex(message["id"])
    mal.post("Ada", composing.edit(salt(), first, "words that were put into my mouth"))
    mal.post("Ada", composing.delete(salt(), first))
    mal.post("Ada", composing.say(salt(), "done"))
    at_the_chat(ada)
    ada.sees("done")
    ada.sees("my own words")
    assert "put into my mouth" not in ada.log.inner_text()
    assert "my own words" in ada.texts(NAME)


def test_a_message_of_a_newer_version_is_said_to_be_one(ada: Person, mal: Stranger) -> None:
    future = NestedPart(Disposition.RENDER, "", SinglePart("application/vnd.whimbrel.hologram", b"\x01\x02"))
    mal.post("Ada", MimiContent(salt(), None, b"", None, None, (), future))
    mal.post("Ada", replace(composing.say(salt(), "text of tomorrow"), extensions=(("zz-tomorrow", "more"),)))
    mal.post("Ada", MimiContent(salt(), None, b"", None, None, (), NestedPart(77, "", NullPart())))
    at_the_chat(ada)
    ada.sees("text of tomorrow")
    expect(ada.log.get_by_text("newer version", exact=False).first).to_be_visible()
    ada.write("the page goes on")


LETTERS = {
    "overrides": f"{RLO}abc{RLO}def",
    "a pile of marks": "a" + "\u0300" * 3000,
    "no spaces": "w" * 20_000,
    "many lines": "\n" * 3000 + "the end",
    "every control character": "".join(map(chr, range(1, 32))) + "shown",
    "half of a pair, as bytes": "\ufffe\uffff shown",
    "nested marks": "*_~`" * 2000 + "x" + "`~_*" * 2000,
    "a link that is none": "https://example.com/" + "%" * 3000 + " javascript:pwned=8 data:text/html,x",
}


@pytest.mark.parametrize("what", LETTERS)
def test_odd_letters_stay_in_their_bubble(ada: Person, mal: Stranger, what: str) -> None:
    mal.post("Ada", composing.say(salt(), "before"))
    mal.post("Ada", composing.say(salt(), LETTERS[what]))
    mal.post("Ada", composing.say(salt(), "after"))
    at_the_chat(ada)
    ada.sees("after")
    wide = ada.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    log = ada.log.evaluate("e => e.scrollWidth - e.clientWidth")
    assert log <= 1
    assert ada.log.locator("a[href^='javascript'], a[href^='data']").count() == 0
    ada.write("the page goes on")
