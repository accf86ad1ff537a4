"""Every state of the page: axe-core finds nothing serious in it, in light or dark; with longer words and from the right nothing is
cut or crossed; and pictures of all of them make one contact sheet, tests/page/out/sheet.html and sheet.png.

Look at the sheet after each change, as a designer would.
"""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from support.browser import NARROW, WIDE, Chromium, until
from support.browser_stage import NOW, Stage, staged
from support.browser_states import LOOKS, REQUIRED, STATES, Look, State, name_of, settle
from support.catalogue import WEB

pytestmark = pytest.mark.processes

HERE = Path(__file__).parent
OUT = HERE / "out"
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
PAGE_MD = WEB.parent.parent / "shared" / "PAGE.md"
SERIOUS = ("serious", "critical")
ON_FILES = re.compile(r"/files/(?:picture/)?([0-9a-f]+)")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.fixture
def page(browser: Chromium, stage: Stage) -> Iterator[Page]:
    context = browser.person("Ada")
    window = context.new_page()
    window.clock.set_fixed_time(NOW)

    def give(route: Route) -> None:
        found = ON_FILES.search(route.request.url)
        data, kind = stage.home.pictures.get(found[1] if found else "", (b"", ""))
        if data:
            route.fulfill(body=data, content_type=kind)
        else:
            route.fulfill(status=404)

    context.route(re.compile(r"/files/[0-9a-f]"), give)
    yield window
    context.close()


def go(page: Page, stage: Stage, state: State, look: Look) -> None:
    """Opens the page in this state, in this look."""
    home = state.home()
    home.settings |= {"language": look.language, "theme": look.scheme}
    stage.show(home)
    page.set_viewport_size({"width": look.size[0], "height": look.size[1]})
    page.goto("about:blank")
    page.goto(stage.link())
    until(page, "document.body.innerText.trim().length > 0")
    if state.place:
        page.evaluate("place => { location.hash = `#/${place}` }", state.place)
    settle(page)
    state.hand(page)
    settle(page)


def turn(page: Page, stage: Stage, look: Look) -> None:
    """The same, in another look: what a change of the settings does."""
    stage.home.settings |= {"language": look.language, "theme": look.scheme}
    stage.tell(settings=stage.home.settings)
    until(page, "look => document.documentElement.dataset.theme === look", look.scheme)
    settle(page)


def picture(page: Page, state: State, look: Look) -> None:
    OUT.mkdir(exist_ok=True)
    page.screenshot(path=OUT / name_of(state, look), animations="disabled", caret="hide")


def faults_of(page: Page) -> list[str]:
    """What axe-core finds that is serious."""
    if not AXE.exists():
        pytest.skip("axe-core is missing: make .setup/browser")
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE.read_text() + ";0")
    found: dict[str, Any] = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {one['help']}: {node['html'][:160]} {(node.get('failureSummary') or '')[:200]}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


# Texts of the catalogue are marked in the pseudo-locales: [Wörds] or between the override and its end. Of those none may be
# cut by what it stands in, leave the window, or lie under something else.
CUT = """() => {
  const marked = /[\\[\\u202e]/;
  const top = [...document.querySelectorAll('[role=dialog], [role=alertdialog], dialog[open], [role=menu]')].at(-1) ?? document.body;
  const found = [];
  const walk = document.createTreeWalker(top, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const text = node.data.trim();
    if (!text || !marked.test(text)) continue;
    const element = node.parentElement;
    const range = document.createRange();
    range.selectNodeContents(node);
    const rect = range.getBoundingClientRect();
    if (rect.width < 2 || rect.height < 2 || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    let hidden = false, cut = "";
    for (let at = element; at && at !== document.documentElement; at = at.parentElement) {
      const style = getComputedStyle(at), box = at.getBoundingClientRect();
      if (style.clipPath !== "none" || (box.width <= 1 && box.height <= 1)) { hidden = true; break; }
      // One line of what may be long (what happened last): the rest of it is shown to who waits over it.
      if (style.textOverflow === "ellipsis" && at.title.includes(text)) { hidden = true; break; }
      if (style.overflowX !== "visible" && (rect.right > box.right + 1 || rect.left < box.left - 1)) cut ||= `cut by ${at.tagName} ${at.className}`;
      const scrolls = /auto|scroll/.test(style.overflowY);
      if (scrolls && (rect.bottom > box.bottom + 1 || rect.top < box.top - 1)) { hidden = true; break; }
      if (!scrolls && style.overflowY !== "visible" && (rect.bottom > box.bottom + 2 || rect.top < box.top - 2)) cut ||= `cut below by ${at.tagName} ${at.className}`;
    }
    if (hidden) continue;
    if (rect.right > innerWidth + 1 || rect.left < -1) cut ||= "leaves the window";
    if (!cut && rect.bottom <= innerHeight && rect.top >= 0) {
      const line = range.getClientRects()[0];
      const at = document.elementFromPoint(line.left + line.width / 2, line.top + line.height / 2);
      if (at && !element.contains(at) && !at.contains(element) && !at.closest("[inert]") && !(at.matches("input") && at.closest("label")?.contains(element))) cut = `under ${at.tagName} ${at.className}`;
    }
    if (cut) found.push(`${text.slice(0, 60)} (${element.tagName} ${element.className}): ${cut}`);
  }
  if (document.documentElement.scrollWidth > innerWidth + 1) found.push("the page scrolls sideways");
  return found;
}"""


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name.replace(" ", "-"))
def test_it_is_fit_to_be_seen(page: Page, stage: Stage, state: State) -> None:
    wide = [look for look in LOOKS if look.size == WIDE]
    small = [look for look in LOOKS if look.size == NARROW]
    faults: list[str] = []
    cut: list[str] = []
    for looks in (wide, small):
        go(page, stage, state, looks[0])
        for look in looks:
            if look is not looks[0]:
                turn(page, stage, look)
            picture(page, state, look)
            if look.name in ("light", "dark"):
                faults += [f"{look.name}: {fault}" for fault in faults_of(page)]
            if look.language.startswith("x-"):
                cut += [f"{look.name}: {one}" for one in page.evaluate(CUT)]
    assert faults == []
    assert cut == []


def test_every_state_that_must_be_designed_is_among_them() -> None:
    names = {state.name for state in STATES}
    assert set(REQUIRED.values()) <= names
    if not PAGE_MD.exists():
        return
    section = re.search(r"## States that must be designed.*?\n\n(.*?)\n\n", PAGE_MD.read_text(), re.DOTALL)
    assert section is not None
    listed = {re.sub(r"\s+", " ", one).strip(" .") for one in section[1].split("·")}
    assert {one.lower() for one in listed} <= {one.lower() for one in REQUIRED} | {
        "name of right-to-left letters in a left-to-right list (isolate with `<bdi>`)"
    }


def test_what_is_cut_would_be_noticed(page: Page, stage: Stage) -> None:
    page.set_content(
        """<div style="inline-size: 60px; overflow: hidden; white-space: nowrap">[a long text of the catalogue that is cut]</div>
        <p>[this one fits]</p>"""
    )
    [cut] = page.evaluate(CUT)
    assert "a long text" in cut


def test_all_of_it_makes_one_sheet(browser: Chromium, tmp_path: Path) -> None:
    """The last of this file: a row for each state, a column for each look."""
    rows = []
    for state in STATES:
        cells = "".join(
            f'<td><img src="{name_of(state, look)}" alt=""></td>'
            for look in LOOKS
            if (OUT / name_of(state, look)).exists()
        )
        if cells:
            rows.append(f"<tr><th>{html.escape(state.name)}</th>{cells}</tr>")
    if not rows:
        pytest.fail("no pictures were made before this test; run the whole file")
    heads = "".join(f"<th>{html.escape(look.name)}</th>" for look in LOOKS)
    sheet = OUT / "sheet.html"
    sheet.write_text(
        f"""<!doctype html><meta charset=utf-8><title>Contact sheet</title><style>
body {{ font: 13px system-ui; background: #777; margin: 8px; }} th {{ color: #fff; text-align: left; padding: 4px; vertical-align: top; width: 90px; }}
img {{ height: 190px; display: block; box-shadow: 0 0 3px #000; }} td {{ padding: 3px; }}
</style><table><tr><th></th>{heads}</tr>{"".join(rows)}</table>"""
    )
    context: BrowserContext = browser.person("sheet", size=(1900, 1000))
    page = context.new_page()
    page.goto(sheet.as_uri())
    page.screenshot(path=OUT / "sheet.png", full_page=True)
    context.close()
    assert (OUT / "sheet.png").stat().st_size > 100_000
    (OUT / "states.json").write_text(json.dumps([state.name for state in STATES], indent=1))
