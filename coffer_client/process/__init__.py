"""How secrets reach a command.

Modules:
    command.py      a command with the secrets in its environment
    supervisor.py   a command as a child process: signals, restarts, and its end
    relay.py        the pipes through which a child's output goes
    redaction.py    replaces secrets in a stream of bytes
"""
