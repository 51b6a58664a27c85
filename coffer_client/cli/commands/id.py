"""`id`: print the public key as it is written in the definition. Its fingerprint, which people compare, and its id go to stderr."""

from __future__ import annotations

import os

from coffer_common.command_line import Parsed

from ...config import settings
from .common import tell, write


def main(parsed: Parsed) -> None:
    """Print the public key."""
    credential = settings.load_credential(
        parsed.text("identity"), bare=parsed.switch("bare"), environment=os.environ, config=parsed.text("config")
    )
    if not credential.bare:
        tell(f"the fingerprint of this key is {credential.identity.public().fingerprint_text()}, and its id is {credential.id_text()}")
    write(f"{credential.public_text()}\n".encode())
