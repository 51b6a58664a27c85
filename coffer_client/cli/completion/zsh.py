"""The script for zsh, for a file `_coffer-client` in $fpath, or to be sourced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from coffer_common.command_line import HELP, VERSION, Command, Option

from ..options import COMMANDS, PROGRAM
from .offers import Kind, Offer, brief, fill, offer, source_options, takes_command_line


def script() -> str:
    """Return the script, as described above."""
    return fill(
        _SCRIPT,
        program=PROGRAM,
        root="".join(_continued(spec, indent=8) for spec in (*_help(), f"(- *){VERSION.flag}[{_escaped(brief(VERSION.help))}]")),
        commands="".join(f"        {_quoted(f'{command.name}:{_colons(brief(command.help))}')}\n" for command in COMMANDS),
        cases="".join(map(_case, COMMANDS)),
        source_options="|".join(option.flag for option in source_options() if option.metavar),
        source_words="|".join(f"{option.flag}=*" if option.metavar else option.flag for option in source_options()),
    )


def _case(command: Command) -> str:
    # After the first word of another command's line, an option is not ours.
    mode = " -A '-*'" if takes_command_line(command) else ""
    lines = "".join(_continued(spec, indent=16) for spec in _specifications(command))
    return f"        {command.name})\n            _arguments -S{mode} \\\n{lines}                && return\n            ;;\n"


def _specifications(command: Command) -> Iterator[str]:
    """Yield what _arguments takes."""
    yield from _help()
    for option in command.options:
        yield from _option(option)
    if takes_command_line(command):
        yield "(-)*:::command: _normal"
        return
    for taken in command.arguments:
        place = "*" if taken.most is None else "1" if taken.least else "1:"
        yield f"{place}:{_escaped(taken.metavar)}:{_action(offer(taken.metavar))}"


def _help() -> tuple[str, ...]:
    return tuple(f"(- *){flag}[{_escaped(brief(HELP.help))}]" for flag in HELP.flags)


def _option(option: Option) -> Iterator[str]:
    text = f"[{_escaped(brief(option.help))}]"
    for flag in option.flags:
        if option.metavar is None:
            yield f"({' '.join(option.flags)}){flag}{text}"
        else:
            # It may be given twice. The value of a letter is the next word.
            equals = "=" if flag.startswith("--") else ""
            yield f"*{flag}{equals}{text}:{_escaped(option.metavar)}:{_action(offer(option.metavar, option.choices))}"


def _action(offered: Offer) -> str:
    match offered.kind:
        case Kind.WORDS:
            # After a space, zsh adds no words of its own.
            return f" _coffer-client_words {' '.join(map(_colons, offered.words))}"
        case Kind.FILES:
            return "_files"
        case Kind.FOLDERS:
            return "_files -/"
        case Kind.KEYS:
            return "_coffer-client_keys"
        case Kind.NOTHING:
            return " "


def _escaped(text: str) -> str:
    """Return a text as the brackets and the messages of _arguments need it."""
    for character in "\\[]:":
        text = text.replace(character, "\\" + character)
    return text


def _colons(text: str) -> str:
    """Return a text as it is written if a colon ends it."""
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _continued(specification: str, *, indent: int) -> str:
    """Return a line of a command that continues on the next line."""
    return f"{' ' * indent}{_quoted(specification)} \\\n"


_SCRIPT: Final = r"""#compdef @program@
# zsh completion for @program@, made by `@program@ completion zsh`

_coffer-client_commands() {
    local -a commands=(
@commands@    )
    _describe -t commands command commands
}

# Offers words; one that ends in a colon is only a beginning.
_coffer-client_words() {
    local -a whole=(${@:#*:}) begun=(${(M)@:#*:}) expl
    _description values expl value
    compadd "$expl[@]" -a whole
    compadd "$expl[@]" -S '' -a begun
}

_coffer-client_keys() {
    local -a source keys expl
    local word
    integer i dashes=0
    for (( i = 2; i < CURRENT; i++ )); do
        word=${(Q)words[i]}
        case $word in
            (--) dashes=1; break ;;
            (@source_options@) source+=("$word=${${(Q)words[++i]}/#\~\//$HOME/}") ;;
            (@source_words@) source+=("$word") ;;
        esac
    done
    keys=("${(@f)$("${${(Q)program}/#\~\//$HOME/}" keys --cached "${(@)source}" 2>/dev/null </dev/null)}")
    # Before -- they would be options.
    (( dashes )) || keys=("${(@)keys:#-*}")
    keys=("${(@)keys:#}")
    _wanted keys expl KEY compadd -a keys
}

_coffer-client() {
    local program=$words[1] curcontext=$curcontext context state state_descr line
    typeset -A opt_args
    _arguments -C -S -A '-*' \
@root@        '(-): :_coffer-client_commands' \
        '(-)*:: :->arguments' && return
    [[ $state == arguments ]] || return 1
    case $words[1] in
@cases@    esac
    return 1
}

# If this file is autoloaded, it is the body of the function; if it is sourced, it must register the function.
if [[ $funcstack[1] == _coffer-client ]]; then
    _coffer-client "$@"
else
    compdef _coffer-client @program@
fi
"""
