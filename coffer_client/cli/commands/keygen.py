"""`keygen`: make an identity file, and print the line that the operator needs."""

from __future__ import annotations

import os

from coffer_common import keyfile, paths
from coffer_common.command_line import Parsed
from coffer_protocol.identity import Identity

from ...config import names, settings
from ...config.credential import Credential
from .common import tell, write


def main(parsed: Parsed) -> None:
    """Make the identity, and print its line."""
    default = settings.default_identity_path(os.environ)
    path = parsed.arguments[0] if parsed.arguments else default
    if path is None:
        path = paths.require(paths.CONFIG, os.environ, otherwise="name the file to make: coffer-client keygen PATH")
    credential = Credential(identity=Identity.generate(), bare=parsed.switch("bare"))
    keyfile.write(path, credential.file_text(), credential.public_text())
    if path == default:
        tell(f"made {path}, which get and run find by themselves")
    else:
        tell(f"made {path}; name it with --identity or {names.IDENTITY}")
    tell("send this line to your operator, for [clients] in the definition; the name is free to choose")
    write(f"{credential.clients_line()}\n".encode())
