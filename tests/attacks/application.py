"""An application: it fetches its secrets, and prints what it got as one JSON object.

python -m tests.attacks.application ADDRESS
"""

from __future__ import annotations

import json
import sys
import warnings

import coffer_client


def main() -> None:
    """Fetch with the identity of the folder, and print the secret, and what `fetch` tells a program."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        secrets = coffer_client.fetch(server=sys.argv[1], identity="own.key")
    told = {
        "a": secrets["a"],
        "is_stale": bool(secrets.stale),
        "refusal": None if secrets.refusal is None else type(secrets.refusal).__name__,
        "warnings": [str(warning.message) for warning in warned],
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
