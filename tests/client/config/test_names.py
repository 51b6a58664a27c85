from __future__ import annotations

from coffer_client.cli.options import COMMANDS
from coffer_client.config.names import KINDS, key_of, variable_of


def test_one_name_gives_the_variable_and_the_key() -> None:
    assert (variable_of("max-stale"), key_of("max-stale")) == ("COFFER_MAX_STALE", "max_stale")


def test_every_setting_is_an_option_whose_help_names_its_variable() -> None:
    options = {option.name: option for command in reversed(COMMANDS) if command.name != "init" for option in command.options}
    for name in KINDS:
        assert variable_of(name) in options[name].help
        assert (options[name].metavar is None) == (KINDS[name] == "switch")
