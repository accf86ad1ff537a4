"""The entry: which command it is, where it runs, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whimbrel.cli.output import Item, Paper, show_trouble, write_json
from whimbrel.cli.trouble import INTERRUPTED, PIPE_CLOSED, Trouble, unexpected, wrong_use

if TYPE_CHECKING:
    from whimbrel.cli.command import Ask, Words


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Nothing that happens inside comes out as a traceback."""
    line = _Line(sys.argv[1:] if arguments is None else arguments)
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        code = line.run()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _stop_writing()
        return PIPE_CLOSED
    except Trouble as trouble:
        return _end_with(trouble, line.json)
    except Exception as error:
        return _end_with(unexpected(error, line.home), line.json)


def _end_with(trouble: Trouble, as_json: bool) -> int:
    try:
        sys.stdout.flush()
        show_trouble(trouble, as_json)
    except BrokenPipeError:
        _stop_writing()
    return trouble.exit_code


def _stop_writing() -> None:
    """Python flushes at its end and would complain there: what is left goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


class _Line:
    """What was typed. The options of every command may stand anywhere; they are taken out here."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.json = False
        self.help = False
        self.version = False
        self.home_typed: str | None = os.environ.get("WHIMBREL_HOME") or os.path.join("~", ".whimbrel")
        self.rest: list[str] = []
        self._take(iter(arguments))

    def _take(self, words: Iterator[str]) -> None:
        for word in words:
            if word == "--":
                self.rest += ["--", *words]
            elif word == "--json":
                self.json = True
            elif word in ("--help", "-h"):
                self.help = True
            elif word == "--version":
                self.version = True
            elif word == "--home":
                self.home_typed = next(words, None)
            elif word.startswith("--home="):
                self.home_typed = word.removeprefix("--home=")
            else:
                self.rest.append(word)

    @property
    def home(self) -> Path:
        return Path(os.path.abspath(os.path.expanduser(self.home_typed or "")))

    def run(self) -> int:
        if not self.home_typed:
            raise wrong_use(
                "`--home` needs the name of a folder.", "For example: whimbrel --home ~/work-account chats"
            )
        if self.version:
            from whimbrel import __version__

            print(f"whimbrel {__version__}")
            return 0
        return self._help() if self.help else self._command()

    def _help(self) -> int:
        from whimbrel.cli.catalogue import find, overview
        from whimbrel.cli.command import parser_of

        if self.rest in ([], ["group"]):
            print(overview(*self.rest))
        else:
            print(parser_of(find(self.rest)[0]).format_help(), end="")
        return 0

    def _command(self) -> int:
        from whimbrel.cli.catalogue import find
        from whimbrel.cli.command import DEFAULT_WAIT_S, Ask, Words, read_words

        command, rest = find(self.rest)
        values = read_words(command, rest)
        wait = getattr(values, "wait", None)
        words = Words(command.name, self.home, self.json, DEFAULT_WAIT_S if wait is None else wait, values)
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
