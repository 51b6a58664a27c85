"""Secrets as the fields of a pydantic-settings class. Needs the extra `pydantic`.

    class Database(BaseModel):
        url: SecretStr
        pool: int = 5

    class Settings(BaseSettings):
        model_config = SettingsConfigDict(extra="ignore", env_nested_delimiter="__")
        db: Database                                  # from the keys db.url and db.pool

        @classmethod
        def settings_customise_sources(cls, settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings):
            return init_settings, env_settings, CofferSettingsSource(settings_cls)

Sources come in the order of their weight: here what is given to `Settings()` goes before the environment, and that before Coffer.

Keys that no field wants are what `extra` in the `model_config` makes of them. By pydantic-settings' default they are an error; but an
operator adds a key before the application that reads it is there, so "ignore" is what an application wants.

A ValidationError shows its inputs. Those from here hide themselves in it, in `str()` and `repr()` of it, in logs and in tracebacks; but for
booleans, which cannot, and for its `json()`, which writes the values out. So a field's own validator must not put its value into the text
of an error; and once it is validated, a value is as plain as its field's type: SecretStr hides a text, and Secret[…] any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
        f"coffer_client.pydantic_source needs {error.name}, which is not installed: pip install 'coffer-secrets[pydantic]'", name=error.name
    ) from None


class CofferSettingsSource(InitSettingsSource):
    """A source for `settings_customise_sources`: the secrets by key, dotted keys as nested models.

    A key is looked up by a field's alias where it has one: so it is for names that Python does not have, as `Field(alias="smtp-host")`, and
    with `AliasPath("db", "url")` a field that is not nested takes the key db.url.
    """

    def __init__(self, settings_cls: type[BaseSettings], coffer: Mapping[str, SecretValue] | None = None, *, prefix: str = "") -> None:
        """Fetch, where no secrets are given.

        Args:
            settings_cls: the class whose source it is.
            coffer: the secrets, as from `fetch` with arguments of its own, or of a test's making; None fetches as `fetch()` does.
            prefix: what the keys begin with that are taken, as in "shop."; it is cut off them, and other keys are not looked at.

        Raises:
            ConfigurationError: a key is also the beginning of others (`db` and `db.url`), so that no model can have both.
            CofferError: as `fetch`, where it is called.
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
                f"the key {key!r} and another one cannot both be in a model, for one is the other's beginning: rename one of them in the "
                "definition, or take the keys of a prefix alone"
            )
        # What `fetch` gave hides itself; what a test has made does so from here on.
        branch[last] = redact(value)
    return root
