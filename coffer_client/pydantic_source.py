"""Secrets as the fields of a pydantic-settings class. This needs the extra `pydantic`.

    class Database(BaseModel):
        url: SecretStr
        pool: int = 5

    class Settings(BaseSettings):
        model_config = SettingsConfigDict(extra="ignore", env_nested_delimiter="__")
        db: Database                                  # from the keys db.url and db.pool

        @classmethod
        def settings_customise_sources(cls, settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings):
            return init_settings, env_settings, CofferSettingsSource(settings_cls)

Earlier sources take precedence: here an argument of `Settings()` comes before the environment, and that before Coffer.

`extra` in the `model_config` decides about keys that no field has. By pydantic-settings' default they are an error. But an operator adds a
key before the application that reads it is deployed, so an application should have "ignore".

A ValidationError shows its inputs. Values from here hide themselves in it: in its `str()` and `repr()`, in logs and in tracebacks. There
are two exceptions: booleans, which cannot hide themselves, and the error's `json()`, which writes the values out. So the validator of a
field must not put its value into the text of an error. After validation, a value is as plain as its field's type: SecretStr hides a text,
and Secret[…] any other value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coffer_common.program import with_extra
from coffer_protocol.shard import SecretValue

from .coffer import redact
from .errors import ConfigurationError
from .fetching import fetch

try:
    from pydantic_settings import BaseSettings, InitSettingsSource
except ModuleNotFoundError as error:
    if error.name not in ("pydantic", "pydantic_settings"):
        raise
    raise ModuleNotFoundError(
        f"coffer_client.pydantic_source needs {error.name}, which is not installed: {with_extra('pydantic')}", name=error.name
    ) from None


class CofferSettingsSource(InitSettingsSource):
    """A source for `settings_customise_sources`: the secrets by key, dotted keys as nested models.

    If a field has an alias, its key is looked up by that. Use it for keys that are not names in Python: `Field(alias="smtp-host")`. With
    `AliasPath("db", "url")`, a field that is not nested takes the key db.url.
    """

    def __init__(self, settings_cls: type[BaseSettings], coffer: Mapping[str, SecretValue] | None = None, *, prefix: str = "") -> None:
        """Take the secrets, or fetch them.

        Args:
            settings_cls: the class that this is a source of.
            coffer: the secrets: from a `fetch` with arguments of its own, or made by a test. None calls `fetch()`.
            prefix: the beginning of the keys to take, such as "shop.". It is removed from them, and other keys are ignored.

        Raises:
            ConfigurationError: a key is also the beginning of another (`db` and `db.url`), so no model can have both.
            CofferError: as `fetch`, if it is called.
        """
        secrets = fetch() if coffer is None else coffer
        taken = {key.removeprefix(prefix): secrets[key] for key in secrets if key.startswith(prefix)}
        super().__init__(settings_cls, _nested(taken))
        self._keys = list(taken)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(keys={self._keys!r})"


def _nested(secrets: Mapping[str, SecretValue]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for key, value in secrets.items():
        *parents, last = key.split(".")
        branch = root
        for parent in parents:
            branch = branch.setdefault(parent, {})
            if not isinstance(branch, dict):
                break
        if not isinstance(branch, dict) or last in branch:
            raise ConfigurationError(
                f"the key {key!r} and another key cannot both be in a model, because one is the beginning of the other: rename one of "
                "them in the definition, or take only the keys with a prefix"
            )
        # Values from `fetch` hide themselves already; values that a test has made do so from here on.
        branch[last] = redact(value)
    return root
