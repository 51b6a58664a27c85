"""The steps about this machine: versions, libraries, configuration, identity, state and cache."""

from __future__ import annotations

import os
import platform
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from coffer_common import durations, files, keyfile, paths
from coffer_protocol.crypto import primitives
from coffer_protocol.errors import CofferError, ReleaseError, UnavailableError
from coffer_protocol.fallbacks import in_use
from coffer_protocol.identity import Identity
from coffer_protocol.release.evidence import RESTART

from ... import evidence_store
from ...config import settings
from ...config.credential import Credential
from ...config.lookup import Configuration
from ...config.settings import Settings
from ...conversation.retrieval import DEFAULT_MAX_STALE_S
from ...conversation.source import Source
from ...errors import CacheError, ConfigurationError, StateError
from ...io.blocking import finish
from ...trust_store import Folders, Memory
from .step import OK, WARN, Step, failed, skipped

_DISTRIBUTIONS: Final = ("coffer-secrets", "PyNaCl", "cryptography", "cbor2")
ADDRESS_AGAIN: Final = "ask your operator again for the address, which `coffer-companion address` prints"
STATE_AGAIN: Final = "restore the file; or, if the server is known to be right: coffer-client trust reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was typed, and the places for everything else.

    Attributes:
        load: returns the settings for an identity; raises as `settings.load`.
        load_credential: returns the credential; raises as `settings.load_credential`.
        server, identity: as they were typed, or None.
        configured: the variables and files.
    """

    load: Callable[[Identity], Settings]
    load_credential: Callable[[], Credential]
    server: str | None
    identity: str | None
    configured: Configuration


def examine_versions() -> Step:
    """Show what is installed, for a person who is asked for help."""
    versions = (f"{name} {_version(name)}" for name in _DISTRIBUTIONS)
    sentence = f"Python {platform.python_version()}, {', '.join(versions)}, {primitives.openssl_version()}"
    return Step(name="versions", state=OK, sentence=sentence)


def examine_libraries() -> Iterator[Step]:
    """Yield a warning for each library whose undocumented module, or a name in it, is missing; or one step if nothing is."""
    fallbacks = list(in_use())
    for fallback in fallbacks:
        sentence = f"{fallback.missing}: Coffer uses {fallback.documented} instead, and starts more slowly"
        yield Step(name="libraries", state=WARN, subject=fallback.library, sentence=sentence, mend="install a newer coffer-secrets")
    if not fallbacks:
        yield Step(name="libraries", state=OK, sentence="each has the modules that make a start fast")


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(not installed)"


def describe_address(asked: Asked, wanted: Settings) -> Step:
    """Show which server is asked, and what says so."""
    found = asked.configured.find("server")
    place = "--server" if asked.server or found is None else found.label
    hosts = ", ".join(map(str, wanted.address.hosts))
    return Step(name="configuration", state=OK, sentence=f"coffer {wanted.trust.coffer!r} at {hosts}, by {place}")


def mend_configuration(asked: Asked, error: CofferError) -> str:
    """Return what to do if the settings cannot be used."""
    try:
        asked.configured.files()
    except ConfigurationError as broken:
        # Every command that reads a configuration would end in the same error.
        if str(broken) == str(error):
            return "repair that file, or name another one with --config (/dev/null: no file)"
    if not isinstance(error, ConfigurationError):
        return ADDRESS_AGAIN
    if not asked.server and asked.configured.find("server") is None:
        return "`coffer-client config` shows what is in force; `coffer-client init ADDRESS` writes a configuration"
    return "correct it in the option, the variable or the file that sets it"


def describe_identity(asked: Asked, credential: Credential) -> Step:
    """Show where the identity is, and by which id the server knows it."""
    path, label = asked.identity, "--identity"
    if path is None:
        found = settings.find_identity(asked.configured)
        path, label = found.text, found.label
    path = paths.expand(path)
    where = f"{path} (mode {stat.S_IMODE(os.stat(path).st_mode):04o}, by {label})" if path else label
    kind = "bare key" if credential.bare else "id"
    return Step(name="identity", state=OK, sentence=f"{where}; its {kind} is {credential.id_text()}")


def mend_identity(asked: Asked, error: CofferError) -> str:
    """Return what to do if the identity cannot be used."""
    try:
        path = paths.expand(asked.identity or settings.find_identity(asked.configured).text)
        mode = stat.S_IMODE(os.stat(path).st_mode) if path else 0o600
    except ConfigurationError:
        return mend_configuration(asked, error)
    except FileNotFoundError:
        return f"coffer-client keygen {path}"
    except OSError:
        return f"let this user read {path}, and the folders above it"
    if path.endswith(keyfile.PUBLIC_SUFFIX):
        return f"name the identity itself: {path.removesuffix(keyfile.PUBLIC_SUFFIX)}"
    if mode & 0o077:
        return f"chmod 600 {path}; and make a new identity if somebody may have read this one"
    return "restore it from a copy; or make a new one (`coffer-client keygen PATH`), and send its line to your operator"


def examine_mlkem(check: Callable[[], None], credential: Credential | None) -> Step:
    """Try whether this machine has ML-KEM-768, which every client needs that is not known by a bare key."""
    try:
        check()
    except UnavailableError as error:
        if credential is not None and credential.bare:
            return skipped("ml-kem", "this machine has no ML-KEM-768, and a bare key does not need it")
        return failed("ml-kem", error, "pip install --upgrade --only-binary cryptography cryptography")
    return Step(name="ml-kem", state=OK, sentence="ML-KEM-768 is there")


def examine_state(memory: Memory, folders: Folders) -> Step:
    """Try whether the state can be read and written."""
    try:
        seen = memory.recall().seen
    except StateError as error:
        return failed("state", error, STATE_AGAIN)
    mend = "name a folder that can be written, with --state or COFFER_STATE"
    if folders.state is None:
        return Step(name="state", state=WARN, sentence="this user has no home folder, so nothing is remembered", mend=mend)
    try:
        files.make_folders(folders.state)
        with tempfile.TemporaryFile(dir=folders.state):
            pass
    except OSError as error:
        sentence = f"{folders.state} cannot be written ({error.strerror}): a server that goes back to an old release is not noticed"
        return Step(name="state", state=WARN, sentence=sentence, mend=mend)
    newest = f"the newest release seen is {seen.serial}" if seen is not None and seen.signed_sha256 else "no release has been seen yet"
    return Step(name="state", state=OK, sentence=f"{folders.state}; {newest}")


def examine_evidence(memory: Memory) -> Step:
    """Show whether this client has kept evidence of two histories that nobody has looked at yet."""
    try:
        kept = memory.evidence()
    except StateError as error:
        return failed("evidence", error, error.hint or "")
    if not kept:
        return Step(name="evidence", state=OK, sentence="no server has shown another history")
    sentence, _, hint = evidence_store.tell(kept).partition("\nhint: ")
    # A person has begun the history again. Anything else is a server's doing.
    if all(each.evidence.kind == RESTART for each in kept):
        return Step(name="evidence", state=WARN, sentence=sentence, mend=hint)
    return failed("evidence", ReleaseError(sentence), hint)


def examine_cache(source: Source, memory: Memory) -> Step:
    """Try whether the cache could be used now."""
    wanted = source.wanted
    max_stale = timedelta(seconds=DEFAULT_MAX_STALE_S) if wanted.max_stale is None else wanted.max_stale
    if not wanted.cache or not max_stale:
        return skipped("cache", "it is switched off")
    if memory.cached() is None:
        return Step(name="cache", state=OK, sentence="there is no cache yet: a fetch that works makes it")
    try:
        coffer = finish(source.from_cache(max_stale))
    except StateError:
        return skipped("cache", "it needs the state")
    except CacheError as error:
        return Step(name="cache", state=WARN, sentence=f"it cannot be used: {error}", mend="a fetch that works makes it again")
    assert coffer.stale is not None
    left = durations.show(max_stale - coffer.stale)
    sentence = f"release {coffer.release.serial}, fetched {durations.show(coffer.stale)} ago, verifies; it can be used for {left} more"
    return Step(name="cache", state=OK, sentence=sentence)
