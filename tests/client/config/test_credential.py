from __future__ import annotations

import tomllib

from coffer_client.config.credential import Credential
from coffer_protocol.address import check_name
from coffer_protocol.identity import BareKey, format_id, parse_client_key
from tests.support import identity

WEB = identity("web")


def test_what_the_operator_gets_is_what_a_definition_takes(credential: Credential) -> None:
    key = parse_client_key(credential.public_text())
    assert isinstance(key, BareKey) == credential.bare
    assert format_id(key.id) == credential.id_text()


def test_the_line_for_the_operator_is_toml(credential: Credential) -> None:
    ((name, key),) = tomllib.loads(credential.clients_line()).items()
    assert key == credential.public_text()
    assert check_name(name, "client") == name
    for chosen in ("web", "web.example", "0_-"):
        assert tomllib.loads(credential.clients_line(chosen)) == {chosen: credential.public_text()}


def test_a_file_says_by_which_key_its_owner_goes(credential: Credential) -> None:
    text = credential.file_text()
    assert Credential.from_text(text) == credential
    assert f"# id: {credential.id_text()}\n" in text
    assert ("public key" in text) != credential.bare


def test_a_secret_text_alone_is_used_whole_unless_told() -> None:
    text = WEB.secret_text()
    assert Credential.from_text(text) == Credential(identity=WEB)
    assert Credential.from_text(text, bare=True) == Credential(identity=WEB, bare=True)


def test_the_repr_has_no_secret(credential: Credential) -> None:
    assert WEB.seed.hex() not in repr(credential)
    assert repr(WEB.seed) not in repr(credential)
    assert WEB.secret_text() not in repr(credential)
