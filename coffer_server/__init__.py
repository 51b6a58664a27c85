"""Coffer's server: listens, keeps, answers. It reads no secret that it serves.

Modules:
    cli.py             the command line
    upkeep.py          the commands that look after the store
    config.py          server.toml
    state.py           the state folder
    keyfile.py         the server's identity file
    server.py          listens, and gives each connection a task
    service.py         what all connections share
    connection.py      one session, from Hello to its end
    channel.py         a session over a stream, with deadlines
    shard_answers.py   how a client gets its part of a release
    questions.py       answers to questions
    upload.py          an upload in progress
    watch.py           one Watch of a session
    broadcast.py       tells all watchers of a new release
    auto_reset.py      an event that resets itself once a task has waited for it
    adoption.py        which release each client fetched last
    eventlines.py      the event log's entries as text
    logs.py            log lines
    errors.py          what the server refuses, and why
    store/             what the server keeps
    health/            whether the server works
    __main__.py        the program `coffer-server`
"""
