"""The script for fish 3 and newer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from coffer_common.command_line import HELP, VERSION, Command, Option

from ..options import COMMANDS, PROGRAM
from .offers import Kind, brief, fill, offer, source_options, takes_command_line, with_value


def script() -> str:
    """Return the script, for a file `coffer-client.fish` in a folder in which fish looks for completions, or to be sourced."""
    lines = [command for command in COMMANDS if takes_command_line(command)]
    return fill(
        _SCRIPT,
        program=PROGRAM,
        with_value=" ".join(f"{command.name}:{flag}" for command in lines for option in with_value(command) for flag in option.flags),
        lines=" ".join(command.name for command in lines),
        source_options=" ".join(option.flag for option in source_options() if option.metavar),
        source_words=" ".join(_quoted(f"{option.flag}=*") if option.metavar else option.flag for option in source_options()),
        commands="".join(_complete('__coffer_client_is ""', f"-a {command.name}", command.help) for command in COMMANDS),
        version=_complete('__coffer_client_is ""', _flags(VERSION), VERSION.help),
        help=_complete("__coffer_client_is_own", _flags(HELP), HELP.help),
        rest="".join(line for command in COMMANDS for line in _lines(command)),
    )


def _lines(command: Command) -> Iterator[str]:
    """Yield what can follow one command."""
    condition = f"__coffer_client_is {command.name}"
    for option in command.options:
        yield _complete(condition, f"{_flags(option)}{_value(option)}", option.help)
    if takes_command_line(command):
        yield f"complete -c {PROGRAM} -n '__coffer_client_begins {command.name}' -x -a '(__coffer_client_command_line)'\n"
        return
    for taken in command.arguments:
        offered = offer(taken.metavar)
        match offered.kind:
            case Kind.NOTHING:
                pass
            case Kind.FILES:
                yield f"complete -c {PROGRAM} -n '{condition}' -F\n"
            case _:
                yield f"complete -c {PROGRAM} -n '{condition}' -a {_list(offered.kind, offered.words)}\n"


def _flags(option: Option) -> str:
    return f"-s {option.letter} -l {option.name}" if option.letter else f"-l {option.name}"


def _value(option: Option) -> str:
    if option.metavar is None:
        return ""
    offered = offer(option.metavar, option.choices)
    match offered.kind:
        case Kind.NOTHING:
            return " -x"
        case Kind.FILES:
            return " -r -F"
        case _:
            return f" -x -a {_list(offered.kind, offered.words)}"


def _list(kind: Kind, words: tuple[str, ...]) -> str:
    match kind:
        case Kind.FOLDERS:
            return "'(__fish_complete_directories)'"
        case Kind.KEYS:
            return "'(__coffer_client_keys)'"
        case _:
            return _quoted(" ".join(words))


def _complete(condition: str, what: str, help_text: str) -> str:
    return f"complete -c {PROGRAM} -n {_quoted(condition)} {what} -d {_quoted(brief(help_text))}\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPT: Final = r"""# fish completion for @program@, made by `@program@ completion fish`

# Prints at which of the words before the cursor the line of another command begins, or nothing.
function __coffer_client_line
    set -l words (commandline -opc)
    contains -- "$words[2]" @lines@; or return
    set -l expects
    for i in (seq 3 (math (count $words) + 1))
        if set -q expects[1]
            set -e expects
        else if test "$words[$i]" = --
            echo (math $i + 1)
            return
        else if test $i -gt (count $words)
            return
        else if not string match -qr -- '^-.' $words[$i]
            echo $i
            return
        else if contains -- "$words[2]:$words[$i]" @with_value@
            set expects yes
        end
    end
end

# Succeeds if what is typed still belongs to this program.
function __coffer_client_is_own
    set -l start (__coffer_client_line)
    not set -q start[1]
end

# Succeeds if this command was typed; "" means no command.
function __coffer_client_is --argument-names command
    set -l words (commandline -opc)
    test "$words[2]" = "$command"; and __coffer_client_is_own
end

# Succeeds if the line of another command can begin here, or has begun.
function __coffer_client_begins --argument-names command
    set -l words (commandline -opc)
    test "$words[2]" = "$command"
end

# Prints what the command that begins here would offer.
function __coffer_client_command_line
    set -l words (commandline -opc)
    set -l start (__coffer_client_line)
    set -l line
    if set -q start[1]
        test $start -le (count $words); and set line (string escape -- $words[$start..])
    else if string match -q -- '-*' (commandline -ct)
        return
    end
    complete --do-complete=(string join ' ' -- $line (commandline -ct))
end

function __coffer_client_keys
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l source
    set -l expects
    set -l dashes
    for word in $words[3..]
        set word (string replace -r '^~/' "$HOME/" -- $word)
        if set -q expects[1]
            set -a source $expects=$word
            set -e expects
        else if test "$word" = --
            set dashes yes
            break
        else if contains -- $word @source_options@
            set expects $word
        else
            for known in @source_words@
                string match -q -- $known $word; and set -a source $word
            end
        end
    end
    for key in ($program keys --cached $source 2>/dev/null </dev/null)
        # Before -- this would be an option.
        string match -q -- '-*' $key; and not set -q dashes[1]; and continue
        printf '%s\n' $key
    end
end

complete -c @program@ -f
@commands@@version@@help@
@rest@"""
