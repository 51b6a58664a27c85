"""Which server, as whom, and how: from arguments, then from variables, then from files, then from the default places."""

from __future__ import annotations

import os

from coffer_common import files, keyfile
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import Identity
from coffer_protocol.lean import TYPE_CHECKING, Record
from coffer_protocol.release.trust import Seen, Trust

from ..errors import ConfigurationError, UsageError
from .credential import Credential
from .lookup import CREDENTIAL, DEFAULT, VARIABLE, Configuration, Found
from .names import CONFIG, IDENTITY, IDENTITY_TEXT, LOCAL_PATH, SERVER, SYSTEM_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from typing import Final, TypeAlias

# Where systemd puts what a unit's LoadCredential= names, and what it is called there.
CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
CREDENTIAL_NAME: Final = "coffer-identity"

Environment: TypeAlias = "Mapping[str, str]"

_ASK: Final = "ask your operator for the whole address, which `coffer-companion address` prints"
_SWITCHES: Final = {"0": False, "1": True}


class Settings(Record):
    """What a fetch needs to know.

    Attributes:
        address: the server's; its id is the plain one where the credential is bare.
        trust: what a client knows of the coffer that has nothing but this address.
        credential: who asks.
        state: the folder for what is remembered; None for the default ones.
        cache: whether a cache is kept, and used.
        timeout_s: how long all of a fetch may take, in seconds; None where nothing says.
        max_stale: how old the cache may be; None where nothing says.
    """

    address: ServerAddress
    trust: Trust
    credential: Credential
    state: keyfile.Path | None = None
    cache: bool = True
    timeout_s: float | None = None
    max_stale: timedelta | None = None


def load(
    *,
    server: ServerAddress | str | None,
    identity: Identity | keyfile.Path | None,
    bare: bool,
    environment: Environment,
    config: keyfile.Path | None = None,
    state: keyfile.Path | None = None,
    cache: bool | None = None,
    timeout_s: float | None = None,
    max_stale: timedelta | None = None,
) -> Settings:
    """Settings from arguments where they are given, else from what is configured.

    Args:
        server: the server's address, or None.
        identity: an identity, the path of its file, or None for what is configured or the default place; see `find_identity`.
        bare: whether the identity is used by its bare key; False leaves it to what is configured, and to what its file says.
        environment: the process's variables.
        config: the one configuration file that is read; None looks for some, see `configuration_of`.
        state, cache, timeout_s, max_stale: as in `Settings`; None for what is configured.

    Raises:
        ConfigurationError: something is missing, of another type, or cannot be used; the text says where it comes from.
        KeyTextError: the address or the identity cannot be used.
    """
    _check_types(server=server, identity=identity, timeout_s=timeout_s, max_stale=max_stale)
    configured = configuration_of(environment, config)
    address = _load_address(server, configured)
    is_cache_off = _switch(configured.find("no-cache")) if cache is None else not cache
    if timeout_s is None and (timeout := configured.find("timeout")):
        timeout_s = parse_seconds(timeout.text, timeout.label)
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
    """See at once what Python lets anybody pass, and what would else be noticed only in the outage that it is for.

    Raises:
        ConfigurationError: an argument is of another type; the text names it and what it takes, and not the value, which may be a secret.
    """
    if server is not None and not isinstance(server, ServerAddress | str):
        raise ConfigurationError(f"server takes an address as text, or a ServerAddress, and not {_article(server)}")
    if identity is not None and not isinstance(identity, Identity | str | os.PathLike):
        raise ConfigurationError(f"identity takes the path of a file, or an Identity, and not {_article(identity)}")
    if timeout_s is not None and (isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float)):
        raise ConfigurationError(f"timeout_s takes a number of seconds, and not {_article(timeout_s)}")
    if max_stale is not None:
        from datetime import timedelta

        if not isinstance(max_stale, timedelta):
            raise ConfigurationError(f"max_stale takes a timedelta, as in timedelta(days=7), and not {_article(max_stale)}")


def _article(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def configuration_of(environment: Environment, config: keyfile.Path | None = None) -> Configuration:
    """The variables and files of a process.

    The files are `./coffer.toml`, `$XDG_CONFIG_HOME/coffer/client.toml` and `/etc/coffer/client.toml`; or the one that is named, and
    with `/dev/null` none.

    Args:
        environment: the process's variables.
        config: the path of the one file that is read, or None for COFFER_CONFIG.
    """
    named = config or environment.get(CONFIG)
    if named:
        paths = () if os.fspath(named) == os.devnull else (files.absolute(named),)
        return Configuration(environment, paths, is_named=True)
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
            f"no server is named: give --server ADDRESS, have `coffer-client init ADDRESS` write it down, or set {SERVER}; {_ASK}"
        )
    try:
        return ServerAddress.from_text(text)
    except KeyTextError as error:
        raise KeyTextError(f"{label}: {error}") from None


def trust_of(address: ServerAddress) -> Trust:
    """What a client of this address demands of its first release (docs/protocol.md, 1).

    Raises:
        ConfigurationError: the address names no coffer or no publisher, so nothing that a server gives could be checked.
    """
    if address.coffer is None:
        raise ConfigurationError(f"the server's address names no coffer: {_ASK}")
    if not address.publishers:
        raise ConfigurationError(f"the server's address names no publisher, so nothing that it gives could be checked: {_ASK}")
    seen = Seen(serial=address.serial) if address.serial else None
    return Trust(coffer=address.coffer, publishers=address.publishers, seen=seen)


def load_credential(
    identity: Identity | keyfile.Path | None, *, bare: bool, environment: Environment, config: keyfile.Path | None = None
) -> Credential:
    """Who asks; arguments and errors as of `load`."""
    return _load_credential(identity, bare, configuration_of(environment, config))


def _load_credential(identity: Identity | keyfile.Path | None, bare: bool, configured: Configuration) -> Credential:
    bare = bare or _switch(configured.find("bare"))
    if isinstance(identity, Identity):
        return Credential(identity=identity, bare=bare)
    found = None if identity else find_identity(configured)
    if found is not None and found.place == IDENTITY_TEXT:
        try:
            return Credential.from_text(configured.environment[IDENTITY_TEXT], bare=bare)
        except KeyTextError as error:
            raise KeyTextError(f"{IDENTITY_TEXT}: {error}") from None
    if found is not None and found.origin == DEFAULT and not os.path.exists(found.text):
        raise ConfigurationError(
            f"there is no identity at {found.text}: `coffer-client keygen` makes one, and prints the line for your operator; "
            f"one that stands elsewhere is named by --identity PATH, {IDENTITY} or {IDENTITY_TEXT}"
        )
    path = found.text if found is not None else identity
    assert path is not None
    is_systemds = os.path.dirname(files.absolute(path)) == configured.environment.get(CREDENTIALS)
    return keyfile.read_credential(path, bare=bare, is_systemds=is_systemds)


def find_identity(configured: Configuration) -> Found:
    """Where the identity is that no argument names: its path, and what says so. Of COFFER_IDENTITY_TEXT the text is left out.

    What this very process was given comes before what is written down for others too: a variable, then the credential that systemd
    hands to a service (`LoadCredential=coffer-identity:PATH`), then a file's `identity`, and then the default place.

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
    return configured.find_in_files("identity") or Found(default_identity_path(configured.environment), DEFAULT, "", "default")


def _switch(found: Found | None) -> bool:
    if found is None:
        return False
    if found.text not in _SWITCHES:
        raise ConfigurationError(f"{found.label} is 1 for yes, and else 0 or not set")
    return _SWITCHES[found.text]


def parse_seconds(text: str, label: str) -> float:
    """A number of seconds.

    Raises:
        UsageError: it is none, or not above 0; the text names `label`, where it stands.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{label} is a number of seconds above 0")
    return seconds


def default_config_path(environment: Environment) -> str | None:
    """`$XDG_CONFIG_HOME/coffer/client.toml`; None where this process's user has no home."""
    folder = xdg_folder(environment, "XDG_CONFIG_HOME", ".config")
    return os.path.join(folder, "client.toml") if folder else None


def default_identity_path(environment: Environment) -> str:
    """`$XDG_CONFIG_HOME/coffer/client.key`."""
    return os.path.join(xdg_folder(environment, "XDG_CONFIG_HOME", ".config") or os.path.join("~", ".config", "coffer"), "client.key")


def xdg_folder(environment: Environment, variable: str, default: str) -> str | None:
    """Coffer's own folder below the one that an XDG variable names. The specification has relative paths ignored.

    Args:
        environment: the process's variables.
        variable: XDG_CONFIG_HOME, XDG_STATE_HOME or XDG_CACHE_HOME.
        default: the folder in the home, where the variable does not say.

    Returns:
        The folder; None where this process's user has no home.
    """
    folder = environment.get(variable, "")
    if not os.path.isabs(folder):
        folder = os.path.join(os.path.expanduser("~"), default)
    return os.path.join(folder, "coffer") if os.path.isabs(folder) else None
