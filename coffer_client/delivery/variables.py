"""Names of variables that mean something to shells or to programs, so that a secret cannot have them or should not.

`SHELL_NAMES` was found by trying: a name is in it if sh (dash), bash or zsh gives another value back than the one that `export` was given,
loses what follows, or prints a warning. tests/client/delivery/test_variables.py tries it with the shells of the machine.
"""

from __future__ import annotations

import re
from typing import Final

# Variables that a shell computes, keeps readonly, reads as numbers, or ties to another variable.
_BASH: Final = (
    "BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND BASH_COMPAT BASH_LINENO BASH_MONOSECONDS "
    "BASH_SOURCE BASH_SUBSHELL BASH_TRAPSIG BASH_VERSINFO BASH_XTRACEFD DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME FUNCNEST "
    "GROUPS HISTCMD IFS LINENO OPTIND PIPESTATUS PPID RANDOM SECONDS SHELLOPTS SHLVL SRANDOM UID _"
)
_ZSH: Final = (
    "ARGC ARGV0 COLUMNS EGID EPOCHREALTIME EPOCHSECONDS ERRNO EUID FUNCNEST GID HISTCHARS HISTCMD HISTSIZE KEYBOARD_HACK KEYTIMEOUT "
    "LINENO LINES LISTMAX MAILCHECK OPTIND PPID RANDOM SAVEHIST SECONDS SHLVL TRY_BLOCK_ERROR TRY_BLOCK_INTERRUPT TTYIDLE UID "
    "USERNAME WATCH ZLE_RPROMPT_INDENT ZSH_EVAL_CONTEXT ZSH_SUBSHELL aliases argv builtins cdpath commands dirstack dis_aliases "
    "dis_builtins dis_functions dis_functions_source dis_galiases dis_patchars dis_reswords dis_saliases epochtime errnos fignore "
    "fpath funcfiletrace funcsourcetrace funcstack functions functions_source functrace galiases histchars history historywords "
    "jobdirs jobstates jobtexts keymaps langinfo mailpath manpath mapfile module_path modules nameddirs options parameters patchars "
    "path pipestatus psvar reswords saliases signals status sysparams termcap terminfo userdirs usergroups watch widgets "
    "zsh_eval_context zsh_scheduled_events"
)
SHELL_NAMES: Final = frozenset(f"{_BASH} {_ZSH}".split())

# Variables that decide which code a program runs, whom it trusts, or in which folders it looks for files.
_STEERING: Final = re.compile(
    r"(?:LD|DYLD|GLIBC|MALLOC|GIT|NPM_CONFIG|PIP|PERL5|RUBY|BUNDLE|XDG|LC|LANG|SSL|OPENSSL|CURL|GCONV|DOCKER|KUBE|COFFER)_\w+"
    r"|(?:ALL|FTP|HTTP|HTTPS|NO)_PROXY|(?:all|ftp|http|https|no)_proxy"
    r"|BASH_ENV|CDPATH|CLASSPATH|EDITOR|ENV|GCONV_PATH|GOFLAGS|GOPATH|HOME|HOSTALIASES|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS"
    r"|KUBECONFIG|LANG|LANGUAGE|LOCALDOMAIN|LOCPATH|LOGNAME|NLSPATH|NODE_(?:EXTRA_CA_CERTS|OPTIONS|PATH)|OLDPWD|PAGER|PATH|PERL5(?:LIB|OPT)"
    r"|PHPRC|PHP_INI_SCAN_DIR|PROMPT_COMMAND|PS[0-4]|PWD|PYTHON[A-Z]+|RES_OPTIONS|RUBY(?:LIB|OPT)|RUSTC_WRAPPER|SHELL|TERM|TMPDIR|TZ|USER"
    r"|VISUAL|ZDOTDIR",
    re.ASCII,
)


def is_steering(name: str) -> bool:
    """Return whether a variable of this name changes how common programs run."""
    return _STEERING.fullmatch(name) is not None
