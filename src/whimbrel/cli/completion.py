"""Completion for shells: the names of commands, their options, files; and chats, while an app runs to ask."""

from __future__ import annotations

import argparse
import sys

from whimbrel.cli.command import Program, Words
from whimbrel.cli.output import write

_BASH = """\
# Put this into your ~/.bashrc:  eval "$(whimbrel completion bash)"
_whimbrel() {
    local IFS=$'\\n' word=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    local line
    while read -r line; do
        if [ "$line" = ":files" ]; then
            compopt -o filenames 2>/dev/null
            COMPREPLY+=($(compgen -f -- "$word"))
        elif [[ $line == "$word"* ]]; then
            COMPREPLY+=("$(printf '%q' "$line")")
        fi
    done < <(whimbrel completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _whimbrel whimbrel
"""

_ZSH = """\
# Put this into your ~/.zshrc, after compinit:  eval "$(whimbrel completion zsh)"
_whimbrel() {
    local -a found
    found=("${(@f)$(whimbrel completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ ${found[(r):files]} == ":files" ]]; then
        found=("${(@)found:#:files}")
        _files
    fi
    compadd -- "${(@)found:#}"
}
compdef _whimbrel whimbrel
"""

_FISH = """\
# Put this into ~/.config/fish/completions/whimbrel.fish
function __whimbrel_words
    set -l typed (commandline -opc) (commandline -ct)
    for line in (whimbrel completion words -- $typed[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c whimbrel -f -a '(__whimbrel_words)'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}

# Which of the client's lists a word comes from, by its name in the help.
_LISTS = {"CHAT": "chats", "GROUP": "chats", "PERSON": "contacts", "NAME": "contacts"}
_FILES = ("PATH", "DIR", "FILE")


def _define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="bash|zsh|fish", choices=(*_SCRIPTS, "words"), help="which shell")
    parser.add_argument("typed", nargs="*", help=argparse.SUPPRESS)


def _run(words: Words) -> int:
    if words.shell != "words":
        write(_SCRIPTS[words.shell], sys.stdout)
        return 0
    for word in possible(words.typed or [""], words):
        write(f"{word}\n", sys.stdout)
    return 0


def possible(typed: list[str], words: Words) -> list[str]:
    """What can stand where the last of these words is being typed; `:files` stands for the names of files."""
    from whimbrel.cli.catalogue import COMMANDS
    from whimbrel.cli.command import parser_of

    *before, now = typed
    names = [name.split() for name in COMMANDS]
    command, depth = None, 0
    for depth in (2, 1):
        if (command := COMMANDS.get(" ".join(before[:depth]))) is not None:
            break
    if command is None:
        return sorted(
            {name[len(before)] for name in names if len(name) > len(before) and name[: len(before)] == before}
        )
    actions = parser_of(command)._actions
    options = {option: action for action in actions for option in action.option_strings}
    if before[-1] in options and options[before[-1]].nargs != 0:
        return _values(options[before[-1]], words)
    if now.startswith("-"):
        return sorted(option for option in options if option.startswith("--"))
    places = [action for action in actions if not action.option_strings]
    given = sum(1 for word in before[depth:] if not word.startswith("-"))
    if not places:
        return []
    return _values(places[min(given, len(places) - 1)], words)


def _values(action: argparse.Action, words: Words) -> list[str]:
    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    if action.metavar in _FILES:
        return [":files"]
    return _names(_LISTS[action.metavar], words) if action.metavar in _LISTS else []


def _names(method: str, words: Words) -> list[str]:
    """Asked of the app only: pressing Tab must not open a home."""
    from whimbrel.app.channel import AppGone, reach_app
    from whimbrel.cli.foreign import in_one_line

    channel = reach_app(words.home)
    if channel is None:
        return []
    try:
        with channel:
            return [
                in_one_line(answer["item"]["name"]) for answer in channel.ask(method, {}) if "item" in answer
            ]
    except AppGone:
        return []


COMPLETION = Program(
    name="completion",
    summary="completion for a shell",
    examples=(
        'eval "$(whimbrel completion bash)"',
        "whimbrel completion fish > ~/.config/fish/completions/whimbrel.fish",
    ),
    run=_run,
    define=_define,
)
