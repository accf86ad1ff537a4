"""The pictures of the page in the README: `PYTHONPATH=tests .venv/bin/python -m page.pictures` makes docs/pictures/ anew.

They show the real page with a made-up home (tests/support/browser_states.py), so nobody's words are in them. The small contact
sheet is made of what tests/page/test_page_states.py left in tests/page/out: each state once, the looks in turn.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from playwright.sync_api import Page, Route

from support.browser import WIDE, Chromium, chromium, until
from support.browser_stage import NOW, Stage, staged
from support.browser_states import BY_NAME, LOOKS, STATES, name_of, settle

OUT = Path(__file__).parent / "out"
FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PICTURES = (
    ("page-light.png", "conversation", (1180, 720), "light", "en"),
    ("page-dark.png", "group details", (1180, 720), "dark", "en"),
)
ON_FILES = re.compile(r"/files/([0-9a-f]+)")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, staged(Path(folder)) as stage:
        for name, state, size, scheme, language in PICTURES:
            context = browser.person(size=size)
            page = context.new_page()
            page.clock.set_fixed_time(NOW)
            context.route(ON_FILES, lambda route: give(route, stage))
            show(page, stage, state, scheme, language)
            page.screenshot(path=FOLDER / name, animations="disabled", caret="hide")
            context.close()
        if (OUT / "sheet.png").exists():
            small_sheet(browser)


def small_sheet(browser: Chromium) -> None:
    """Each state in one of its looks, as small as can still be looked at."""
    looks = [look for look in LOOKS if look.size == WIDE]
    cells = "".join(
        f'<img src="{OUT / name_of(state, looks[at % len(looks)])}">' for at, state in enumerate(STATES)
    )
    sheet = OUT / "small.html"
    sheet.write_text(
        f"""<!doctype html><meta charset=utf-8><style>body {{ margin: 6px; background: #6b7775; display: grid;
        grid-template-columns: repeat(8, 1fr); gap: 6px; }} img {{ width: 100%; display: block; border-radius: 3px; }}</style>{cells}"""
    )
    context = browser.person(size=(1600, 800))
    page = context.new_page()
    page.goto(sheet.as_uri())
    page.screenshot(path=FOLDER / "states.jpg", full_page=True, type="jpeg", quality=72)
    context.close()


def show(page: Page, stage: Stage, state: str, scheme: str, language: str) -> None:
    home = BY_NAME[state].home()
    home.settings |= {"theme": scheme, "language": language}
    stage.show(home)
    page.goto(stage.link())
    until(page, "document.body.innerText.trim().length > 0")
    page.evaluate("place => { location.hash = `#/${place}` }", BY_NAME[state].place)
    settle(page)


def give(route: Route, stage: Stage) -> None:
    """The files of a stage lie in the test, not in a store."""
    found = ON_FILES.search(route.request.url)
    data, kind = stage.home.pictures.get(found[1] if found else "", (b"", ""))
    route.fulfill(body=data, content_type=kind) if data else route.fulfill(status=404)


if __name__ == "__main__":
    main()
