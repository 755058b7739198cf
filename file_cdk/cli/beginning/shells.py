"""The completion scripts of shells, from the parsers of all commands."""

import argparse
import re
from collections.abc import Callable, Iterator, Mapping

from file_cdk.core.dataclass import dataclass

_NAMES_OF_FILES = frozenset({"SOURCE", "DEST", "DATABASE", "FILE", "STATE"})
"""What arguments are called that may be a file or folder."""

_LONGEST_HELP = 80


@dataclass(frozen=True, slots=True)
class _Option:
    """names: the short one first. value: what its value is called; None where it takes none."""

    names: tuple[str, ...]
    help: str
    value: str | None
    choices: tuple[str, ...]
    repeated: bool

    @property
    def takes_files(self) -> bool:
        return self.value in _NAMES_OF_FILES


@dataclass(frozen=True, slots=True)
class _Command:
    """commands: those below it. words: what its own arguments may be; takes_files: or names of files."""

    help: str
    options: tuple[_Option, ...]
    words: tuple[str, ...]
    takes_files: bool
    commands: "Mapping[str, _Command]"


def _command(parser: argparse.ArgumentParser, summary: str = "") -> _Command:
    options, words, takes_files = [], [], False
    commands: dict[str, _Command] = {}
    for action in parser._actions:  # argparse has no other way to ask what there is
        choices = action.choices
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            commands = {name: _command(each, helps.get(name, "")) for name, each in action.choices.items()}
        elif action.option_strings:
            options.append(_option(action))
        else:
            words += [str(choice) for choice in choices or ()]
            takes_files = takes_files or action.metavar in _NAMES_OF_FILES
    return _Command(_short(summary), tuple(options), tuple(words), takes_files, commands)


def _option(action: argparse.Action) -> _Option:
    takes_value = action.nargs != 0
    choices = tuple(str(choice) for choice in action.choices or ()) if takes_value else ()
    value = str(action.metavar or action.dest.upper()) if takes_value else None
    names = tuple(sorted(action.option_strings, key=len))
    return _Option(names, _short(action.help or ""), value, choices, isinstance(action, argparse._AppendAction))


def _short(text: str) -> str:
    """The first clause, on one line."""
    clause = re.split(r"[.;:] | \(", " ".join(text.replace("%%", "%").split()), maxsplit=1)[0]
    return clause if len(clause) <= _LONGEST_HELP else clause[: _LONGEST_HELP - 1] + "…"


def _all(command: _Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], _Command]]:
    yield path, command
    for name, each in command.commands.items():
        yield from _all(each, (*path, name))


# bash


_BASH = """\
# Completion of file-cdk for bash, as `file-cdk completion bash` gives it.
_file_cdk() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    local path="" words="" files=0 values=0 at
    if [[ "$current" == "=" ]]; then
        current=""
    elif [[ "$previous" == "=" ]]; then
        previous="${{COMP_WORDS[COMP_CWORD-2]}}"
    fi
    for ((at = 1; at < COMP_CWORD; at++)); do
        case "$path/${{COMP_WORDS[at]}}" in
            {paths}) path="$path/${{COMP_WORDS[at]}}" ;;
        esac
    done
    case "$path $previous" in
{values}
    esac
    if ((!values)); then
        case "$path" in
{commands}
        esac
    fi
    COMPREPLY=()
    local word
    for word in $words; do
        [[ "$word" == "$current"* ]] && COMPREPLY+=("$word")
    done
    if ((files)) && [[ "$current" != -* ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r word; do
            COMPREPLY+=("$word")
        done < <(compgen -f -- "$current")
    fi
}}
complete -F _file_cdk file-cdk
"""


def bash(parser: argparse.ArgumentParser) -> Iterator[str]:
    found = list(_all(_command(parser)))
    values, commands = [], []
    for path, command in found:
        place = "".join(f"/{name}" for name in path)
        for option in command.options:
            if option.value is not None:
                patterns = "|".join(f'"{place} {name}"' for name in option.names)
                does = f'words="{" ".join(option.choices)}" files={int(option.takes_files)} values=1'
                values.append(f"        {patterns}) {does} ;;")
        names = [name for option in command.options for name in option.names]
        words = " ".join([*command.commands, *command.words, *names])
        commands.append(f'            "{place}") words="{words}" files={int(command.takes_files)} ;;')
    paths = "|".join("".join(f"/{name}" for name in path) for path, _ in found if path)
    yield from _BASH.format(paths=paths, values="\n".join(values), commands="\n".join(commands)).splitlines()


# zsh


def zsh(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield "#compdef file-cdk"
    yield "# Completion of file-cdk for zsh, as `file-cdk completion zsh` gives it."
    for path, command in _all(_command(parser)):
        yield ""
        yield from _zsh_function(path, command)
    yield ""
    yield 'if [[ "$funcstack[1]" == _file-cdk ]]; then'
    yield '    _file-cdk "$@"'
    yield "else"
    yield "    compdef _file-cdk file-cdk"
    yield "fi"


def _zsh_function(path: tuple[str, ...], command: _Command) -> Iterator[str]:
    name = "-".join(("_file-cdk", *path))
    specs = [_zsh_option(option) for option in command.options]
    yield f"{name}() {{"
    if command.commands:
        yield "    local state line"
        yield "    local -a commands=("
        yield from (f"        {_quoted(f'{each}:{found.help}')}" for each, found in command.commands.items())
        yield "    )"
        yield "    _arguments -C \\"
        yield from (f"        {spec} \\" for spec in specs)
        yield "        '1: :->command' '*:: :->arguments'"
        yield "    case $state in"
        yield "        command) _describe command commands ;;"
        yield "        arguments)"
        yield "            case $words[1] in"
        yield from (f"                {each}) {name}-{each} ;;" for each in command.commands)
        yield "            esac ;;"
        yield "    esac"
    else:
        yield "    _arguments \\"
        yield from (f"        {spec} \\" for spec in specs)
        if command.words:
            yield f"        '1: :({' '.join(command.words)})' \\"
        yield f"        '*: :{'_files' if command.takes_files else ' '}'"
    yield "}"


def _zsh_option(option: _Option) -> str:
    helped = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
    value = ""
    if option.value is not None:
        does = f"({' '.join(option.choices)})" if option.choices else "_files" if option.takes_files else " "
        value = f":{option.value.replace(':', '')}:{does}"
    star = "*" if option.repeated else ""
    longest = [f"{name}=" if value and name.startswith("--") else name for name in option.names]
    return " ".join(_quoted(f"{star}{name}[{helped}]{value}") for name in longest)


# fish


def fish(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield "# Completion of file-cdk for fish, as `file-cdk completion fish` gives it."
    yield "complete -c file-cdk -f"
    for path, command in _all(_command(parser)):
        seen = [f"__fish_seen_subcommand_from {name}" for name in path] or ["__fish_use_subcommand"]
        if path and command.commands:
            seen.append(f"not __fish_seen_subcommand_from {' '.join(command.commands)}")
        when = f"complete -c file-cdk -n {_quoted('; and '.join(seen))}"
        for name, each in command.commands.items():
            yield f"{when} -a {name} -d {_quoted(each.help)}"
        for word in command.words:
            yield f"{when} -a {word}"
        if command.takes_files:
            yield f"{when} -F"
        for option in command.options:
            yield f"{when} {_fish_option(option)}"


def _fish_option(option: _Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    value = ""
    if option.value is not None:
        value = (
            f" -x -a {_quoted(' '.join(option.choices))}"
            if option.choices
            else " -r -F"
            if option.takes_files
            else " -x"
        )
    return f"{names}{value} -d {_quoted(option.help)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "'\\''") + "'"


SCRIPTS: Mapping[str, Callable[[argparse.ArgumentParser], Iterator[str]]] = {"bash": bash, "zsh": zsh, "fish": fish}
