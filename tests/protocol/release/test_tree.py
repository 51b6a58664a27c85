from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.release.tree import Leaf, Tree, leaf_hash, root_of_path
from tests.support import identity, vectors

VECTORS = vectors("releases")


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(n.to_bytes(4, "big") if size > 256 else bytes([n])) for n in range(size)]


@pytest.mark.parametrize("entry", VECTORS["trees"], ids=lambda entry: str(entry["size"]))
def test_roots_and_paths_of_the_vectors(entry: dict[str, object]) -> None:
    size = int(str(entry["size"]))
    tree = Tree(leaves(size))
    assert tree.size == size
    assert tree.root.hex() == entry["root"]
    if size:
        assert [part.hex() for part in tree.path(size - 1)] == entry["path_of_last"]


def test_the_leaves_and_the_root_of_the_vectors() -> None:
    from coffer_protocol.release.coffer import SealedAnswer

    digests = [bytes.fromhex(digest) for digest in VECTORS["leaves"]]
    assert Tree(digests).root.hex() == VECTORS["root"]
    body = SealedAnswer.decode_untrusted(bytes.fromhex(VECTORS["accept"][2]["body"]))
    leaf = Leaf(coffer="shop", client_id=identity("web").id(), alg=body.alg, since=body.since, blob_sha256=sha256(body.blob))
    assert leaf.hash() == digests[body.index]


def reference_root(digests: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, as it is written: split at the largest power of two."""
    if not digests:
        return sha256(b"")
    if len(digests) == 1:
        return digests[0]
    split = 1
    while split * 2 < len(digests):
        split *= 2
    return sha256(b"\1" + reference_root(digests[:split]) + reference_root(digests[split:]))


@given(st.integers(0, 600), st.data())
def test_every_path_leads_to_the_root_and_no_other_does(size: int, data: st.DataObject) -> None:
    digests = leaves(size)
    tree = Tree(digests)
    assert tree.root == reference_root(digests)
    if not size:
        return
    index = data.draw(st.integers(0, size - 1))
    path = tree.path(index)
    assert root_of_path(digests[index], index=index, size=size, path=path) == tree.root
    assert root_of_path(leaf_hash(b"other"), index=index, size=size, path=path) != tree.root
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        forged = [*path[:place], bytes(32), *path[place + 1 :]]
        assert root_of_path(digests[index], index=index, size=size, path=forged) != tree.root
    for wrong in ([*path, bytes(32)], path[:-1]):
        if wrong != path:
            with pytest.raises(ValueError, match="path"):
                root_of_path(digests[index], index=index, size=size, path=wrong)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_leaves_that_are_not_there(index: int, size: int) -> None:
    with pytest.raises(IndexError):
        Tree(leaves(size)).path(index)
    with pytest.raises(ValueError, match="leaf"):
        root_of_path(bytes(32), index=index, size=size, path=[])
