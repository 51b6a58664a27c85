"""The settings of a Django project whose secrets come from Coffer: COFFER_SERVER and COFFER_IDENTITY say where from, and as whom."""

import coffer_client

# Fetched once, when a process loads its settings. The name is in lower case, so Django does not take it for a setting.
secrets = coffer_client.fetch()

SECRET_KEY = secrets.text("secret_key")
# Sessions and links that were signed with the last key stay valid while the operator leaves it in the definition.
SECRET_KEY_FALLBACKS = [secrets.text("secret_key_before")] if "secret_key_before" in secrets else []
ALLOWED_HOSTS = [secrets.text("site.host", default="localhost")]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": secrets.text("db.host"),
        "PORT": secrets.int("db.port", default=5432),
        "NAME": secrets.text("db.name"),
        "USER": secrets.text("db.user"),
        "PASSWORD": secrets.text("db.password"),
    }
}
USE_TZ = True
