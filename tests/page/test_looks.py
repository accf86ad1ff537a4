"""How the page looks, as far as a machine can tell from its files: contrasts, tokens, and layout that can be turned round."""

import re
from pathlib import Path

import pytest

from support.catalogue import WEB, sources
from support.tokens import SCHEMES, TOKENS, colours, contrast, luminance, over, parse

TEXT, SHAPE = 4.5, 3.0
"""WCAG 2.2, 1.4.3 and 1.4.11."""
GROUNDS = ("ground", "surface", "surface-2", "raised", "chosen", "hover")
NUMBERED = [str(n) for n in range(8)]

PAIRS: list[tuple[str, str, float]] = [
    *(("text", ground, TEXT) for ground in GROUNDS),
    *(("text-2", ground, TEXT) for ground in GROUNDS),
    *((role, ground, TEXT) for role in ("accent", "danger", "warn", "ok") for ground in ("surface", "surface-2", "raised")),
    *((role, ground, SHAPE) for role in ("accent", "danger", "warn", "ok", "quiet") for ground in ("ground", "chosen", "hover")),
    ("line-strong", "surface", SHAPE),
    ("line-strong", "raised", SHAPE),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    ("on-danger", "danger", TEXT),
    ("on-quiet", "quiet", TEXT),
    ("on-tip", "tip", TEXT),
    ("text", "selection", TEXT),
    *((role, "mine", TEXT) for role in ("on-mine", "on-mine-2")),
    *((role, "theirs", TEXT) for role in ("on-theirs", "on-theirs-2")),
    ("read", "mine", SHAPE),
    ("read", "surface", SHAPE),
    ("danger", "mine", SHAPE),
    *(("on-person", f"person-{n}", TEXT) for n in NUMBERED),
    *((f"name-{n}", "theirs", TEXT) for n in NUMBERED),
]  # fmt: skip
"""What is read or seen, on what, and by how much it must stand out."""
NEVER_READ = {"line", "veil", "over-picture", "on-picture", "read-on-picture", "viewer", "scroll", "ground"}
"""Decoration, and what lies over pictures (below)."""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("role", "ground", "least"), PAIRS)
def test_what_is_read_stands_out(scheme: str, role: str, ground: str, least: float) -> None:
    known = colours(scheme)
    assert contrast(known[role], known[ground]) >= least


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_lies_over_a_picture_is_read_on_a_white_one(scheme: str) -> None:
    known = colours(scheme)
    below = over(known["over-picture"], (255, 255, 255, 1))
    assert contrast(known["on-picture"], below) >= TEXT
    assert contrast(known["read-on-picture"], below) >= SHAPE


def test_every_colour_has_a_pair() -> None:
    tested = {role for pair in PAIRS for role in pair[:2]} | NEVER_READ
    assert colours("light").keys() - tested == set()


def test_every_colour_is_known_in_light_and_in_dark() -> None:
    assert len(colours("light")) >= 40
    assert colours("light").keys() == colours("dark").keys()
    differing = [name for name in colours("light") if colours("light")[name] != colours("dark")[name]]
    assert len(differing) >= 35


def test_in_the_dark_what_is_nearer_is_lighter() -> None:
    known = colours("dark")
    order = [luminance(known[name]) for name in ("ground", "surface", "surface-2", "raised")]
    assert order == sorted(order)


def test_contrast_is_that_of_the_standard() -> None:
    black, white = parse("#000000"), parse("#ffffff")
    assert black is not None
    assert white is not None
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(white, white) == pytest.approx(1)
    grey = parse("#767676")
    assert grey is not None
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.01)


# -- the files of the page ------------------------------------------------------------------------------


def styles() -> dict[Path, str]:
    """The rules of all components and style sheets, comments taken out."""
    found = {path: "\n".join(re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)) for path, text in sources().items()}  # fmt: skip
    found |= {path: path.read_text() for path in (WEB / "src").rglob("*.css")}
    return {path: re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL) for path, text in found.items()}


PHYSICAL = re.compile(
    r"(?<![\w-])(?:(?:margin|padding|border|inset|scroll-margin|scroll-padding)-(?:left|right)(?:-\w+)?"
    r"|left|right|border-(?:top|bottom)-(?:left|right)-radius)\s*:"
    r"|(?:text-align|float|clear)\s*:\s*(?:left|right)\b"
)
# One that is asked of what lies on the screen, not in the text: where the pointer is, a picture that is turned.
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgba?|hsla?|oklch|color)\(")


BLACK_ON_WHITE = {"QrCode.svelte", "Scanner.svelte"}
"""What cameras look at, and what they see, has the same colours in the dark."""


def test_nothing_is_laid_out_by_left_and_right() -> None:
    wrong = [f"{path.relative_to(WEB)}: {found}" for path, text in styles().items() for found in PHYSICAL.findall(text)]  # fmt: skip
    assert wrong == []


def test_colours_are_named_in_one_file() -> None:
    wrong = [
        f"{path.relative_to(WEB)}: {found}"
        for path, text in styles().items()
        if path != TOKENS
        if path.name not in BLACK_ON_WHITE
        for found in COLOUR.findall(re.sub(r"mask[\w-]*:[^;]*;", "", text))
    ]
    assert wrong == []


def test_the_rules_would_notice() -> None:
    assert PHYSICAL.search("a { margin-left: 4px }")
    assert PHYSICAL.search("a { left: 0 }")
    assert PHYSICAL.search("a { text-align: right }")
    assert not PHYSICAL.search("a { margin-inline-start: 4px; inset-inline-end: 0; text-align: start }")
    assert COLOUR.search("a { color: #fff }")
    assert not COLOUR.search("a { color: var(--text) }")


def test_every_token_that_is_used_is_there() -> None:
    texts = {**styles(), **sources()}
    defined = {name for text in texts.values() for name in re.findall(r"(?<![\w-])--([\w-]+)\s*:", text)}
    defined |= {name for text in texts.values() for name in re.findall(r"style:--([\w-]+)", text)}
    defined |= {
        name for text in texts.values() for name in re.findall(r"setProperty\(\s*[\"'`]--([\w-]+)", text)
    }
    used = {
        (name, str(path.relative_to(WEB)))
        for path, text in styles().items()
        for name in re.findall(r"var\(--([\w-]+)\s*\)", text)
    }
    assert sorted(one for one in used if one[0] not in defined) == []


def test_no_component_writes_markup_of_its_own() -> None:
    """Svelte escapes what is put into a page; `{@html}` and its likes do not."""
    risky = re.compile(
        r"\{@html|\.innerHTML|\.outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function"
    )
    found = [str(path.relative_to(WEB)) for path, text in sources().items() if risky.search(text)]
    assert found == []
