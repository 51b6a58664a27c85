from __future__ import annotations

import pytest

from coffer_protocol.enrolment import (
    InviteKey,
    InviteProof,
    SuccessorProof,
    generate_code,
    key_of,
    proof_from_cbor_untrusted,
)
from coffer_protocol.errors import EnrolmentError, MalformedMessageError
from coffer_protocol.identity import Identity, parse_invite_code
from coffer_protocol.message import MessageType, Request, decode_body_untrusted
from tests.support import Draws, identity, vectors

VECTOR = vectors("releases")["enrolment"]
CLIENT = Identity(seed=bytes.fromhex(VECTOR["client_seed"]))
SERVER_ID = bytes.fromhex(VECTOR["server_id"])
CODE = parse_invite_code(VECTOR["code_text"])
KEY = InviteKey.from_code(CODE)
BODY = CLIENT.public().body
SUCCESSOR = VECTOR["successor"]


def test_the_invite_of_the_vectors() -> None:
    assert bytes.fromhex(VECTOR["code"]) == CODE
    assert KEY.key.hex() == VECTOR["key"]
    assert KEY.tag().hex() == VECTOR["tag"]
    assert KEY.mac(coffer="shop", server_id=SERVER_ID, body=BODY, name=VECTOR["name"]).hex() == VECTOR["mac"]


def test_the_request_of_the_vectors() -> None:
    request = decode_body_untrusted(MessageType.REQUEST, bytes.fromhex(VECTOR["request"]))
    assert isinstance(request, Request)
    assert key_of(request.body, request.owner) == CLIENT.public()
    assert request.proof == KEY.prove(coffer="shop", server_id=SERVER_ID, body=BODY, name=request.name)
    assert isinstance(request.proof, InviteProof)
    KEY.verify(request.proof.mac, coffer="shop", server_id=SERVER_ID, body=request.body, name=request.name)


@pytest.mark.parametrize(
    ("coffer", "server_id", "body", "name"),
    [
        ("shoq", SERVER_ID, BODY, "worker-3"),
        ("shop", identity("web").id(), BODY, "worker-3"),
        ("shop", SERVER_ID, identity("web").public().body, "worker-3"),
        ("shop", SERVER_ID, BODY, "worker-4"),
    ],
)
def test_a_mac_is_for_one_client_of_one_coffer(coffer: str, server_id: bytes, body: bytes, name: str) -> None:
    with pytest.raises(EnrolmentError):
        KEY.verify(bytes.fromhex(VECTOR["mac"]), coffer=coffer, server_id=server_id, body=body, name=name)


def test_another_code_proves_nothing() -> None:
    other = InviteKey.from_code(generate_code(Draws(bytes(16))))
    with pytest.raises(EnrolmentError):
        other.verify(bytes.fromhex(VECTOR["mac"]), coffer="shop", server_id=SERVER_ID, body=BODY, name=VECTOR["name"])
    with pytest.raises(ValueError, match="16 bytes"):
        InviteKey.from_code(bytes(15))
    assert KEY.key.hex() not in repr(KEY)


def test_the_successor_of_the_vectors() -> None:
    old, new = (Identity(seed=bytes.fromhex(SUCCESSOR[name])) for name in ("old_seed", "new_seed"))
    body, server_id = new.public().body, bytes.fromhex(SUCCESSOR["server_id"])
    proof = SuccessorProof.sign(old, coffer="shop", server_id=server_id, body=body, issued=SUCCESSOR["issued"])
    assert proof.signature.hex() == SUCCESSOR["signature"]
    proof.verify(old.publisher_key(), coffer="shop", server_id=server_id, body=body)
    for coffer, server, keys in (("shoq", server_id, body), ("shop", old.id(), body), ("shop", server_id, old.public().body)):
        with pytest.raises(EnrolmentError):
            proof.verify(old.publisher_key(), coffer=coffer, server_id=server, body=keys)


def test_keys_with_anothers_proof_are_refused() -> None:
    with pytest.raises(EnrolmentError):
        key_of(BODY, identity("web").owner_proof())


@pytest.mark.parametrize("proof", ["invite", [], ["invite"], ["invite", bytes(16), bytes(31)], ["successor", bytes(32), 1, bytes(63)]])
def test_what_is_no_proof(proof: object) -> None:
    with pytest.raises(MalformedMessageError):
        proof_from_cbor_untrusted(proof)  # type: ignore[arg-type]
