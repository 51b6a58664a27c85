"""`run --watch` as a process: what reaches the command, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from coffer_client.config.credential import Credential
from coffer_client.errors import UsageError
from coffer_client.process.redaction import REMEMBERED
from coffer_client.process.supervisor import OnChange
from coffer_protocol.errors import TruncatedError
from coffer_protocol.message import USE_FOLLOWED, USE_ONCE, Held, OkGet, Watch

from ..fake_server import FakeServer, Peer
from ..releases import History

PROGRAM = [sys.executable, "-m", "coffer_client", "run", "--watch"]
Configure = Callable[[FakeServer, Credential], None]
# Says what it has, and tells every signal that it gets; a TERM ends it. Every signal is written to a pipe as well, which it reads: one that
# comes before the wait for it would else be slept through.
COMMAND = """if 1:
    import os, signal, sys
    def heard(number, frame):
        # In one piece, for another may come in between.
        os.write(1, f"{signal.Signals(number).name}\\n".encode())
        if number == signal.SIGTERM:
            sys.exit(int(os.environ.get("status", "0")))
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCONT, signal.SIGWINCH):
        signal.signal(number, heard)
    print("has", os.environ["n"], flush=True)
    while True:
        os.read(woken, 1)
"""


# Takes two TERMs to end.
STUBBORN = """if 1:
    import os, signal, sys
    def heard(number, frame):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        os.write(1, b"once\\n")
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, heard)
    print("has", os.environ["n"], flush=True)
    while True:
        os.read(woken, 1)
"""


# A supervisor for each end that a command can have; prints what its parent sees.
EVERY_END = """if 1:
    import json, os, signal, sys
    from coffer_client.coffer import Coffer
    from coffer_client.process.supervisor import OnChange, Supervisor
    from coffer_common.hardening import forbid_cores
    from tests.client.releases import make_accepted
    forbid_cores()
    # A shell starts what is in its background with these two ignored, and a command inherits that.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    coffer = Coffer(make_accepted({}))
    def end_of(line):
        pid = os.fork()
        if not pid:
            command = ["/bin/sh", "-c", line]
            Supervisor(command, coffer, change=OnChange(), splay=lambda: 0, tell=print, inherited=os.environb).run(())
        return os.waitpid(pid, 0)[1]
    print(json.dumps([end_of(line) for line in json.loads(sys.argv[1])]))
"""


# A supervisor of less patience, whose first command does not hear a TERM; its second release comes with a line on stdin.
IMPATIENT = """if 1:
    import os, sys
    from coffer_client.coffer import Coffer
    from coffer_client.process.supervisor import OnChange, Supervisor
    from tests.client.releases import make_accepted
    first, second = (Coffer(make_accepted({"n": n})) for n in "12")
    def events():
        sys.stdin.readline()
        yield second
    command = ["sh", "-c", "[ $n = 2 ] || trap '' TERM; echo has $n; exec tail -f /dev/null"]
    tell = lambda message: print(message, file=sys.stderr, flush=True)
    Supervisor(command, first, change=OnChange(), splay=lambda: 0, tell=tell, inherited=os.environb, grace_s=0.01).run(events())
"""


# A supervisor that hides no secret, and does not wait for what is written once it is to end; its command is a line of sh.
HASTY = """if 1:
    import os, sys
    from coffer_client.coffer import Coffer
    from coffer_client.process.relay import Relay
    from coffer_client.process.supervisor import OnChange, Supervisor
    from tests.client.releases import make_accepted
    command, coffer = ["sh", "-c", sys.argv[1]], Coffer(make_accepted({}))
    inherited, relay = os.environb, Relay(tell=print)
    Supervisor(command, coffer, change=OnChange(), splay=lambda: 0, tell=print, inherited=inherited, relay=relay, drain_s=0.01).run(())
"""


# A supervisor that becomes the parent of orphans, as the first process of a container does; its command is a Python program.
FOSTERING = """if 1:
    import ctypes, os, sys
    from coffer_client.coffer import Coffer
    from coffer_client.process.supervisor import OnChange, Supervisor
    from tests.client.releases import make_accepted
    PR_SET_CHILD_SUBREAPER = 36
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    command, coffer = [sys.executable, "-c", sys.argv[1]], Coffer(make_accepted({}))
    Supervisor(command, coffer, change=OnChange(), splay=lambda: 0, tell=print, inherited=os.environb).run(())
"""


# Leaves an orphan that ends, and ends itself when nothing of it is left. A signal is its end where that does not come.
ABANDONING = """if 1:
    import os, signal
    signal.alarm(30)
    read, write = os.pipe()
    if not os.fork():
        if orphan := os.fork():
            os.write(write, str(orphan).encode())
        os._exit(0)
    os.wait()
    orphan = int(os.read(read, 100))
    try:
        while True:
            os.kill(orphan, 0)
    except ProcessLookupError:
        os._exit(3)
"""


# Nothing here takes so long to end; what does is killed.
_END_S = 30.0


class Publisher:
    """A server that gives a release to Get, and the next ones to Watch when the test publishes them."""

    def __init__(self, credential: Credential) -> None:
        self.history = History(credential).add({"n": "1"})
        self._news: SimpleQueue[bytes | None] = SimpleQueue()
        # The serial and the use of each receipt.
        self.receipts: SimpleQueue[tuple[int, int]] = SimpleQueue()

    def publish(self, secrets: dict[str, str]) -> None:
        self._news.put(self.history.add(secrets).bodies[-1])

    def stop(self) -> None:
        """Let the script end that waits for news."""
        self._news.put(None)

    def only_listen(self) -> None:
        """Publish nothing more."""
        self._news.put(b"")

    def next_receipts(self, count: int) -> list[tuple[int, int]]:
        """The next receipts, which come before the guard's time is over."""
        return [self.receipts.get(timeout=_END_S) for _ in range(count)]

    def script(self, peer: Peer) -> None:
        # A test kills its client wherever that may be.
        with contextlib.suppress(TruncatedError, ConnectionError):
            peer.answer_get(self.history.bodies[0])
            while isinstance(message := peer.next_of_all(), Watch | Held):
                if isinstance(message, Held):
                    self.receipts.put((message.serial, message.use))
                elif (body := self._news.get()) is None:
                    return
                elif body:
                    peer.send(OkGet(coffer=body))


@pytest.fixture
def publisher(whole: Credential, configured: Configure) -> Iterator[Publisher]:
    """A running server, and the environment that names it."""
    made = Publisher(whole)
    with FakeServer(made.script) as server:
        configured(server, whole)
        yield made
        made.stop()


class Supervised:
    """A supervisor and its command, as the processes that they are."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """End it as an operator does, and give its status."""
        self.send(signal.SIGTERM)
        assert self.line() == "SIGTERM"
        return self.process.wait()


@pytest.fixture
def start() -> Iterator[Callable[..., Supervised]]:
    """Starts `run --watch` with options, around the command above or another one."""
    running: list[subprocess.Popen[str]] = []

    def begin(*options: str, command: list[str] | None = None, new_session: bool = False, process_group: int | None = None) -> Supervised:
        process = subprocess.Popen(
            [*PROGRAM, *options, "--", *(command or [sys.executable, "-c", COMMAND])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=new_session,
            process_group=process_group,
        )
        running.append(process)
        return Supervised(process)

    yield begin
    for process in running:
        # It hands a signal on to its command, so that none is left behind, as one would be that is killed.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        process.kill()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
        process.wait()


Start = Callable[..., Supervised]


# ----------------------------------------------------------------------------------------------------------------- changes


def test_new_secrets_start_the_command_anew(publisher: Publisher, start: Start) -> None:
    running = start()
    assert running.line() == "has 1"
    publisher.publish({"n": "2"})
    # It is asked to end, and let go where it stands, before the other begins.
    while (line := running.line()) != "has 2":
        assert line in ("SIGTERM", "SIGCONT")
    assert running.end() == 0


def test_new_secrets_are_a_signal(publisher: Publisher, start: Start) -> None:
    running = start("--on-change", "signal:HUP", "--splay", "0")
    assert running.line() == "has 1"
    publisher.publish({"n": "2"})
    assert running.line() == "SIGHUP"
    assert running.end() == 0


def test_new_secrets_are_for_another_command(publisher: Publisher, start: Start) -> None:
    running = start("--on-change", 'exec:echo "hook $n"')
    assert running.line() == "has 1"
    publisher.publish({"n": "2"})
    assert running.line() == "hook 2"
    publisher.publish({"n": "3"})
    assert running.line() == "hook 3"
    assert running.end() == 0


def test_a_release_that_changes_nothing_for_this_client_is_no_news(publisher: Publisher, start: Start) -> None:
    running = start("--on-change", 'exec:echo "hook $n"')
    assert running.line() == "has 1"
    publisher.publish({"n": "1"})
    publisher.publish({"n": "3"})
    assert running.line() == "hook 3"
    assert running.end() == 0


def test_what_was_not_chosen_is_no_news_and_a_choice_of_nothing_is_refused(publisher: Publisher, start: Start) -> None:
    running = start("--only", "n", "--on-change", 'exec:echo "hook $n $other"')
    assert running.line() == "has 1"
    publisher.publish({"n": "1", "other": "x"})
    publisher.publish({"other": "x"})
    publisher.publish({"n": "3", "other": "x"})
    assert running.line() == "hook 3"
    assert running.end() == 0
    assert running.process.stderr is not None
    assert "no key matches 'n'; the keys are 'other' (the command keeps its secrets)" in running.process.stderr.read()


def test_what_cannot_stand_in_an_environment_leaves_the_command_as_it_is(publisher: Publisher, start: Start) -> None:
    running = start("--on-change", 'exec:echo "hook $n"')
    assert running.line() == "has 1"
    publisher.publish({"1": "x"})
    publisher.publish({"n": "3"})
    assert running.line() == "hook 3"
    assert running.end() == 0
    assert running.process.stderr is not None
    assert "keeps its secrets" in running.process.stderr.read()


def test_a_server_that_goes_leaves_the_command_with_what_it_has(publisher: Publisher, start: Start) -> None:
    running = start()
    assert running.line() == "has 1"
    publisher.stop()
    assert running.process.stderr is not None
    assert "the command keeps its secrets; trying again" in running.process.stderr.readline()
    assert running.end() == 0


def test_a_stderr_that_is_gone_ends_nothing(publisher: Publisher, start: Start) -> None:
    running = start("--on-change", 'exec:echo "hook $n"')
    assert running.line() == "has 1"
    assert running.process.stderr is not None
    running.process.stderr.close()
    # The server goes, which nobody can be told, and comes back.
    publisher.stop()
    publisher.publish({"n": "3"})
    assert running.line() == "hook 3"
    assert running.end() == 0


def test_a_command_that_does_not_end_in_time_is_killed_and_started_anew(home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", IMPATIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"has 1\n"
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stderr.readline() == b"the command did not end within 0.01 s: killing it to restart it\n"
        assert process.stdout.readline() == b"has 2\n"
        process.terminate()
        assert process.wait() == -signal.SIGTERM


def test_redacted_are_the_secrets_of_the_command_and_those_that_came_later(publisher: Publisher, start: Start) -> None:
    publisher.history.bodies[0] = History(publisher.history.credential).add({"n": "secret-one"}).bodies[0]
    running = start("--redact", "--on-change", 'exec:echo "hook $n, before it secret-one"')
    assert running.line() == "has <secret n>"
    publisher.publish({"n": "secret-two"})
    assert running.line() == "hook <secret n>, before it <secret n>"
    assert running.end() == 0


def test_what_the_command_was_started_with_stays_redacted_however_many_secrets_follow(publisher: Publisher, start: Start) -> None:
    publisher.history.bodies[0] = History(publisher.history.credential).add({"n": "secret-one"}).bodies[0]
    running = start("--redact", "--on-change", "exec:echo at first it was secret-one")
    assert running.line() == "has <secret n>"
    for text in ("\n".join(f"line {number}" for number in range(REMEMBERED)), "secret-two"):
        publisher.publish({"n": text})
        assert running.line() == "at first it was <secret n>"
    assert running.end() == 0


def test_a_redacted_command_is_started_anew_with_its_streams(publisher: Publisher, start: Start) -> None:
    running = start("--redact")
    assert running.line() == "has 1"
    publisher.publish({"n": "secret-two"})
    while (line := running.line()) != "has <secret n>":
        assert line in ("SIGTERM", "SIGCONT")
    assert running.end() == 0


# ---------------------------------------------------------------------------------------------------------------- receipts

# What a session begins with: the secrets were fetched, and the command was started with them.
BEGUN = [(1, USE_ONCE), (1, USE_FOLLOWED)]
WAITING = ["sh", "-c", "echo has $n; exec tail -f /dev/null"]


@pytest.mark.parametrize("change", ["restart", "signal:WINCH", "exec:true"])
def test_a_release_is_signed_for_once_the_command_has_it(publisher: Publisher, start: Start, change: str) -> None:
    start("--on-change", change, command=WAITING)
    publisher.publish({"n": "2"})
    publisher.only_listen()
    # The receipt comes while the next release is waited for.
    assert publisher.next_receipts(3) == [*BEGUN, (2, USE_FOLLOWED)]


def test_a_release_that_changes_nothing_is_signed_for_at_once(publisher: Publisher, start: Start) -> None:
    start("--on-change", "exec:exit 1", command=WAITING)
    publisher.publish({"n": "1"})
    publisher.only_listen()
    assert publisher.next_receipts(3) == [*BEGUN, (2, USE_FOLLOWED)]


def test_nothing_is_signed_for_before_the_splay_is_over(publisher: Publisher, start: Start) -> None:
    start("--splay", "1d", command=WAITING)
    publisher.publish({"n": "2"})
    # The second one takes back what the first one would change.
    publisher.publish({"n": "1"})
    publisher.only_listen()
    assert publisher.next_receipts(3) == [*BEGUN, (3, USE_FOLLOWED)]


def test_what_has_not_worked_is_not_signed_for(publisher: Publisher, start: Start) -> None:
    running = start("--on-change", "exec:echo hook $n; [ $n != 2 ]", command=WAITING)
    assert running.line() == "has 1"
    publisher.publish({"n": "2"})
    assert running.line() == "hook 2"
    assert running.process.stderr is not None
    assert "the command ended with 1" in running.process.stderr.readline()
    # Nor is a later release with the same secrets.
    publisher.publish({"n": "2"})
    publisher.publish({"n": "4"})
    assert running.line() == "hook 4"
    publisher.only_listen()
    assert publisher.next_receipts(3) == [*BEGUN, (4, USE_FOLLOWED)]


def test_a_command_that_goes_on_with_its_old_secrets_is_not_signed_for(publisher: Publisher, start: Start) -> None:
    running = start(command=WAITING)
    assert running.line() == "has 1"
    publisher.publish({"n": "2" * 200_000})
    assert running.line() == "has 1"
    publisher.publish({"n": "3"})
    assert running.line() == "has 3"
    publisher.only_listen()
    assert publisher.next_receipts(3) == [*BEGUN, (3, USE_FOLLOWED)]


# ----------------------------------------------------------------------------------------------------- signals and statuses


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH])
def test_every_signal_reaches_the_command_once(publisher: Publisher, start: Start, number: signal.Signals) -> None:
    running = start()
    assert running.line() == "has 1"
    running.send(number)
    assert running.line() == number.name
    assert running.end() == 0


def test_what_a_group_is_sent_reaches_the_command(publisher: Publisher, start: Start) -> None:
    running = start(new_session=True)
    assert running.line() == "has 1"
    # Whether once or twice: who sends to a group sends to each in it, and this one cannot know of the other.
    os.killpg(running.process.pid, signal.SIGUSR1)
    assert running.line().startswith("SIGUSR1")


def test_the_exit_status_is_the_commands(publisher: Publisher, start: Start) -> None:
    running = start(command=["sh", "-c", 'echo "has $n"; exit 42'])
    assert running.line() == "has 1"
    assert running.process.wait() == 42


def ends_of(lines: list[str]) -> list[int]:
    """The wait statuses of supervisors whose commands are these lines of sh."""
    ran = subprocess.run([sys.executable, "-c", EVERY_END, json.dumps(lines)], capture_output=True, text=True, check=True)
    statuses: list[int] = json.loads(ran.stdout)
    return statuses


def test_every_exit_status_there_is(home: Path) -> None:
    assert [os.waitstatus_to_exitcode(status) for status in ends_of([f"exit {code}" for code in range(256)])] == list(range(256))


def test_every_signal_that_ends_a_process(home: Path) -> None:
    others = ("STOP", "TSTP", "TTIN", "TTOU", "CONT", "CHLD", "URG", "WINCH")
    numbers = sorted(signal.valid_signals() - {signal.Signals[f"SIG{name}"] for name in others})
    # The number alone: a flag beside it would tell of a core.
    assert ends_of([f"kill -{int(number)} $$" for number in numbers]) == numbers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV, signal.SIGPIPE])
def test_it_ends_by_the_signal_that_ended_the_command(publisher: Publisher, start: Start, number: signal.Signals) -> None:
    running = start(command=["sh", "-c", f"ulimit -c 0; kill -{number.name[3:]} $$; exit 9"])
    assert running.process.wait() == -number


def test_a_shell_sees_128_and_the_number(publisher: Publisher) -> None:
    line = f'"{sys.executable}" -m coffer_client run --watch -- sh -c "kill -TERM \\$\\$"; echo $?'
    ran = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert ran.stdout == "143\n"


def test_a_stop_and_a_continue_go_through(publisher: Publisher, start: Start) -> None:
    # A group of its own below this process, as a shell of job control makes it: in one that nobody would make go on, nothing stops.
    running = start(process_group=0)
    assert running.line() == "has 1"
    running.send(signal.SIGTSTP)
    pid, status = os.waitpid(running.process.pid, os.WUNTRACED)
    assert pid == running.process.pid
    assert os.WIFSTOPPED(status)
    assert os.WSTOPSIG(status) == signal.SIGTSTP
    running.send(signal.SIGCONT)
    assert running.line() == "SIGCONT"
    assert running.end() == 0


def test_a_stop_that_nobody_could_end_stops_nothing(publisher: Publisher, start: Start) -> None:
    running = start(new_session=True)
    assert running.line() == "has 1"
    running.send(signal.SIGTSTP)
    running.send(signal.SIGUSR1)
    assert running.line() == "SIGUSR1"
    assert running.end() == 0


def test_a_command_that_is_not_there(publisher: Publisher, start: Start) -> None:
    running = start(command=["there-is-no-such-command"])
    assert running.process.wait() == 127


def test_somebody_who_ends_it_while_it_is_started_anew_has_ended_it(publisher: Publisher, start: Start) -> None:
    # The first TERM is the restart's, the second is somebody's.
    running = start(command=[sys.executable, "-c", STUBBORN])
    assert running.line() == "has 1"
    publisher.publish({"n": "2"})
    assert running.line() == "once"
    running.send(signal.SIGTERM)
    assert running.process.wait() == 7


def test_orphans_leave_no_zombies(home: Path) -> None:
    assert subprocess.run([sys.executable, "-c", FOSTERING, ABANDONING], check=False).returncode == 3


# The first leaves one behind that has its streams until stdin ends. The second writes more than a pipe holds, which nobody reads.
@pytest.mark.parametrize("line", ["exec 3<&0; cat <&3 & echo ready >&2; wait", "head -c 100000 /dev/zero; echo ready >&2; read line"])
def test_what_cannot_be_passed_on_does_not_keep_it_from_its_end(home: Path, line: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HASTY, line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
        process.terminate()
        assert process.wait(_END_S) == -signal.SIGTERM


# -------------------------------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("restart", OnChange()),
        ("signal:HUP", OnChange(signal=signal.SIGHUP)),
        ("signal:SIGUSR1", OnChange(signal=signal.SIGUSR1)),
        ("signal:term", OnChange(signal=signal.SIGTERM)),
        ("exec:make reload", OnChange(command="make reload")),
    ],
)
def test_what_is_done_is_read(text: str, change: OnChange) -> None:
    assert OnChange.from_text(text) == change


@pytest.mark.parametrize("text", ["", "restart:", "signal:", "signal:NOPE", "signal:_BLOCK", "signal:_IGN", "exec:", "reload"])
def test_what_is_nothing_of_that_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--on-change"):
        OnChange.from_text(text)


@pytest.mark.parametrize("words", [["--on-change", "restart"], ["--splay", "3s"]])
def test_what_goes_with_watch_goes_with_nothing_else(home: Path, words: list[str]) -> None:
    ran = subprocess.run([*PROGRAM[:-1], *words, "--", "true"], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "need --watch" in ran.stderr
