"""A coffer on a real server, published by the real companion, for tests that are about who fetches it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.commands import home_environment, run_well
from tests.server.running import running_server


@contextmanager
def published(folder: Path, secrets: str) -> Iterator[dict[str, str]]:
    """Publish secrets for one client, from a server that runs until the context ends.

    Args:
        folder: where everybody's files go.
        secrets: the client's table in the definition, as TOML.

    Yields:
        The environment of a process that is this client, in a home of its own.
    """
    operator, client = (home_environment(folder / name) for name in ("operator", "client"))
    with running_server(folder / "server") as server:
        key = run_well("coffer_client", "keygen", environment=client, cwd=folder).split(" = ")[1]
        run_well("coffer_companion", "init", str(server.address), environment=operator, cwd=folder)
        server.add_publisher("secrets", (folder / "operator" / "config" / "coffer" / "publisher.key.pub").read_text().strip())
        definition = folder / "secrets.toml"
        definition.touch(mode=0o600)
        definition.write_text(f"[clients]\nclient = {key}\n[client]\n{secrets}", encoding="utf-8")
        address = run_well("coffer_companion", "upload", definition, environment=operator, cwd=folder).splitlines()[-1]
        yield client | {"COFFER_SERVER": address}
