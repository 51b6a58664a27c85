"""Values that are added to a definition, and what a client gets of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from coffer_companion.importers.insertion import add_secrets
from coffer_companion.importers.values import Importable
from tests.companion.definitions import clients, gets, load_text

WEB = clients("web")
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"], exclude_characters="."), min_size=1, max_size=8).filter(
    lambda name: name not in ("public", "from_file", "from_env", "from_template", "from_value", "sops")
)
JSON_VALUES = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON_OBJECTS = st.dictionaries(NAMES, st.recursive(JSON_VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=3)), max_size=4)


def imported(folder: Path, values: dict[str, Importable] | dict[str, str] | dict[str, Any]) -> dict[str, object]:
    """What a client gets of values that were added to a definition."""
    return gets(load_text(folder, add_secrets(WEB, "web", values)), "web")
