from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_client.cli.options import COMMANDS, GET, KEYGEN, KEYS, RENDER, RUN
from coffer_client.errors import UsageError
from coffer_common.command_line import HELP, Arguments, Command, Option, Parsed, no_such_command, parse


def test_options_and_arguments_in_any_order() -> None:
    parsed = parse(GET, ["a", "--server", "coffer://", "b", "--format=json", "--bare", "-", "--", "--c"])
    assert parsed is not None
    assert parsed.arguments == ("a", "b", "-", "--c")
    assert (parsed.text("server"), parsed.text("format"), parsed.text("identity")) == ("coffer://", "json", None)
    assert parsed.switch("bare")


@pytest.mark.parametrize("words", [["--bare", "--", "ls", "--bare", "-h", "--"], ["--bare", "ls", "--bare", "-h", "--"]])
def test_a_commands_own_line_is_left_alone(words: list[str]) -> None:
    parsed = parse(RUN, words)
    assert parsed is not None
    assert parsed.arguments == ("ls", "--bare", "-h", "--")


def test_the_last_of_two_counts_and_a_value_may_be_anything() -> None:
    parsed = parse(GET, ["--format", "json", "--format", "--server", "--prefix="])
    assert parsed is not None
    assert (parsed.text("format"), parsed.text("prefix")) == ("--server", "")


def test_what_may_be_given_several_times_keeps_all_in_order() -> None:
    parsed = parse(GET, ["--only", "b*", "key", "--only=a,b", "--only", "--except"])
    assert parsed is not None
    assert (parsed.texts("only"), parsed.texts("except")) == (("b*", "a,b", "--except"), ())
    assert parsed.arguments == ("key",)


@pytest.mark.parametrize("words", [["-n", "key"], ["key", "-nn"], ["key", "--no-newline"]])
def test_a_switch_may_have_a_letter(words: list[str]) -> None:
    parsed = parse(GET, words)
    assert parsed is not None
    assert parsed.switch("no-newline")
    assert parsed.arguments == ("key",)


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["key", "--bare", "-h"], ["--server", "x", "--help"], ["-nh"]])
def test_help_is_for_somebody_else(words: list[str]) -> None:
    assert parse(GET, words) is None


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--nope"], "no such option --nope"),
        (["--nope=canary"], "no such option --nope"),
        (["-x"], "no such option -x"),
        (["-nx"], "no such option -x"),
        (["-xcanary"], "no such option -x"),
        (["-n-"], "no such option --"),
        (["--server"], "--server needs a value"),
        (["--server", ""], "--server is empty"),
        (["--identity="], "--identity is empty"),
        (["--only=a", "--only="], "--only is empty"),
        (["--bare=1"], "--bare takes no value"),
    ],
)
def test_what_is_not_known_is_refused(words: list[str], reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(GET, words)
    assert str(caught.value) == reason
    assert "canary" not in (caught.value.hint or "")


def test_arguments_are_counted() -> None:
    for command, words, sentence in (
        (RUN, ["--"], "an argument is missing: -- CMD"),
        (RENDER, [], "an argument is missing: TEMPLATE"),
        (KEYGEN, ["a", "b"], "expected at most 1 argument, got 2"),
        (KEYS, ["canary"], "expected no arguments, got 1"),
    ):
        with pytest.raises(UsageError) as caught:
            parse(command, words)
        assert str(caught.value) == sentence
        assert f"`coffer-client {command.name} --help`" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--formt"], "did you mean --format?"),
        (["--max_stale=3"], "did you mean --max-stale?"),
        (["--Server"], "did you mean --server?"),
        (["--hel"], "did you mean --help?"),
        (["--zzz"], "`coffer-client get --help` lists the options"),
        (["-x"], "`coffer-client get --help` lists the options"),
        (["--server"], "type --server ADDRESS"),
        (["--bare=1"], "type --bare alone"),
        (["--state", ""], "give it a value (DIR), or leave it out"),
    ],
)
def test_a_hint_says_what_to_type(words: list[str], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(GET, words)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("words", "output", "is_watched"),
    [
        (["-o", "a", "t"], "a", False),
        (["-oa", "t"], "a", False),
        (["t", "-o=a"], "=a", False),
        (["-o", "-", "t"], "-", False),
        (["-o", "--watch", "t"], "--watch", False),
        (["--output=a", "--watch", "t"], "a", True),
        (["-o-", "t", "--watch"], "-", True),
    ],
)
def test_a_letter_may_take_a_value(words: list[str], output: str, is_watched: bool) -> None:
    parsed = parse(RENDER, words)
    assert parsed is not None
    assert (parsed.text("output"), parsed.switch("watch"), parsed.arguments) == (output, is_watched, ("t",))


def test_a_letter_without_its_value_is_refused() -> None:
    with pytest.raises(UsageError, match="--output needs a value"):
        parse(RENDER, ["t", "-o"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
@given(values=st.data())
def test_what_is_typed_as_the_help_says_is_read_back(command: Command, values: st.DataObject) -> None:
    """Options in any order, joined to their values or not."""
    words: list[str] = []
    expected = {option.name: option.absent for option in command.options}
    for option in values.draw(st.permutations(command.options)):
        if option.metavar is None:
            words.append(values.draw(st.sampled_from(option.flags)))
            expected[option.name] = True
        else:
            text = values.draw(st.text(min_size=1))
            flag = values.draw(st.sampled_from(option.flags))
            joined = f"{flag}={text}" if flag.startswith("--") else flag + text
            words += values.draw(st.sampled_from([[flag, text], [joined]]))
            expected[option.name] = (text,) if option.is_repeatable else text
    drawn = (values.draw(st.lists(st.text(), min_size=taken.least, max_size=taken.most)) for taken in command.arguments)
    arguments = [text for texts in drawn for text in texts]
    assert parse(command, [*words, "--", *arguments]) == Parsed(values=expected, arguments=tuple(arguments))


TWO = Command(
    line="program sub copy",
    help="Copy.",
    options=(Option(name="force", help="Force."),),
    arguments=(
        Arguments(metavar="FROM", help="From.", least=1, most=1),
        Arguments(metavar="TO", help="To.", least=1, most=1),
        Arguments(metavar="MODE", help="A mode.", most=1),
    ),
)


def test_a_command_has_the_name_and_the_usage_of_its_line() -> None:
    assert TWO.name == "sub copy"
    assert TWO.usage == "program sub copy [OPTION]... FROM TO [MODE]"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "an argument is missing: FROM"),
        (["a", "--force"], "an argument is missing: TO"),
        (["a", "b", "c", "d"], "expected at most 3 arguments, got 4"),
    ],
)
def test_several_arguments_are_counted(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(TWO, words)
    assert str(caught.value) == sentence
    assert (caught.value.hint or "").startswith("`program sub copy --help` describes ")


@pytest.mark.parametrize("words", [["a", "b"], ["a", "b", "c"]])
def test_several_arguments_are_read(words: list[str]) -> None:
    parsed = parse(TWO, words)
    assert parsed is not None
    assert parsed.arguments == tuple(words)


@pytest.mark.parametrize(
    ("word", "sentence", "hint"),
    [
        ("cpy", "no such command 'cpy'", "did you mean copy?"),
        ("", "no such command ''", "`program sub --help` lists the commands"),
        ("--hepl", "no such option --hepl", "did you mean --help?"),
        ("--server=canary", "no such option --server", "`program sub --help` lists the options"),
    ],
)
def test_a_word_that_is_no_command(word: str, sentence: str, hint: str) -> None:
    error = no_such_command("program sub", word, ["copy", "move"], HELP.flags)
    assert (str(error), error.hint) == (sentence, hint)
