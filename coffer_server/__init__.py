"""Coffer's server: it stores sealed releases and gives each client its own shard. It cannot read the secrets that it serves.

Modules:
    cli.py             the command line
    upkeep.py          the commands that maintain the store
    config.py          the settings in server.toml
    state.py           the state folder
    server.py          listens, and gives each connection a task
    service.py         what all connections share
    connection.py      one session, from Hello to its end
    channel.py         a session over a stream, with deadlines
    shard_answers.py   the answers that give a client its shard
    questions.py       the answers to questions
    upload.py          an upload in progress
    watch.py           one Watch of a session
    broadcast.py       brings a new release to all its watchers
    auto_reset.py      an event that resets itself when a task has waited for it
    adoption.py        the releases that clients fetched last and signed for
    refusals.py        counts and logs what is refused
    unfinished.py      the bound on messages that are not whole
    eventlines.py      events as text and as JSON
    logs.py            the log lines
    errors.py          the errors
    store/             what the server stores
    health/            the health of a running server
    __main__.py        the entry point of `coffer-server`
"""

PROGRAM = "coffer-server"
