"""`run --watch` and `run --redact`: a command beside this process, to which this process is as nothing.

The command stays in this process's group, so what a terminal sends (an interrupt, a stop) reaches both without our help. What is sent to
this process alone is handed on; so is the hang-up that the kernel sends to the first process of a session, where this is it. This process
stops only once the command has, so that a shell shows its prompt when the command has put the terminal in order. Signals are blocked and
taken one by one with `sigwaitinfo`, which tells the two apart, and leaves no code to run between two instructions of this.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, Self

from coffer_protocol.errors import CofferError, UnavailableError

from ..coffer import Coffer
from ..delivery.naming import PLAIN, Naming
from ..errors import UsageError
from .command import command_environment, secret_variables, spawn
from .relay import Relay

RESTART: Final = "restart"
# How long a command that is to be started anew may take to end, as container runtimes have it; then it is killed.
GRACE_S: Final = 10.0
# How long what the command has written may take to be passed on, where somebody wanted an end of both. Container runtimes kill after 10 s.
DRAIN_S: Final = 2.0
# Left alone: the two that nobody can block, what the processor reports of this process itself, and what a terminal sends to a job in the
# background that wants to use it.
_NOT_TAKEN: Final = frozenset(
    {
        signal.SIGKILL,
        signal.SIGSTOP,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
        signal.SIGTTIN,
        signal.SIGTTOU,
    }
)
# By these somebody wants the command to end; it is then not started anew.
_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
# To a command a hang-up may mean something else; where the command has ended already, it does not.
_ENDING_RELAY: Final = _ENDING | {signal.SIGHUP}

Variables = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChange:
    """What is done where the secrets have changed: the command is started anew, gets a signal, or another command is run.

    Attributes:
        signal: the number to send, or None.
        command: what `sh -c` runs, with the new secrets in its environment, or None.
    """

    signal: int | None = None
    command: str | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse `restart`, `signal:NAME` or `exec:CMD`.

        Raises:
            UsageError: it is none of these, or there is no such signal.
        """
        kind, colon, rest = text.partition(":")
        if kind == "exec" and rest:
            return cls(command=rest)
        if kind == "signal" and colon:
            name = rest.upper().removeprefix("SIG")
            number = getattr(signal, f"SIG{name}", None) if name.isalnum() else None
            if not isinstance(number, signal.Signals):
                raise UsageError(f"--on-change signal:{rest}: there is no such signal")
            return cls(signal=number)
        if text == RESTART:
            return cls()
        raise UsageError("--on-change is restart, signal:NAME as in signal:HUP, or exec:CMD")


class Supervisor:
    """One command, and the releases that it is told of. It works in the main thread, for signals are that thread's."""

    def __init__(
        self,
        command: Sequence[str],
        first: Coffer,
        *,
        change: OnChange,
        splay: Callable[[], float],
        tell: Callable[[str], None],
        inherited: Variables,
        naming: Naming = PLAIN,
        relay: Relay | None = None,
        grace_s: float = GRACE_S,
        drain_s: float = DRAIN_S,
    ) -> None:
        """Nothing is started yet.

        Args:
            command: the program and its arguments.
            first: the secrets that it starts with.
            change: what is done where they change.
            splay: draws how many seconds that is put off each time, so that a fleet does not do it all at once.
            tell: is given a sentence for people.
            inherited: the variables that the command has beside the secrets.
            naming: which secrets the command gets, under which names.
            relay: takes what the command writes, and hides every secret that it is told of; None where the command writes for itself.
            grace_s: the seconds that the command has to end before it is started anew.
            drain_s: the seconds that `relay` has to finish once the command has ended, where this process was sent an end before.

        Raises:
            EnvironmentNameError: a secret cannot stand in an environment.
            NoSuchKeyError: a pattern of `naming` is like no key.
            UnavailableError: this system cannot tell who has sent a signal.
        """
        if not hasattr(signal, "sigwaitinfo"):
            raise UnavailableError("run --watch and run --redact need sigwaitinfo, which this system does not have; run without them works")
        self._command = command
        self._change = change
        self._splay = splay
        self._tell = tell
        self._inherited = inherited
        self._naming = naming
        self._relay = relay
        self._grace_s = grace_s
        self._drain_s = drain_s
        # Those of the newest release that something was done about; and those that the command that runs was started with.
        self._variables: Variables = self._variables_of(first)
        self._given = self._variables
        self._news: queue.SimpleQueue[Coffer | CofferError] = queue.SimpleQueue()
        self._is_failing = False
        # New variables that wait for their time, on the monotonic clock.
        self._pending: Variables | None = None
        self._due = 0.0
        # Whether the command is being ended so that it can be started anew; and when it is killed.
        self._is_restarting = False
        self._kill_at: float | None = None
        self._hook: int | None = None
        # Whether somebody has sent this process an end. What a terminal sends is not counted: whoever sits there can send another.
        self._is_ending = False
        # Whether somebody has asked for a stop, and by which signal the command has stopped, since they last went on.
        self._is_asked_to_stop = False
        self._stopped_by: int | None = None

    def run(self, events: Iterable[Coffer | CofferError]) -> NoReturn:
        """Run the command to its end, and end as it did: with its exit status, or by the signal that ended it.

        Args:
            events: of a Watcher; they are read in a thread.

        Raises:
            CommandNotFoundError, CommandNotExecutableError: the command cannot be started.
        """
        taken = signal.valid_signals() - _NOT_TAKEN
        # The thread inherits this, so that every signal waits for the main one.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, taken)
        # Where whoever started this ignores it, the kernel would not keep the command's exit status.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            self._child = self._spawn(self._command, self._variables)
        except CofferError:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            raise
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()
        if self._relay is not None:
            self._relay.start()
        while (status := self._reap()) is None:
            self._take_news()
            self._act()
            self._stop()
            self._take_signal(taken)
        if self._relay is not None:
            self._finish(self._relay, taken)
        self._end(status)

    def _variables_of(self, coffer: Coffer, *in_force: Variables) -> Variables:
        variables = command_environment(coffer, self._inherited, self._naming)
        if self._relay is not None:
            self._relay.hide(secret_variables(coffer, self._naming), in_force=in_force)
        return variables

    def _spawn(self, command: Sequence[str], variables: Variables) -> int:
        return spawn(command, variables, mask=self._mask, streams=self._relay.streams if self._relay else None)

    def _listen(self, events: Iterable[Coffer | CofferError]) -> None:
        for event in events:
            self._news.put(event)
            # It wakes the main thread, and means no more than that there may be something to do.
            os.kill(os.getpid(), signal.SIGCHLD)

    # ------------------------------------------------------------------------------------------------------- signals

    def _take_signal(self, taken: Iterable[int]) -> None:
        """Wait for the next signal, or for what is due."""
        due = self._due if self._may_act() else None
        times = [at for at in (due, self._kill_at) if at is not None]
        received = signal.sigtimedwait(taken, max(0.0, min(times) - time.monotonic())) if times else signal.sigwaitinfo(taken)
        # What comes from this process itself is the thread's call, or a SIGPIPE that a line on stderr has earned.
        if received is None or received.si_signo == signal.SIGCHLD or received.si_pid == os.getpid():
            return
        if received.si_signo in _ENDING:
            self._pending = self._kill_at = None
            self._is_restarting = False
        # Above 0 it is the kernel's, for the whole group of a terminal: the command has it already. But that a terminal is gone the kernel
        # tells the first process of the session alone.
        is_hung_up = received.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid()
        if received.si_code <= 0 or is_hung_up:
            self._send(received.si_signo)
            self._is_ending |= received.si_signo in _ENDING
        if received.si_signo == signal.SIGTSTP:
            self._is_asked_to_stop = True
        elif received.si_signo == signal.SIGCONT:
            self._is_asked_to_stop, self._stopped_by = False, None

    def _send(self, number: int) -> None:
        try:
            # The command has not been waited for yet, so the process number is its own.
            os.kill(self._child, number)
        except PermissionError:
            self._tell(f"the command runs as another user and cannot be sent {signal.Signals(number).name}")

    # -------------------------------------------------------------------------------------------------------- changes

    def _take_news(self) -> None:
        while True:
            try:
                event = self._news.get_nowait()
            except queue.Empty:
                return
            if isinstance(event, CofferError):
                if not self._is_failing:
                    self._tell(f"{event} (the command keeps the secrets that it has; trying again)")
                self._is_failing = True
                continue
            self._is_failing = False
            try:
                variables = self._variables_of(event, self._given, self._variables)
            except CofferError as error:
                self._tell(f"{error} (the command keeps the secrets that it has)")
                continue
            if self._pending is None:
                self._due = time.monotonic() + self._splay()
            # A release that changes nothing for this client is no news to the command.
            self._pending = variables if variables != self._variables else None

    def _may_act(self) -> bool:
        return self._pending is not None and not self._is_restarting and self._hook is None

    def _act(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            self._tell(f"the command has not ended within {self._grace_s:.3g} s and is killed, to be started anew")
            self._send(signal.SIGKILL)
            self._kill_at = None
        if self._pending is None or not self._may_act() or now < self._due:
            return
        self._variables, self._pending = self._pending, None
        if self._change.signal is not None:
            self._send(self._change.signal)
        elif self._change.command is not None:
            self._run_hook(self._change.command)
        else:
            self._send(signal.SIGTERM)
            # One that is stopped would not hear it.
            self._send(signal.SIGCONT)
            self._is_restarting, self._kill_at = True, now + self._grace_s

    def _run_hook(self, command: str) -> None:
        try:
            self._hook = self._spawn(["sh", "-c", command], self._variables)
        except CofferError as error:
            self._tell(str(error))

    # ----------------------------------------------------------------------------------------------------------- ends

    def _reap(self) -> int | None:
        """Take notice of what has ended. Returns the command's wait status where it ended and is not to be started anew."""
        if self._hook is not None:
            pid, status = os.waitpid(self._hook, os.WNOHANG)
            if pid:
                self._hook = None
                if code := os.waitstatus_to_exitcode(status):
                    self._tell(f"--on-change: the command ended with {code}")
        self._reap_orphans()
        pid, status = os.waitpid(self._child, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if not pid:
            return None
        if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
            self._stopped_by = os.WSTOPSIG(status) if os.WIFSTOPPED(status) else None
            return None
        if not self._is_restarting:
            return status
        self._restart()
        return None

    def _reap_orphans(self) -> None:
        """Take leave of processes that the command has left behind: the first process of a container becomes their parent."""
        ours = (self._child, self._hook)
        # The command has not been waited for yet, so there is always somebody to ask for.
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None and ended.si_pid not in ours:
            os.waitpid(ended.si_pid, 0)

    def _stop(self) -> None:
        """Stop as the command has, where both were asked to. Whoever waits for this process makes both go on."""
        if not self._is_asked_to_stop or self._stopped_by is None:
            return
        number, self._is_asked_to_stop, self._stopped_by = self._stopped_by, False, None
        os.kill(os.getpid(), number)
        # It is let through here, and nowhere else.
        before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _restart(self) -> None:
        self._is_restarting = False
        self._kill_at = self._stopped_by = None
        try:
            self._child = self._spawn(self._command, self._variables)
            self._given = self._variables
        except CofferError as error:
            # The new secrets may be what it cannot take: an environment has its limits.
            self._tell(f"{error} (the command is started with the secrets that it had)")
            self._child = self._spawn(self._command, self._given)

    def _finish(self, relay: Relay, taken: Iterable[int]) -> None:
        """Wait until what the command and its own have written is passed on, as in a pipeline; or until somebody wants an end.

        Where somebody has wanted it before, the wait is short: a reader that does not read, or one whom the command has left behind with
        its streams, would keep it from them.
        """
        relay.close()
        until = time.monotonic() + self._drain_s if self._is_ending else None
        while not relay.is_finished:
            received = signal.sigwaitinfo(taken) if until is None else signal.sigtimedwait(taken, max(0.0, until - time.monotonic()))
            if received is None or received.si_signo in _ENDING_RELAY:
                return

    def _end(self, status: int) -> NoReturn:
        """End as the command did, so that whoever waits for this process sees what a shell would see of the command."""
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            # Not by the interpreter's own end: the thread may be in the middle of a line, and holds stderr then.
            os._exit(code)
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        # Others that wait stay blocked: none of them may come first.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
        # The first process of a container is not ended by its own signal.
        os._exit(128 - code)
