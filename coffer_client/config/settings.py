"""The settings of a fetch: from arguments, then variables, then files, then the default places."""

from __future__ import annotations

import os

from coffer_common import keyfile, paths
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import Identity
from coffer_protocol.lean import TYPE_CHECKING, Record
from coffer_protocol.release.trust import Trust

from ..errors import ConfigurationError
from .credential import Credential
from .lookup import CREDENTIAL, DEFAULT, VARIABLE, Configuration, Found
from .names import CONFIG, IDENTITY, IDENTITY_TEXT, LOCAL_PATH, SERVER, SYSTEM_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from typing import Final, TypeAlias

# The variable with systemd's folder for LoadCredential=, and the name of the identity in that folder.
CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
CREDENTIAL_NAME: Final = "coffer-identity"

Environment: TypeAlias = "Mapping[str, str]"

_ASK: Final = "ask your operator for the whole address, which `coffer-companion address` prints"
_SWITCHES: Final = {"0": False, "1": True}


class Settings(Record):
    """The settings of a fetch.

    Attributes:
        address: the server's address. Its id is the plain one if the credential is bare.
        trust: what a client knows about the coffer if it has nothing but this address.
        credential: the client's credential.
        state: the folder for what is remembered; None for the default folders.
        cache: whether a cache is kept and used.
        timeout_s: how long a whole fetch may take, in seconds; None for the default.
        max_stale: how old the cache may be; None for the default.
    """

    address: ServerAddress
    trust: Trust
    credential: Credential
    state: paths.Path | None = None
    cache: bool = True
    timeout_s: float | None = None
    max_stale: timedelta | None = None


def load(
    *,
    server: ServerAddress | str | None,
    identity: Identity | paths.Path | None,
    bare: bool,
    environment: Environment,
    config: paths.Path | None = None,
    state: paths.Path | None = None,
    cache: bool | None = None,
    timeout_s: float | None = None,
    max_stale: timedelta | None = None,
) -> Settings:
    """Load the settings: each from its argument if it is given, otherwise from what is configured.

    Args:
        server: the server's address, or None.
        identity: an identity or the path of its file; None for the configured one or the default place (see `find_identity`).
        bare: whether to use the identity's bare key. False leaves it to what is configured and to the identity's file.
        environment: the process's variables.
        config: the only configuration file to read; None to look for files (see `configuration_of`).
        state, cache, timeout_s, max_stale: as in `Settings`; None for what is configured.

    Raises:
        ConfigurationError: a setting is missing, has another type, or cannot be used. The text says from which place it comes.
        KeyTextError: the address or the identity cannot be used.
    """
    _check_types(server=server, identity=identity, timeout_s=timeout_s, max_stale=max_stale)
    configured = configuration_of(environment, config)
    address = _load_address(server, configured)
    is_cache_off = _switch(configured.find("no-cache")) if cache is None else not cache
    if timeout_s is None and (timeout := configured.find("timeout")):
        from coffer_common import durations

        timeout_s = durations.parse_timeout(timeout.text, timeout.label)
    if max_stale is None and (span := configured.find("max-stale")):
        from coffer_common import durations

        max_stale = durations.parse(span.text, span.label)
    if state is None and (folder := configured.find("state")):
        state = folder.text
    return Settings(
        address=address,
        trust=trust_of(address),
        credential=_load_credential(identity, bare, configured),
        state=state,
        cache=not is_cache_off,
        timeout_s=timeout_s,
        max_stale=max_stale,
    )


def _check_types(*, server: object, identity: object, timeout_s: object, max_stale: object) -> None:
    """Check the types of arguments now. Otherwise a wrong `max_stale` would be noticed only in the outage that it is for.

    Raises:
        ConfigurationError: an argument has another type. The text names the argument and its type, and not the value, which may be a
            secret.
    """
    if server is not None and not isinstance(server, ServerAddress | str):
        raise ConfigurationError(f"server: expected an address as text or a ServerAddress, got {_article(server)}")
    if identity is not None and not isinstance(identity, Identity | str | os.PathLike):
        raise ConfigurationError(f"identity: expected the path of a file or an Identity, got {_article(identity)}")
    if timeout_s is not None and (isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float)):
        raise ConfigurationError(f"timeout_s: expected a number of seconds, got {_article(timeout_s)}")
    if max_stale is not None:
        from datetime import timedelta

        if not isinstance(max_stale, timedelta):
            raise ConfigurationError(f"max_stale: expected a timedelta, such as timedelta(days=7), got {_article(max_stale)}")


def _article(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def configuration_of(environment: Environment, config: paths.Path | None = None) -> Configuration:
    """Return the variables and the files of a process.

    The files are `./coffer.toml`, `$XDG_CONFIG_HOME/coffer/client.toml` and `/etc/coffer/client.toml`. If a file is named, it is the only
    one; if it is `/dev/null`, no file is read.

    Args:
        environment: the process's variables.
        config: the path of the only file to read; None for COFFER_CONFIG.
    """
    named = config or environment.get(CONFIG)
    if named:
        places = () if os.fspath(named) == os.devnull else (paths.absolute(named, environment),)
        return Configuration(environment, places, is_named=True)
    own = default_config_path(environment)
    return Configuration(environment, tuple(path for path in (LOCAL_PATH, own, SYSTEM_PATH) if path), is_named=False)


def _load_address(server: ServerAddress | str | None, configured: Configuration) -> ServerAddress:
    if isinstance(server, ServerAddress):
        return server
    label, text = "the server's address", server
    if not text and (found := configured.find("server")):
        label, text = found.label, found.text
    if not text:
        raise ConfigurationError(
            f"no server is named: give --server ADDRESS, run `coffer-client init ADDRESS` once, or set {SERVER}", hint=_ASK
        )
    try:
        return ServerAddress.from_text(text)
    except KeyTextError as error:
        raise KeyTextError(f"{label}: {error}") from None


def trust_of(address: ServerAddress) -> Trust:
    """Return what a client with this address demands of its first release (docs/protocol.md, 1).

    Raises:
        ConfigurationError: the address names no coffer or no publisher, so no answer of the server could be checked.
    """
    if address.coffer is None:
        raise ConfigurationError(f"the server's address names no coffer: {_ASK}")
    if not address.publishers:
        raise ConfigurationError(f"the server's address names no publisher, so no answer could be checked: {_ASK}")
    return Trust(coffer=address.coffer, publishers=address.publishers, lowest=address.serial)


def load_credential(
    identity: Identity | paths.Path | None, *, bare: bool, environment: Environment, config: paths.Path | None = None
) -> Credential:
    """Load the client's credential. The arguments and errors are as for `load`."""
    return _load_credential(identity, bare, configuration_of(environment, config))


def _load_credential(identity: Identity | paths.Path | None, bare: bool, configured: Configuration) -> Credential:
    bare = bare or _switch(configured.find("bare"))
    if isinstance(identity, Identity):
        return Credential(identity=identity, bare=bare)
    found = None if identity else find_identity(configured)
    if found is not None and found.place == IDENTITY_TEXT:
        try:
            return Credential.from_text(configured.environment[IDENTITY_TEXT], bare=bare)
        except KeyTextError as error:
            raise KeyTextError(f"{IDENTITY_TEXT}: {error}") from None
    if found is not None and found.origin == DEFAULT and not found.text:
        # There is no such folder: this raises, and says why.
        otherwise = f"name the identity with --identity PATH, {IDENTITY} or {IDENTITY_TEXT}"
        paths.require(paths.CONFIG, configured.environment, otherwise=otherwise)
    if found is not None and found.origin == DEFAULT and not os.path.exists(found.text):
        raise ConfigurationError(
            f"there is no identity at {found.text}: make one with `coffer-client keygen`, which prints the line for your operator",
            hint=f"if you have one elsewhere, name it with --identity PATH, {IDENTITY} or {IDENTITY_TEXT}",
        )
    path = found.text if found is not None else identity
    assert path is not None
    is_systemds = os.path.dirname(paths.absolute(path, configured.environment)) == configured.environment.get(CREDENTIALS)

    def parse(text: str, *, mode: int) -> Credential:
        return Credential.from_text(text, mode=mode, bare=bare)

    return keyfile.read_as(parse, path, missing=f"`coffer-client keygen {os.fspath(path)}` makes one", is_systemds=is_systemds)


def find_identity(configured: Configuration) -> Found:
    """Return the path of the identity if no argument names it, and where that was found. The text of COFFER_IDENTITY_TEXT is left out. The
    path is empty if that is the default place and this user has no home folder.

    A place of this process alone comes before one that other processes use too: first a variable, then the credential that systemd gives to
    a service (`LoadCredential=coffer-identity:PATH`), then `identity` in a file, then the default place.

    Raises:
        ConfigurationError: as `Configuration.find`.
    """
    if found := configured.find_variable("identity"):
        return found
    if configured.environment.get(IDENTITY_TEXT):
        return Found("", VARIABLE, IDENTITY_TEXT, IDENTITY_TEXT)
    if folder := configured.environment.get(CREDENTIALS):
        path = os.path.join(folder, CREDENTIAL_NAME)
        if os.path.lexists(path):
            return Found(path, CREDENTIAL, CREDENTIALS, f"${CREDENTIALS}/{CREDENTIAL_NAME}")
    return configured.find_in_files("identity") or Found(default_identity_path(configured.environment) or "", DEFAULT, "", "default")


def _switch(found: Found | None) -> bool:
    if found is None:
        return False
    if found.text not in _SWITCHES:
        raise ConfigurationError(f"{found.label} is {found.text!r}: set it to 1 for yes, to 0 for no, or not at all")
    return _SWITCHES[found.text]


def default_config_path(environment: Environment) -> str | None:
    """Return `$XDG_CONFIG_HOME/coffer/client.toml`; None if this user has no home folder."""
    return _in_config_folder("client.toml", environment)


def default_identity_path(environment: Environment) -> str | None:
    """Return `$XDG_CONFIG_HOME/coffer/client.key`; None if this user has no home folder."""
    return _in_config_folder("client.key", environment)


def _in_config_folder(name: str, environment: Environment) -> str | None:
    folder = paths.find(paths.CONFIG, environment)
    return None if folder is None else os.path.join(folder, name)
