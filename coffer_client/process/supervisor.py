"""`run --watch` and `run --redact`: a command as a child of this process, which behaves as if this process were not there.

The command stays in this process's group, so what a terminal sends (an interrupt, a stop) reaches both without our help. A signal that is
sent to this process alone is passed on. So is the hang-up that the kernel sends to the first process of a session, if this is that process.
This process stops only after the command has stopped, so that a shell shows its prompt when the command has restored the terminal. Signals
are blocked and taken one by one with `sigwaitinfo`, which tells whether the terminal or a process has sent each; and no signal handler can
run between two instructions of this module.
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

from ..coffer import Coffer, Release
from ..delivery.naming import PLAIN, Naming
from ..errors import UsageError, told
from .command import command_environment, secret_variables, spawn
from .relay import Relay

RESTART: Final = "restart"
# How long a command may take to end before it is restarted, as with container runtimes; then it is killed.
GRACE_S: Final = 10.0
# How long the relay may take to pass on the command's output after an ending signal. Container runtimes kill after 10 s.
DRAIN_S: Final = 2.0
# These signals are not blocked: the two that cannot be blocked, those for errors of this process itself, and those that a terminal sends
# to a background job that uses it.
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
# One of these means that the command must end, so it is not restarted.
_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
# For a command a hang-up may mean something else, but not after the command has ended.
_ENDING_RELAY: Final = _ENDING | {signal.SIGHUP}

Variables = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChange:
    """What to do when the secrets have changed: restart the command, send it a signal, or run another command.

    Attributes:
        signal: the number of the signal to send, or None.
        command: the command that `sh -c` runs, with the new secrets in its environment, or None.
    """

    signal: int | None = None
    command: str | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse `restart`, `signal:NAME` or `exec:CMD`.

        Raises:
            UsageError: the text has another form, or there is no such signal.
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
        raise UsageError(f"--on-change {text}: expected restart, signal:NAME (as signal:HUP), or exec:CMD")


class Supervisor:
    """One command, and the releases that it gets. It works in the main thread, because signals are that thread's."""

    def __init__(
        self,
        command: Sequence[str],
        first: Coffer,
        *,
        change: OnChange,
        splay: Callable[[], float],
        tell: Callable[[str], None],
        inherited: Variables,
        used: Callable[[Release], None] = lambda release: None,
        naming: Naming = PLAIN,
        relay: Relay | None = None,
        grace_s: float = GRACE_S,
        drain_s: float = DRAIN_S,
    ) -> None:
        """Prepare the command's environment. Nothing is started yet.

        Args:
            command: the program and its arguments.
            first: the secrets that it starts with.
            change: what to do when the secrets change.
            splay: returns how many seconds to wait before that, so that a fleet does not act all at once. Called for each change.
            tell: prints a line for people.
            inherited: the command's variables in addition to the secrets.
            used: called with each release once the command uses it: it was started or restarted with it, was sent the signal, or the
                other command ended with 0; or the release changes nothing for a command that does.
            naming: which secrets the command gets, under which names.
            relay: passes on the command's output and hides the secrets in it; None if the command writes directly.
            grace_s: how many seconds the command has to end before it is restarted.
            drain_s: how many seconds `relay` has to finish after the command has ended, if this process was asked to end before.

        Raises:
            EnvironmentNameError: a secret cannot be put into an environment.
            NoSuchKeyError: a pattern of `naming` matches no key.
            UnavailableError: this system cannot tell who has sent a signal.
        """
        if not hasattr(signal, "sigwaitinfo"):
            raise UnavailableError("run --watch and run --redact need sigwaitinfo, which this system does not have: use run without them")
        self._command = command
        self._change = change
        self._splay = splay
        self._tell = tell
        self._inherited = inherited
        self._used = used
        self._naming = naming
        self._relay = relay
        self._grace_s = grace_s
        self._drain_s = drain_s
        # The newest release that was acted on, and its variables; and those that the running command was started with.
        self._release = first.release
        self._variables: Variables = self._variables_of(first)
        self._given = self._variables
        # Whether what was done for that release has worked.
        self._is_in_use = False
        self._news: queue.SimpleQueue[Coffer | CofferError] = queue.SimpleQueue()
        self._is_failing = False
        # A release with new variables, and when to act on them, on the monotonic clock.
        self._pending: tuple[Release, Variables] | None = None
        self._due = 0.0
        # Whether the command has been told to end so that it can be restarted; and when to kill it.
        self._is_restarting = False
        self._kill_at: float | None = None
        self._hook: int | None = None
        # Whether a process has sent this one an ending signal. What a terminal sends does not count: its user can send another.
        self._is_ending = False
        # Whether a stop was asked for, and which signal has stopped the command, since both were last continued.
        self._is_asked_to_stop = False
        self._stopped_by: int | None = None

    def run(self, events: Iterable[Coffer | CofferError]) -> NoReturn:
        """Run the command to its end, and end as it did: with its exit status, or by the signal that ended it.

        Args:
            events: the events of a Watcher. A thread reads them.

        Raises:
            CommandNotFoundError, CommandNotExecutableError: the command cannot be started.
        """
        taken = signal.valid_signals() - _NOT_TAKEN
        # The thread inherits this mask, so that every signal waits for the main thread.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, taken)
        # If the parent of this process ignores SIGCHLD, the kernel would not keep the command's exit status.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            self._child = self._spawn(self._command, self._variables)
        except CofferError:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            raise
        self._put_to_use()
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

    def _put_to_use(self) -> None:
        self._is_in_use = True
        self._used(self._release)

    def _listen(self, events: Iterable[Coffer | CofferError]) -> None:
        for event in events:
            self._news.put(event)
            # This wakes the main thread. It means only that there may be something to do.
            os.kill(os.getpid(), signal.SIGCHLD)

    # ------------------------------------------------------------------------------------------------------- signals

    def _take_signal(self, taken: Iterable[int]) -> None:
        """Wait for the next signal, or until something is due."""
        due = self._due if self._may_act() else None
        times = [at for at in (due, self._kill_at) if at is not None]
        received = signal.sigtimedwait(taken, max(0.0, min(times) - time.monotonic())) if times else signal.sigwaitinfo(taken)
        # A signal from this process itself is the thread's, or a SIGPIPE because a line was written to stderr.
        if received is None or received.si_signo == signal.SIGCHLD or received.si_pid == os.getpid():
            return
        if received.si_signo in _ENDING:
            self._pending = self._kill_at = None
            self._is_restarting = False
        # A code above 0 means that the kernel sent the signal to the whole group of a terminal, so the command has it already. But when a
        # terminal is gone, the kernel tells the first process of the session alone.
        is_hung_up = received.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid()
        if received.si_code <= 0 or is_hung_up:
            self._send(received.si_signo)
            self._is_ending |= received.si_signo in _ENDING
        if received.si_signo == signal.SIGTSTP:
            self._is_asked_to_stop = True
        elif received.si_signo == signal.SIGCONT:
            self._is_asked_to_stop, self._stopped_by = False, None

    def _send(self, number: int) -> bool:
        """Send the command a signal, and return whether that was possible."""
        try:
            # The command has not been waited for yet, so the process id is still its own.
            os.kill(self._child, number)
        except PermissionError:
            self._tell(f"the command runs as another user, so {signal.Signals(number).name} cannot be sent to it")
            return False
        return True

    # -------------------------------------------------------------------------------------------------------- changes

    def _take_news(self) -> None:
        while True:
            try:
                event = self._news.get_nowait()
            except queue.Empty:
                return
            if isinstance(event, CofferError):
                if not self._is_failing:
                    self._tell(told(event, "the command keeps its secrets; trying again"))
                self._is_failing = True
                continue
            self._is_failing = False
            try:
                variables = self._variables_of(event, self._given, self._variables)
            except CofferError as error:
                self._tell(f"{error} (the command keeps its secrets)")
                continue
            if variables != self._variables:
                if self._pending is None:
                    self._due = time.monotonic() + self._splay()
                self._pending = event.release, variables
                continue
            # A release that changes nothing for this client does not concern the command.
            self._pending, self._release = None, event.release
            if self._is_in_use:
                self._put_to_use()

    def _may_act(self) -> bool:
        return self._pending is not None and not self._is_restarting and self._hook is None

    def _act(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            self._tell(f"the command did not end within {self._grace_s:.3g} s: killing it to restart it")
            self._send(signal.SIGKILL)
            self._kill_at = None
        if self._pending is None or not self._may_act() or now < self._due:
            return
        (self._release, self._variables), self._pending = self._pending, None
        self._is_in_use = False
        if self._change.signal is not None:
            if self._send(self._change.signal):
                self._put_to_use()
        elif self._change.command is not None:
            self._run_hook(self._change.command)
        else:
            self._send(signal.SIGTERM)
            # A command that is stopped would not receive SIGTERM.
            self._send(signal.SIGCONT)
            self._is_restarting, self._kill_at = True, now + self._grace_s

    def _run_hook(self, command: str) -> None:
        try:
            self._hook = self._spawn(["sh", "-c", command], self._variables)
        except CofferError as error:
            self._tell(str(error))

    # ----------------------------------------------------------------------------------------------------------- ends

    def _reap(self) -> int | None:
        """Reap what has ended. Return the command's wait status if it has ended and is not restarted."""
        if self._hook is not None:
            pid, status = os.waitpid(self._hook, os.WNOHANG)
            if pid:
                self._hook = None
                if code := os.waitstatus_to_exitcode(status):
                    self._tell(f"--on-change: the command ended with {code}")
                else:
                    self._put_to_use()
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
        """Reap processes that the command has left behind: the first process of a container becomes their parent."""
        ours = (self._child, self._hook)
        # The command has not been waited for yet, so there is always a child to ask about.
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None and ended.si_pid not in ours:
            os.waitpid(ended.si_pid, 0)

    def _stop(self) -> None:
        """Stop as the command has stopped, if both were asked to. The process that waits for this one continues both."""
        if not self._is_asked_to_stop or self._stopped_by is None:
            return
        number, self._is_asked_to_stop, self._stopped_by = self._stopped_by, False, None
        os.kill(os.getpid(), number)
        # The signal is let through here and nowhere else.
        before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _restart(self) -> None:
        self._is_restarting = False
        self._kill_at = self._stopped_by = None
        try:
            self._child = self._spawn(self._command, self._variables)
            self._given = self._variables
            self._put_to_use()
        except CofferError as error:
            # The new secrets may be the reason: an environment has limits.
            self._tell(f"{error} (the command is started with its old secrets)")
            self._child = self._spawn(self._command, self._given)

    def _finish(self, relay: Relay, taken: Iterable[int]) -> None:
        """Wait, as in a pipeline, until all output of the command and its children is passed on, or until an ending signal comes.

        If an ending signal came before, the wait is short. Otherwise a reader that does not read, or a process that the command has left
        behind with its streams, could prevent the end.
        """
        relay.close()
        until = time.monotonic() + self._drain_s if self._is_ending else None
        while not relay.is_finished:
            received = signal.sigwaitinfo(taken) if until is None else signal.sigtimedwait(taken, max(0.0, until - time.monotonic()))
            if received is None or received.si_signo in _ENDING_RELAY:
                return

    def _end(self, status: int) -> NoReturn:
        """End as the command did, so that the process that waits for this one sees what a shell would see of the command."""
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            # Not through the interpreter's own shutdown: the thread may be in the middle of a line, and then it holds stderr.
            os._exit(code)
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        # Other signals that wait stay blocked: none of them may come first.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
        # A signal that the first process of a container sends to itself does not end it.
        os._exit(128 - code)
