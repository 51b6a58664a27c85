"""The program `coffer-client`, also as `python -m coffer_client`."""

from __future__ import annotations

from .cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
