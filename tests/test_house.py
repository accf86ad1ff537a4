"""Rules of the house that a machine can hold us to: documents, links, the setup, and that nothing is skipped in CI."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whimbrel.cli.catalogue import COMMANDS

ROOT = Path(__file__).parent.parent


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository; without git (an unpacked archive) whatever lies in its folders."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        return [
            ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()
        ]
    return [path for pattern in patterns or ("*",) for path in ROOT.rglob(pattern) if path.is_file()]


DOCUMENTS = tracked("*.md")


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", ["README.md", "docs/threat-model.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_command_that_a_document_names_exists(page: str) -> None:
    """In code: `whimbrel word`, and with an option before it."""
    first_words = {name.split()[0] for name in COMMANDS} | {"COMMAND"}
    code = re.findall(r"`[^`\n]+`|^    .+$", (ROOT / page).read_text(), flags=re.MULTILINE)
    for line in code:
        for word in re.findall(r"(?<![\w/.-])whimbrel ([a-zA-Z][a-zA-Z-]*)", line):
            assert word in first_words, line
    for target in re.findall(r"`?make ([a-z]+)", " ".join(code)):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE), target


def test_decisions_are_dated_and_a_page_at_most() -> None:
    pages = tracked("docs/decisions/*.md")
    assert pages
    for page in pages:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d-[a-z0-9-]+\.md", page.name)
        assert len(page.read_text().splitlines()) <= 60, page.name


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is a matter of the machine; see docs/decisions. Cargo.lock has cargo's own identifier."""
    hosts = re.compile(
        r"pypi\.(org|python\.org)|pythonhosted|//(index|static)\.crates\.io|registry\.npmjs", re.IGNORECASE
    )
    for path in tracked():
        if path != Path(__file__):
            assert not hosts.search(path.read_text(errors="ignore")), path


def test_lock_files_have_hashes_only() -> None:
    for lock in tracked("requirements/*.lock"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text, lock.name
        assert "index-url" not in text, lock.name


SUITE = {
    "test_skips.py": """
import pytest
def test_skips(): pytest.skip("no network card")
@pytest.mark.skip(reason="marked")
def test_marked(): pass
@pytest.mark.xfail
def test_known(): assert False
def test_fine(): pass
""",
    "test_whole_file.py": "import pytest\npytest.importorskip('a_module_that_is_missing')\ndef test_it(): pass\n",
}


@pytest.mark.parametrize(
    ("ci", "summary"),
    [("", "1 passed, 3 skipped, 1 xfailed"), ("true", "1 failed, 1 passed, 1 xfailed, 2 errors")],
)
def test_what_is_missing_is_a_failure_where_the_machine_decides(
    tmp_path: Path, ci: str, summary: str
) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    for name, text in SUITE.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    line = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:xdist"]
    line.append("--continue-on-collection-errors")
    ran = subprocess.run(
        line, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "CI": ci}, check=False
    )
    assert summary in ran.stdout, ran.stdout
    assert (ran.returncode != 0) == bool(ci)


def test_files_with_processes_come_last(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    slow = "import pytest\npytestmark = pytest.mark.processes\ndef test_slow(): pass\n"
    (tmp_path / "test_a.py").write_text(slow)
    (tmp_path / "test_b.py").write_text("def test_quick(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = processes: slow\n")
    line = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
    ]
    ran = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert re.findall(r"test_(?:slow|quick)", ran.stdout) == ["test_quick", "test_slow"]


NEEDED_BY_TOOLS = ("bash", "id", "uname", "cut", "sort", "head", "printf", "env", "dirname", "tr")


def tools(tmp_path: Path, *present: str) -> subprocess.CompletedProcess[str]:
    """`.ci/tools` with only these programs to be found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*NEEDED_BY_TOOLS, *present):
        if (found := shutil.which(name)) is not None:
            (folder / name).symlink_to(found)
    if "python3" in present:
        (folder / "python3").unlink(missing_ok=True)
        (folder / "python3").symlink_to(Path(sys.executable).resolve())
    env = {"PATH": str(folder), "HOME": str(tmp_path)}
    return subprocess.run([str(ROOT / ".ci" / "tools")], env=env, capture_output=True, text=True, check=False)


def test_the_setup_names_the_command_for_what_is_missing(tmp_path: Path) -> None:
    without_rust = tools(tmp_path, "python3", "cc", "node", "npm")
    assert without_rust.returncode == 1
    assert "Rust 1.91" in without_rust.stderr
    assert "sh.rustup.rs" in without_rust.stderr


def test_the_setup_names_what_builds_the_page_when_it_is_missing(tmp_path: Path) -> None:
    without_node = tools(tmp_path, "python3", "cc")
    assert without_node.returncode == 1
    assert "Node.js, which builds the page, is missing." in without_node.stderr


def test_the_setup_names_python_when_it_is_missing(tmp_path: Path) -> None:
    without_python = tools(tmp_path, "cc")
    assert without_python.returncode == 1
    assert "Python 3.11" in without_python.stderr
