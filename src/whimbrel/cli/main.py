"""The entry: which command it is, where it runs, and how it ends."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from whimbrel.cli.output import OUTPUT, Item, Paper, show_trouble, write, write_json
from whimbrel.cli.trouble import INTERRUPTED, PIPE_CLOSED, Trouble, unexpected, wrong_use

if TYPE_CHECKING:
    from whimbrel.cli.command import Ask, Words


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Nothing that happens inside comes out as a traceback."""
    _have_streams()
    line = _Line(sys.argv[1:] if arguments is None else arguments)
    try:
        return line.run()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _write_nowhere(sys.stdout)
        return PIPE_CLOSED
    except Trouble as trouble:
        return _end_with(trouble, line.json)
    except Exception as error:
        return _end_with(unexpected(error, line.home), line.json)


def _have_streams() -> None:
    """A program may be started without any of the three: then a file that it opens must not take their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - open for as long as the program runs
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _end_with(trouble: Trouble, as_json: bool) -> int:
    try:
        show_trouble(trouble, as_json)
    except (BrokenPipeError, Trouble):
        _write_nowhere(sys.stdout if as_json else sys.stderr)
    if trouble.code == OUTPUT:
        _write_nowhere(sys.stdout)
    return trouble.exit_code


def _write_nowhere(stream: TextIO) -> None:
    """Python writes what is left at its end, and would complain there."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())


class _Line:
    """What was typed. The options of every command may stand anywhere; they are taken out here."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.json = False
        self.home: Path | None = None
        self._help = False
        self._version = False
        self._home_typed: str | None = os.environ.get("WHIMBREL_HOME") or os.path.join("~", ".whimbrel")
        self._rest: list[str] = []
        self._take(iter(arguments))

    def _take(self, words: Iterator[str]) -> None:
        for word in words:
            if word == "--":
                self._rest += ["--", *words]
            elif word == "--json":
                self.json = True
            elif word in ("--help", "-h"):
                self._help = True
            elif word == "--version":
                self._version = True
            elif word == "--home":
                self._home_typed = next(words, None)
            elif word.startswith("--home="):
                self._home_typed = word.removeprefix("--home=")
            else:
                self._rest.append(word)

    def run(self) -> int:
        if self._version:
            from whimbrel import __version__

            write(f"whimbrel {__version__}\n", sys.stdout)
            return 0
        if self._help:
            write(self._help_text(), sys.stdout)
            return 0
        self.home = self._home()
        return self._command(self.home)

    def _home(self) -> Path:
        if not self._home_typed:
            raise wrong_use(
                "`--home` needs the name of a folder.", "For example: whimbrel --home ~/work-account chats"
            )
        try:
            return Path(os.path.abspath(os.path.expanduser(self._home_typed)))
        except FileNotFoundError:
            raise Trouble(
                "no-folder", "The folder that you are in is not there any more.", "Go to another one: cd"
            ) from None

    def _help_text(self) -> str:
        from whimbrel.cli.catalogue import find, overview
        from whimbrel.cli.command import parser_of

        if self._rest in ([], ["group"]):
            return overview(*self._rest) + "\n"
        return parser_of(find(self._rest)[0]).format_help()

    def _command(self, home: Path) -> int:
        from whimbrel.cli.catalogue import find
        from whimbrel.cli.command import DEFAULT_WAIT_S, Ask, Words, read_words

        command, rest = find(self._rest)
        values = read_words(command, rest)
        wait = getattr(values, "wait", None)
        words = Words(command.name, home, self.json, DEFAULT_WAIT_S if wait is None else wait, values)
        return _ask(command, words) if isinstance(command, Ask) else command.run(words)


def _ask(command: Ask, words: Words) -> int:
    from whimbrel.cli.calls import Call, carry_out

    parameters = {name: value for name, value in command.parameters(words).items() if value is not None}
    if words.json:
        carry_out(words.home, [Call(command.method, parameters, _as_json)], words.wait)
        return 0
    view = command.view(Paper(sys.stdout), words)
    calls = [Call(command.method, parameters, view.item)]
    if (chat := getattr(view, "chat", None)) is not None:
        calls.insert(0, Call("chats", {}, chat))
    carry_out(words.home, calls, words.wait)
    view.end()
    return 0


def _as_json(item: Item) -> None:
    write_json(item, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
