"""The pictures of `make demo` in the README: `PYTHONPATH=tests .venv/bin/python -m support.demo_pictures` makes them anew.

They show the demo as it runs, with what is switched on there.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

from support.browser import Chromium, chromium
from support.demo import Visitor, visiting

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
SIZE = (1440, 1010)
PICTURES: tuple[tuple[str, str, Sequence[str], int], ...] = (
    ("demo-light.webp", "light", ("silence", "addresses"), 12),
    ("demo-dark.webp", "dark", ("everything",), 40),
)
"""File, looks, what is switched on, and for how many seconds they talk under it."""
QUALITY = 0.82


def main() -> None:
    wanted = sys.argv[1:]
    with chromium() as browser:
        for name, scheme, switches, seconds in PICTURES:
            if not wanted or name in wanted:
                (FOLDER / name).write_bytes(picture(browser, scheme, switches, seconds))


def picture(browser: Chromium, scheme: str, switches: Sequence[str], seconds: int) -> bytes:
    with (
        tempfile.TemporaryDirectory() as folder,
        visiting(Path(folder), browser, size=SIZE, scheme=scheme) as visitor,
    ):
        visitor.page.wait_for_timeout(4000)
        for key in switches:
            visitor.page.locator(f"#switch-{key}").get_by_role("switch").check()
        visitor.button("Cut what is open").click()
        visitor.until(lambda: is_worth_a_picture(visitor), "there is nothing to see")
        visitor.page.wait_for_timeout(seconds * 1000)
        visitor.page.evaluate("window.scrollTo(0, 0)")
        shot = visitor.page.screenshot(animations="disabled", caret="hide")
    return as_webp(browser, shot)


def is_worth_a_picture(visitor: Visitor) -> bool:
    return all(visitor.way(side)[0] for side in (0, 1)) and visitor.ordinary()[0] not in ("", "ok")


def as_webp(browser: Chromium, shot: bytes) -> bytes:
    """The browser can write it, and nothing else here."""
    context = browser.person()
    page: Page = context.new_page()
    url: str = page.evaluate(
        """async ([png, quality]) => {
            const image = new Image();
            image.src = "data:image/png;base64," + png;
            await image.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            canvas.getContext("2d").drawImage(image, 0, 0);
            return canvas.toDataURL("image/webp", quality);
        }""",
        [base64.b64encode(shot).decode(), QUALITY],
    )
    context.close()
    return base64.b64decode(url.partition(",")[2])


if __name__ == "__main__":
    main()
