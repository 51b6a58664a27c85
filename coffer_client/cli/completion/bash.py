"""The script for bash 4.4 and newer. It does not need the package bash-completion, and uses it if it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from coffer_common.command_line import HELP, Command

from ..options import COMMANDS, PROGRAM
from .offers import ROOT_FLAGS, Kind, Offer, fill, offer, source_options, takes_command_line, with_value


def script() -> str:
    """Return the script, which is to be sourced."""
    return fill(
        _SCRIPT,
        program=PROGRAM,
        root=" ".join((*(command.name for command in COMMANDS), *ROOT_FLAGS)),
        with_value=_pattern(f"{command.name}:{flag}" for command in COMMANDS for option in with_value(command) for flag in option.flags),
        lines=_pattern(command.name for command in COMMANDS if takes_command_line(command)),
        source_options=_pattern(option.flag for option in source_options() if option.metavar),
        source_words=_pattern(f"{option.flag}=*" if option.metavar else option.flag for option in source_options()),
        options="".join(map(_options, COMMANDS)),
        values="".join(_values()),
    )


def _pattern(words: Iterator[str]) -> str:
    """Return the pattern of `case` for these words."""
    return "|".join(words)


def _options(command: Command) -> str:
    words = [flag for option in command.options for flag in option.flags]
    return f"        {command.name}) options=({' '.join((*words, *HELP.flags))}) ;;\n"


def _values() -> Iterator[str]:
    """Yield a case for each option and argument for which something can be offered."""
    for command in COMMANDS:
        for option in with_value(command):
            assert option.metavar is not None
            yield from _case("|".join(f"{command.name}:{flag}" for flag in option.flags), offer(option.metavar, option.choices))
        if not takes_command_line(command):
            for taken in command.arguments:
                yield from _case(f"{command.name}:", offer(taken.metavar))


def _case(pattern: str, offered: Offer) -> Iterator[str]:
    match offered.kind:
        case Kind.WORDS:
            action = f"_coffer_client_offer {' '.join(offered.words)}"
        case Kind.FILES:
            action = "compopt -o default"
        case Kind.FOLDERS:
            action = "compopt -o dirnames"
        case Kind.KEYS:
            action = "_coffer_client_keys"
        case Kind.NOTHING:
            return
    yield f"        {pattern}) {action} ;;\n"


_SCRIPT: Final = r"""# bash completion for @program@, made by `@program@ completion bash`

# Sets `plain` to what a shell makes of a word, with ~/ as the only expansion, and `open` to a quote that is left open.
_coffer_client_plain() {
    local word=$1 character i
    plain='' open=''
    [[ $word == '~/'* ]] && word=$HOME/${word:2}
    for (( i = 0; i < ${#word}; i++ )); do
        character=${word:i:1}
        if [[ $character == "$open" ]]; then open=''
        elif [[ $open == \' ]]; then plain+=$character
        elif [[ $character == \\ ]]; then (( ++i )); plain+=${word:i:1}
        elif [[ ! $open && $character == [\'\"] ]]; then open=$character
        else plain+=$character
        fi
    done
}

# Sets `words` to the words up to the cursor, and `starts` to where each begins in COMP_WORDS: readline has split them at : and =, too.
_coffer_client_split() {
    local rest=$COMP_LINE piece i
    for (( i = 0; i <= COMP_CWORD; i++ )); do
        piece=${COMP_WORDS[i]}
        if (( i == 0 )) || [[ $rest == [[:blank:]]* ]]; then
            words+=("$piece") starts+=("$i")
            rest=${rest#"${rest%%[![:blank:]]*}"}
        else
            words[-1]+=$piece
        fi
        rest=${rest#"$piece"}
    done
}

# Offers those of its arguments that begin with what was typed, quoted in the same way, and without the part that readline keeps.
_coffer_client_offer() {
    local candidate
    for candidate; do
        candidate=$lead$candidate
        [[ $candidate == "$current"* ]] || continue
        [[ $candidate == *: ]] && compopt -o nospace
        candidate=${candidate:kept}
        case $quote in
            \') candidate=${candidate//\'/\'\\\'\'} ;;
            \")
                candidate=${candidate//\\/\\\\}
                candidate=${candidate//\"/\\\"}
                candidate=${candidate//\$/\\\$}
                candidate=${candidate//\`/\\\`}
                ;;
            *) printf -v candidate %q "$candidate" ;;
        esac
        COMPREPLY+=("$candidate")
    done
}

_coffer_client_keys() {
    local key keys=() plain open
    _coffer_client_plain "${words[0]}"
    while IFS= read -r key; do
        # Before -- this would be an option.
        [[ $key == -* && ! $dashes ]] || keys+=("$key")
    done < <("$plain" keys --cached "${source[@]}" 2>/dev/null </dev/null)
    _coffer_client_offer "${keys[@]}"
}

# Offers what can follow an option, as "COMMAND:OPTION", or what can be an argument, as "COMMAND:".
_coffer_client_value() {
    case $1 in
@values@    esac
}

_coffer_client_options() {
    local options=()
    case $command in
@options@    esac
    _coffer_client_offer "${options[@]}"
}

# Offers what the command that begins at a word would offer.
_coffer_client_command_line() {
    local offset=${starts[$1]}
    if declare -F _comp_command_offset >/dev/null; then _comp_command_offset "$offset"
    elif declare -F _command_offset >/dev/null; then _command_offset "$offset"
    elif (( $1 < last )) || [[ $current == */* ]]; then compopt -o default
    else mapfile -t COMPREPLY < <(compgen -c -- "$current")
    fi
}

_coffer_client() {
    local words=() starts=() source=() command expects='' dashes='' lead='' current quote kept plain open piece last i
    COMPREPLY=()
    _coffer_client_split
    last=$(( ${#words[@]} - 1 ))
    piece=${COMP_WORDS[COMP_CWORD]}
    # After a separator, readline begins a new word.
    [[ $piece == [:=@] ]] && piece=''
    _coffer_client_plain "${words[last]%"$piece"}"
    kept=${#plain}
    _coffer_client_plain "${words[last]}"
    current=$plain quote=$open
    if (( last == 1 )); then
        _coffer_client_offer @root@
        return
    fi
    command=${words[1]}
    for (( i = 2; i < last; i++ )); do
        _coffer_client_plain "${words[i]}"
        if [[ $expects ]]; then
            case $expects in @source_options@) source+=("$expects=$plain") ;; esac
            expects=''
        elif [[ $dashes || $plain != -?* ]]; then
            case $command in @lines@)
                _coffer_client_command_line "$i"
                return
            esac
        elif [[ $plain == -- ]]; then
            dashes=1
        else
            case $plain in @source_words@) source+=("$plain") ;; esac
            case $command:$plain in @with_value@) expects=$plain ;; esac
        fi
    done
    if [[ $expects ]]; then
        _coffer_client_value "$command:$expects"
    elif [[ ! $dashes && $current == --*=* ]]; then
        lead=${current%%=*}=
        _coffer_client_value "$command:${current%%=*}"
    elif [[ ! $dashes && $current == -* ]]; then
        _coffer_client_options
    else
        case $command in
            @lines@) _coffer_client_command_line "$last" ;;
            *) _coffer_client_value "$command:" ;;
        esac
    fi
}

complete -F _coffer_client @program@
"""
