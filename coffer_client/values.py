"""The type of a secret's value, for annotations that are evaluated. `coffer_protocol.shard` has it as text, which loads no dates."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TypeAlias

SecretValue: TypeAlias = str | int | float | bool | bytes | datetime | date | time
