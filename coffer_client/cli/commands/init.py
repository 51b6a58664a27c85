"""`init`: make an identity and a configuration, and fetch once, which shows what the operator still has to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from coffer_common import keyfile, paths
from coffer_common.command_line import Parsed
from coffer_protocol.address import ServerAddress, check_name
from coffer_protocol.errors import KeyNotFoundError, KeyTextError, UnreachableError
from coffer_protocol.identity import Identity

from ...config import file as configfile
from ...config import settings
from ...config.credential import Credential
from ...config.lookup import Configuration
from ...config.names import CONFIG, IDENTITY_TEXT
from ...conversation.retrieval import retrieve
from ...conversation.source import Source
from ...errors import BusyServerError, ConfigurationError
from ...io.blocking import Sockets, finish
from ..options import PROGRAM
from .common import tell, timeout_s, warn, write


def main(parsed: Parsed) -> None:
    """Set up this machine's client. It is no failure if the server does not know the client yet: the line for the operator is the result.

    Raises:
        ConfigurationError: the configuration file names another address, or cannot be read.
        OutputError: the configuration file cannot be written.
        KeyTextError: the address or the identity cannot be used, or the identity cannot be made.
        UnreachableError, BusyServerError: everything was made, and no server could be asked.
        CofferError: as `fetch`; everything was made, and the server refused, or its answer does not verify.
    """
    address = _address(parsed.arguments[0])
    name = parsed.text("name")
    if name is not None:
        _check_name(name)
    path = _config_path(parsed)
    values = configfile.read(path, is_named=True) if os.path.exists(path) else {}
    address = _joined(address, values.get("server"), path, is_forced=parsed.switch("force"))

    typed = parsed.text("identity")
    identity = None if typed is None else paths.absolute(typed)
    if path != settings.default_config_path(os.environ):
        # Before the folder of the identity, which only its owner can read: a machine's configuration is for other users, too.
        configfile.make_folder(path)
    _make_identity(identity, path if values else None, bare=parsed.switch("bare"))
    configfile.write(path, _wanted(address, identity, bare=parsed.switch("bare")))
    wanted = settings.load(
        server=address,
        identity=identity,
        bare=parsed.switch("bare"),
        environment=os.environ,
        config=path,
        timeout_s=timeout_s(parsed),
        # The cache says nothing about the server.
        max_stale=timedelta(),
    )
    tell(f"the configuration is {path}")
    _warn_of_others(path, address)
    _try(wanted, name)


def _check_name(name: str) -> None:
    try:
        check_name(name, "client")
    except KeyTextError as error:
        raise KeyTextError(f"--name: {error}") from None


def _address(text: str) -> ServerAddress:
    try:
        address = ServerAddress.from_text(text)
    except KeyTextError as error:
        raise KeyTextError(f"ADDRESS: {error}") from None
    # This refuses an address with which no client could start.
    settings.trust_of(address)
    return address


def _config_path(parsed: Parsed) -> str:
    path = parsed.text("config") or os.environ.get(CONFIG) or settings.default_config_path(os.environ)
    if path is None:
        path = paths.require(paths.CONFIG, os.environ, otherwise="name the configuration file with --config PATH")
    if path == os.devnull:
        raise ConfigurationError(f"{path} cannot hold a configuration: name another file with --config PATH")
    return paths.absolute(path)


def _joined(address: ServerAddress, there: str | None, path: str, *, is_forced: bool) -> ServerAddress:
    """Return the address to write. If the file has the same address with another serial, the higher serial counts."""
    if there is None or is_forced:
        return address
    try:
        other = ServerAddress.from_text(there)
    except KeyTextError:
        other = None
    if other is None or replace(other, serial=0) != replace(address, serial=0):
        raise ConfigurationError(f"{path} names another address and was not changed: `{PROGRAM} config` shows it, and --force replaces it")
    return max(address, other, key=lambda each: each.serial)


def _make_identity(identity: str | None, config: str | None, *, bare: bool) -> None:
    """Make the identity, or keep the one that exists.

    Args:
        identity: the path that was typed, or None for the place in which a fetch would look.
        config: the configuration file, if it exists already.
        bare: whether a new identity is known by its bare key.
    """
    if identity is None:
        found = settings.find_identity(Configuration(os.environ, (config,) if config else (), is_named=True))
        if found.place == IDENTITY_TEXT:
            tell(f"the identity is the one in {found.place}")
            return
        identity = paths.absolute(found.text or paths.require(paths.CONFIG, os.environ, otherwise="name the identity with --identity PATH"))
    if os.path.exists(identity):
        credential = settings.load_credential(identity, bare=bare, environment=os.environ, config=config)
        keyfile.ensure_public(identity, credential.public_text())
        tell(f"the identity is {identity}, which existed before")
    else:
        credential = Credential(identity=Identity.generate(), bare=bare)
        keyfile.write(identity, credential.file_text(), credential.public_text())
        tell(f"made the identity {identity}")


def _wanted(address: ServerAddress, identity: str | None, *, bare: bool) -> Mapping[str, str | bool]:
    values: dict[str, str | bool] = {"server": str(address)}
    # A fetch finds the default place without being told.
    if identity is not None and identity != settings.default_identity_path(os.environ):
        values["identity"] = identity
    if bare:
        values["bare"] = True
    return values


def _warn_of_others(path: str, address: ServerAddress) -> None:
    """Warn if `get` and `run` will not use what has just been written."""
    configured = settings.configuration_of(os.environ)
    found = configured.find("server")
    if found is None or (found.place != path and path not in configured.paths):
        warn(f"get and run do not read this file by themselves: name it with --config or {CONFIG}")
    elif found.place != path and found.text != str(address):
        warn(f"{found.label} takes precedence, and names another server")


def _try(wanted: settings.Settings, name: str | None) -> None:
    """Fetch once; unless that works, print the line for the operator, with this name for the client."""
    line = f"{wanted.credential.clients_line(name)}\n".encode()
    try:
        coffer = finish(retrieve(Source.of(wanted, Sockets(), warn=warn)))
    except KeyNotFoundError:
        tell("the server answers, and does not know this client yet: send this line to your operator, for [clients] in the definition")
        write(line)
    except (UnreachableError, BusyServerError):
        tell("no server could be asked. If your operator does not have this line yet, send it, for [clients] in the definition")
        write(line)
        raise
    else:
        tell(f"it works: release {coffer.release.serial} of {coffer.release.coffer!r} verifies; secrets for this client: {len(coffer)}")
