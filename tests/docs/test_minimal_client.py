"""docs/minimal-client.md holds a whole client: exactly its text runs here, against a real server and against servers that lie."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from coffer_client.config.credential import Credential
from coffer_protocol import cbor, shard
from coffer_protocol.address import ServerAddress
from coffer_protocol.crypto import primitives
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import ShardError, UnopenableError
from coffer_protocol.identity import Identity
from coffer_protocol.message import Error, Get, Hello, KeyNotFound, MessageType, OkGet
from coffer_protocol.release import blob as blobs
from coffer_protocol.release import head as heads
from coffer_protocol.release import tree
from coffer_protocol.release.coffer import TAG, SealedAnswer
from coffer_protocol.release.head import Head
from coffer_protocol.shard import Secret
from coffer_protocol.suite.box import BoxInitiator, BoxResponder
from tests.client.fake_server import SERVER, FakeServer, Peer, Script, giving, serving
from tests.client.releases import COFFER, ISSUED, PUBLISHER, SERIAL
from tests.server.running import RunningServer, running_server
from tests.support import ROOT, identity, vectors

from .commands import home_environment, missing_programs, run, run_well

TEXT: Final = (ROOT / "docs" / "minimal-client.md").read_text(encoding="utf-8")
CLIENT: Final = Credential(identity=identity("worker"), bare=True)
STRANGER: Final = Identity(seed=bytes(31) + b"\1")
OTHER: Final = Identity(seed=bytes(31) + b"\2")


def only_block(language: str) -> str:
    """The one block of this language on the page."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert isinstance(block, str)
    return block


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run of the client came to."""

    exit_code: int
    stdout: bytes
    stderr: str

    def assert_refused(self, sentence: str) -> None:
        """It gave nothing, and said why in one line."""
        assert (self.exit_code, self.stdout) == (1, b""), self.stderr
        assert sentence in self.stderr
        assert self.stderr.startswith("coffer: ")
        assert self.stderr.count("\n") == 1


@dataclass(frozen=True, kw_only=True)
class MinimalClient:
    """The page's client, installed.

    Attributes:
        folder: where its text and its packages are.
    """

    folder: Path

    def run(self, address: ServerAddress | str, key_file: Path, *arguments: str) -> Outcome:
        """Run it by the command that the page gives."""
        environment = home_environment(self.folder / "home") | {"COFFER_SERVER": str(address), "COFFER_IDENTITY": str(key_file)}
        done = subprocess.run(
            ["node", "client.mjs", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Outcome(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr.decode())


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> MinimalClient:
    if missing := missing_programs("node", "npm"):
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    folder = tmp_path_factory.mktemp("minimal-client")
    (folder / "client.mjs").write_text(only_block("js"), encoding="utf-8")
    install, *runs = only_block("sh").splitlines()
    assert all("node client.mjs" in line for line in runs)
    words = install.split()
    assert words[:2] == ["npm", "install"]
    # The versions are pinned, so that the page works tomorrow as it does today.
    assert all(re.fullmatch(r"[@a-z/-]+@\d+\.\d+\.\d+", package) for package in words[2:])
    npm = shutil.which("npm")
    assert npm is not None
    done = subprocess.run(
        [npm, *words[1:], "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return MinimalClient(folder=folder)


def write_key(folder: Path, credential: Credential = CLIENT) -> Path:
    path = folder / "client.key"
    path.touch(mode=0o600)
    path.write_text(credential.file_text())
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return write_key(tmp_path)


# ---------------------------------------------------------------------------------------------------- a real server

DEFINITION: Final = """
[coffer]
name = "shop"
plain_server = "{plain_server}"

[clients]
worker = {{ from_file = "worker.key.pub" }}
web = {{ from_file = "web.key.pub" }}
mistaken = "{mistaken}"

[web]
session_key = "9fQ2c7wT5mJx0sLrUeKd"

[mistaken]
token = "un-easy-0riole"

[worker]
20 = "a key like an index"
"10" = "and another, behind it"
"db.password" = "t4.Zq-vessel-lantern-19"
"über" = "naïve — 日本語 🗝"
quoted = 'back\\slash, "quotes", $dollar'
lines = "two\\nlines\\tand a tab\\u0000"
mark = "\\uFEFFbehind a byte order mark"
empty = ""
__proto__ = "kept"
constructor = "kept"
small = -17
large = 9223372036854775807
least = -9223372036854775808
float = 0.1
tiny = 5e-324
infinite = -inf
none = nan
yes = true
no = false
offset = 2027-01-31T08:00:00.25+02:00
zulu = 2027-01-31T08:00:00Z
local = 2027-01-31T08:00:00
day = 2028-02-29
hour = 08:00:00.5
keystore = {{ from_file = "keystore.p12" }}
"""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A coffer on a real server.

    Attributes:
        server: it.
        address: what its bare clients are given.
        folder: the definition's, with the clients' keys.
        environment: of whoever types commands.
    """

    server: RunningServer
    address: ServerAddress
    folder: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("published")
    environment = home_environment(folder / "home")

    def companion(*arguments: str | Path) -> str:
        return run_well("coffer_companion", *arguments, environment=environment, cwd=folder)

    with running_server(folder / "server") as server:
        run_well("coffer_client", "keygen", "--bare", "worker.key", environment=environment, cwd=folder)
        run_well("coffer_client", "keygen", "web.key", environment=environment, cwd=folder)
        write_key(folder)
        (folder / "keystore.p12").write_bytes(bytes(range(256)))
        # The operator has this client's plain key, and takes it for one of suite 1.
        mistaken = replace(CLIENT.identity.public(), id=CLIENT.identity.plain_id())
        owner = primitives.ed25519_sign(CLIENT.identity.sign_seed(), b"coffer/1 owner" + mistaken.body)
        definition = DEFINITION.format(plain_server=server.plain_address, mistaken=mistaken.text(owner))
        (folder / "secrets.toml").touch(mode=0o600)
        (folder / "secrets.toml").write_text(definition, encoding="utf-8")
        companion("init", str(server.address))
        server.add_publisher("shop", (folder / "home" / "config" / "coffer" / "publisher.key.pub").read_text().strip())
        companion("upload", "secrets.toml")
        address = ServerAddress.from_text(companion("address", "--bare", "secrets.toml"))
        yield Published(server=server, address=address, folder=folder, environment=environment)


def our_client(published: Published, *arguments: str) -> bytes:
    environment = published.environment | {"COFFER_SERVER": str(published.address)}
    done = run("coffer_client", "get", "--identity", "worker.key", *arguments, environment=environment, cwd=published.folder)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_gives_what_our_own_client_gives(client: MinimalClient, published: Published) -> None:
    outcome = client.run(published.address, published.folder / "worker.key")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    theirs, ours = json.loads(outcome.stdout), json.loads(our_client(published, "--format", "json"))
    assert theirs == ours
    assert list(theirs) == list(ours)
    assert len(ours) == DEFINITION.split("[worker]")[1].count(" = ") - 1
    for key in ours:
        assert client.run(published.address, published.folder / "worker.key", key).stdout == our_client(published, key), key


def test_finds_the_key_where_keygen_puts_it(client: MinimalClient, published: Published, tmp_path: Path) -> None:
    default = client.folder / "home" / "config" / "coffer" / "client.key"
    default.parent.mkdir()
    shutil.copy(published.folder / "worker.key", default)
    environment = home_environment(client.folder / "home") | {"COFFER_SERVER": str(published.address)}
    command = ["node", "client.mjs", "db.password"]
    done = subprocess.run(command, cwd=client.folder, env=environment, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"t4.Zq-vessel-lantern-19"


def test_unknown_secret(client: MinimalClient, published: Published) -> None:
    client.run(published.address, published.folder / "worker.key", "db.pasword").assert_refused("there is no secret db.pasword")


def test_unknown_client(client: MinimalClient, published: Published, tmp_path: Path) -> None:
    stranger = Credential(identity=STRANGER, bare=True)
    outcome = client.run(published.address, write_key(tmp_path, stranger))
    outcome.assert_refused(f"the server does not know this key: give the operator {stranger.id_text()}")


def test_client_known_in_the_other_suite(client: MinimalClient, published: Published) -> None:
    client.run(published.address, published.folder / "client.key").assert_refused('the server refused: "suite: ')


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"publishers": (PUBLISHER.publisher_key(),)}, "is not trusted"),
        ({"coffer": "shop2"}, 'a release of "shop", not of shop2'),
        ({"server": SERVER.plain_id()}, "the server closed the connection"),
        ({"serial": 2}, "release 1 is older than release 2"),
    ],
)
def test_wrong_address(client: MinimalClient, published: Published, changes: dict[str, Any], sentence: str) -> None:
    client.run(replace(published.address, **changes), published.folder / "worker.key").assert_refused(sentence)


def test_second_host(client: MinimalClient, published: Published) -> None:
    (host,) = published.address.hosts
    with FakeServer(giving(b"")) as gone:
        pass
    address = replace(published.address, hosts=(gone.host, host))
    assert client.run(address, published.folder / "worker.key", "small").stdout == b"-17"
    client.run(replace(address, hosts=(gone.host,)), published.folder / "worker.key").assert_refused("ECONNREFUSED")


# ------------------------------------------------------------------------------------------------ addresses and keys

GOOD_ADDRESS: Final = f"coffer://{SERVER.plain_id().hex()}@localhost/shop?publisher={PUBLISHER.publisher_key().hex()}"
# Of orders 1, 2, 4, 8 and 8, and two that are not canonical: libsodium refuses them all.
WEAK_PUBLISHERS: Final = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
NOT_CANONICAL: Final = (2**255 - 10).to_bytes(32, "little").hex()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("", "not a whole address"),
        ("https://localhost", "not a whole address"),
        (GOOD_ADDRESS.partition("?")[0], "not a whole address"),
        (GOOD_ADDRESS.partition("?")[0] + "?serial=1", "no publisher"),
        (GOOD_ADDRESS + "&serial=x", "not a whole number"),
        (GOOD_ADDRESS + "&cache=no", "unknown parameter"),
        (GOOD_ADDRESS.replace("localhost", "localhost:x"), "no host"),
        (GOOD_ADDRESS.replace(SERVER.plain_id().hex(), "00"), "the server's id"),
        *(
            (GOOD_ADDRESS.replace(SERVER.plain_id().hex(), key), "the server's id")
            for key in (*(point.hex() for point in sorted(primitives._X25519_LOW_ORDER)), NOT_CANONICAL)
        ),
        *((GOOD_ADDRESS.replace(PUBLISHER.publisher_key().hex(), key), "the publisher's key") for key in WEAK_PUBLISHERS),
    ],
)
def test_bad_address(client: MinimalClient, key_file: Path, address: str, sentence: str) -> None:
    client.run(address, key_file).assert_refused(sentence)


def damaged(text: str) -> str:
    at = text.index("COFFER-SECRET-KEY-1") + 30
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def with_bits_left(text: str) -> str:
    """The last digit of a secret text has two bits that say nothing; here they are not zero."""
    text = text.strip()
    return text[:-1] + chr(ord(text[-1]) + 1) + "\n"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (damaged, "damaged"),
        (lambda text: text * 2, "does not hold one secret key"),
        (lambda text: "", "does not hold one secret key"),
        (with_bits_left, "damaged"),
    ],
)
def test_bad_identity(client: MinimalClient, key_file: Path, change: Callable[[str], str], sentence: str) -> None:
    key_file.write_text(change(key_file.read_text()))
    client.run(GOOD_ADDRESS, key_file).assert_refused(sentence)


def test_identity_that_others_can_read(client: MinimalClient, key_file: Path) -> None:
    key_file.chmod(0o640)
    client.run(GOOD_ADDRESS, key_file).assert_refused("others can read it")


# ----------------------------------------------------------------------------------------------- servers that behave


def leaf_hashes(count: int) -> list[bytes]:
    """Those of other clients."""
    return [tree.leaf_hash(bytes([number])) for number in range(count)]


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release as its publisher would make it, but for what a test makes otherwise."""

    shard: bytes = shard.encode([Secret(key="token", value="t4.Zq-vessel")])
    padded: bytes | None = None
    recipient: bytes = CLIENT.identity.plain_id()
    alg: int = 1
    publisher: Identity = PUBLISHER
    coffer: str = COFFER
    serial: int = SERIAL
    expires: int | None = None
    index: int = 0
    count: int = 1

    def parts(self) -> tuple[Head, SealedAnswer]:
        blob = primitives.sealed_box(self.recipient, blobs.pad(self.shard) if self.padded is None else self.padded)
        leaf = tree.Leaf(
            coffer=self.coffer, client_id=CLIENT.identity.plain_id(), alg=self.alg, since=self.serial, blob_sha256=sha256(blob)
        )
        hashes = leaf_hashes(self.count)
        hashes[self.index] = leaf.hash()
        whole = tree.Tree(hashes)
        head = Head(
            coffer=self.coffer,
            serial=self.serial,
            root=whole.root,
            count=self.count,
            issued=ISSUED,
            expires=self.expires,
            publisher=self.publisher.publisher_key(),
        )
        signed = heads.sign(head, self.publisher)
        return head, SealedAnswer(
            signed=signed, index=self.index, path=tuple(whole.path(self.index)), alg=self.alg, since=self.serial, blob=blob
        )

    def body(self, **changes: Any) -> bytes:
        """The body of OkGet, changed after it was signed."""
        return replace(self.parts()[1], **changes).encode()

    def with_head(self, change: Callable[[dict[str, Any]], object]) -> bytes:
        """The body with another head, which its publisher signed nevertheless."""
        head, coffer = self.parts()
        fields: Any = cbor.decode(head.encode())
        change(fields)
        return replace(coffer, signed=sign(cbor.encode(fields))).encode()


def sign(head: bytes, *, protected: bytes = heads._PROTECTED, unprotected: object = None) -> bytes:
    """*Signed* over any bytes."""
    signature = primitives.ed25519_sign(PUBLISHER.sign_seed(), heads._to_be_signed(head))
    return cbor.encode([protected, unprotected or {}, head, signature])


def ask(client: MinimalClient, key_file: Path, script: Script, *arguments: str, serial: int = 0) -> Outcome:
    with FakeServer(script) as server:
        return client.run(server.address(bare=True, serial=serial), key_file, *arguments)


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 13])
def test_every_place_in_a_tree(client: MinimalClient, key_file: Path, count: int) -> None:
    for index in range(count):
        outcome = ask(client, key_file, giving(Release(index=index, count=count).body()), "token")
        assert (outcome.stdout, outcome.stderr) == (b"t4.Zq-vessel", "")


def test_says_bye(client: MinimalClient, key_file: Path) -> None:
    assert ask(client, key_file, serving(CLIENT, {"token": "t4.Zq"}), "token").stdout == b"t4.Zq"


def test_every_value_of_the_vectors(client: MinimalClient, key_file: Path) -> None:
    whole = bytes.fromhex(vectors("shards")["whole"])
    outcome = ask(client, key_file, giving(Release(shard=whole).body()))
    assert outcome.stderr == ""
    assert list(json.loads(outcome.stdout)) == [secret.key for secret in shard.decode(whole)]


def test_at_the_serial_that_the_address_demands(client: MinimalClient, key_file: Path) -> None:
    for serial in (SERIAL, SERIAL - 1):
        assert ask(client, key_file, giving(Release().body()), serial=serial).exit_code == 0


# ---------------------------------------------------------------------------------------------------- servers that lie

GOOD: Final = Release(index=3, count=6)
GOOD_PATH: Final = GOOD.parts()[1].path


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def indefinite_head() -> bytes:
    head, coffer = GOOD.parts()
    data = head.encode()
    return replace(coffer, signed=sign(b"\xbf" + data[1:] + b"\xff")).encode()


def small_order_signature() -> bytes:
    """One that its publisher made with the nonce 0, so that R is the point of order 1: the equation holds, and libsodium refuses it."""
    _, coffer = GOOD.parts()
    parts: Any = cbor.decode(coffer.signed)
    expanded = bytearray(hashlib.sha512(PUBLISHER.sign_seed()).digest()[:32])
    expanded[0] &= 248
    expanded[31] = expanded[31] & 127 | 64
    point = bytes.fromhex(WEAK_PUBLISHERS[0])
    challenge = hashlib.sha512(point + PUBLISHER.publisher_key() + heads._to_be_signed(parts[2])).digest()
    scalar = int.from_bytes(challenge, "little") * int.from_bytes(expanded, "little") % ED25519_ORDER
    parts[3] = point + scalar.to_bytes(32, "little")
    return replace(coffer, signed=cbor.encode(parts)).encode()


def as_list(change: Callable[[list[Any]], object]) -> bytes:
    """The body with another list under its tag."""
    body: Any = cbor.decode(GOOD.body(), tags=(TAG,))
    change(body.value)
    return cbor.encode(body)


SIGNED: Final = GOOD.parts()[1].signed
PADDED: Final = blobs.pad(GOOD.shard)
LIES: Final[dict[str, tuple[bytes, str]]] = {
    "nothing": (b"", ""),
    "another tag": (b"\xda\x00" + GOOD.body()[2:], "not a release"),
    "no tag": (GOOD.body()[5:], ""),
    "trailing bytes": (GOOD.body() + b"\0", ""),
    "an item more": (as_list(lambda items: items.append(1)), "not a release"),
    "an item less": (as_list(list.pop), "not a release"),
    "index is a float": (as_list(lambda items: items.__setitem__(1, 3.0)), "deterministic"),
    "alg is true": (as_list(lambda items: items.__setitem__(3, True)), "not a release"),
    "short hash in the path": (as_list(lambda items: items[2].__setitem__(0, bytes(31))), "not a release"),
    "signature": (GOOD.body(signed=flipped(SIGNED)), "the signature is not good"),
    "signature of small order": (small_order_signature(), "the signature is not good"),
    "publisher": (replace(GOOD, publisher=OTHER).body(), f"publisher {OTHER.publisher_key().hex().upper()} is not trusted"),
    "coffer": (replace(GOOD, coffer="shop2").body(), 'this is a release of "shop2", not of shop'),
    "expired": (replace(GOOD, expires=ISSUED + 1).body(), "release 7 has expired"),
    "expired at 0": (GOOD.with_head(lambda head: head.update(expires=0)), "release 7 has expired"),
    "version": (GOOD.with_head(lambda head: head.update(v=2)), "not one of protocol 1"),
    "serial 0": (GOOD.with_head(lambda head: head.update(serial=0)), "not one of protocol 1"),
    "serial as a float": (GOOD.with_head(lambda head: head.update(serial=7.0)), "deterministic"),
    "a key more": (GOOD.with_head(lambda head: head.update(note="")), "not one of protocol 1"),
    "a key that objects have": (GOOD.with_head(lambda head: head.update(constructor="")), "not one of protocol 1"),
    "no root": (GOOD.with_head(lambda head: head.pop("root")), "not one of protocol 1"),
    "prev is short": (GOOD.with_head(lambda head: head.update(prev=bytes(31))), "not one of protocol 1"),
    "no publishers": (GOOD.with_head(lambda head: head.update(publishers=[])), "not one of protocol 1"),
    "issued more than a day ahead": (GOOD.with_head(lambda head: head.update(issued=2**40)), "ahead of this clock"),
    "publishers in falling order": (
        GOOD.with_head(lambda head: head.update(publishers=[b"\x02" * 32, b"\x01" * 32])),
        "not one of protocol 1",
    ),
    "restart is 0": (GOOD.with_head(lambda head: head.update(restart=0, publishers=[bytes(32)])), "not one of protocol 1"),
    "restart without publishers": (GOOD.with_head(lambda head: head.update(restart=1)), "not one of protocol 1"),
    "no hosts": (GOOD.with_head(lambda head: head.update(hosts=[])), "not one of protocol 1"),
    "a host that is none": (GOOD.with_head(lambda head: head.update(hosts=["a b"])), "not one of protocol 1"),
    "one publisher twice": (GOOD.with_head(lambda head: head.update(publishers=[bytes(32)] * 2)), "not one of protocol 1"),
    "head is null": (GOOD.body(signed=sign(b"\xf6")), "not one of protocol 1"),
    "head not deterministic": (indefinite_head(), ""),
    "COSE header": (GOOD.body(signed=sign(GOOD.parts()[0].encode(), protected=bytes.fromhex("a10126"))), "COSE_Sign1"),
    "unprotected header": (GOOD.body(signed=sign(GOOD.parts()[0].encode(), unprotected={"x": 2})), "COSE_Sign1"),
    "path too short": (GOOD.body(path=GOOD_PATH[:-1]), "no part of the release"),
    "path too long": (GOOD.body(path=(*GOOD_PATH, bytes(32))), "path is too long"),
    "path changed": (GOOD.body(path=(flipped(GOOD_PATH[0]), *GOOD_PATH[1:])), "no part of the release"),
    "another index": (GOOD.body(index=2), "no part of the release"),
    "index out of range": (GOOD.body(index=6), "no part of the release"),
    "index out of range, of one": (Release().body(index=5), "no part of the release"),
    "since": (GOOD.body(since=6), "no part of the release"),
    "blob": (GOOD.body(blob=flipped(GOOD.parts()[1].blob)), "no part of the release"),
    "alg": (GOOD.body(alg=2), "no part of the release"),
    "alg 2, signed": (replace(GOOD, alg=2).body(), "no part of the release"),
    "sealed to another": (replace(GOOD, recipient=SERVER.plain_id()).body(), "the blob cannot be opened"),
    "no padding": (replace(GOOD, padded=bytes(256)).body(), "padding"),
    "nothing in the blob": (replace(GOOD, padded=b"").body(), "padding"),
    "padding of another kind": (replace(GOOD, padded=PADDED[:-1] + b"\1").body(), "padding"),
    "not a multiple of 256": (replace(GOOD, padded=PADDED[:-1]).body(), "padding"),
    "too much padding": (replace(GOOD, padded=PADDED + bytes(256)).body(), "padding"),
    "shard nested deeply": (replace(GOOD, shard=b"\x81" * 40_000 + b"\x80").body(), ""),
}


@pytest.mark.parametrize("lie", LIES)
def test_refuses_a_lie(client: MinimalClient, key_file: Path, lie: str) -> None:
    body, sentence = LIES[lie]
    ask(client, key_file, giving(body)).assert_refused(sentence)


@pytest.mark.parametrize("entry", vectors("shards")["refuse"], ids=lambda entry: entry["why"])
def test_refuses_a_shard(client: MinimalClient, key_file: Path, entry: dict[str, str]) -> None:
    ask(client, key_file, giving(Release(shard=bytes.fromhex(entry["cbor"])).body())).assert_refused("")


def one_value(value: str) -> bytes:
    """A shard of one secret, its value as it is encoded."""
    return bytes.fromhex("81a2636b657961616576616c7565" + value)


def dated(tag: int, text: str) -> bytes:
    """A shard of one date, whether it exists or not."""
    return one_value(cbor.encode(cbor.Tagged(tag, text)).hex())


BAD_SHARDS: Final = {
    "a NaN of another kind": one_value("fb7ff8000000000001"),
    "a negative NaN": one_value("fbfff8000000000000"),
    "a float of 32 bits": one_value("fa3fc00000"),
    "an integer below 64 bits": one_value("3b8000000000000000"),
    "a surrogate": one_value("63eda080"),
    "keys in another order": bytes.fromhex("81a26576616c756501636b65796161"),
    "a value twice": bytes.fromhex("81a3636b657961616576616c756561626576616c75656163"),
    "30 February": dated(1004, "2027-02-30"),
    "29 February": dated(1004, "2027-02-29"),
    "the year 0": dated(1004, "0000-01-01"),
    "24 o'clock": dated(1131374181, "24:00:00"),
    "a second too many": dated(1131374181, "23:59:60"),
    "a fraction of zero": dated(1131374181, "23:59:59.000000"),
    "three digits": dated(1131374181, "23:59:59.250"),
    "an offset in a local time": dated(1131374180, "2027-01-31T08:00:00Z"),
    "no offset": dated(0, "2027-01-31T08:00:00"),
    "an offset of zero": dated(0, "2027-01-31T08:00:00+00:00"),
    "a line behind a date": dated(1004, "2027-01-31\n"),
    "a date in a date": one_value("d903ecd903ec6a323032372d30312d3331"),
}


@pytest.mark.parametrize("why", BAD_SHARDS)
def test_refuses_what_our_own_client_refuses(client: MinimalClient, key_file: Path, why: str) -> None:
    with pytest.raises(ShardError):
        shard.decode(BAD_SHARDS[why])
    ask(client, key_file, giving(Release(shard=BAD_SHARDS[why]).body())).assert_refused("")


@pytest.mark.parametrize(
    ("serial", "sentence"),
    [(SERIAL + 1, "release 7 is older than release 8"), (SERIAL + 2**20 + 2, "older")],
)
def test_refuses_a_serial_below_the_address(client: MinimalClient, key_file: Path, serial: int, sentence: str) -> None:
    ask(client, key_file, giving(GOOD.body()), serial=serial).assert_refused(sentence)


def test_takes_a_head_that_names_hosts_and_begins_the_history_again(client: MinimalClient, key_file: Path) -> None:
    changes = {"restart": 1, "publishers": [PUBLISHER.publisher_key()], "hosts": ["one.example", "[::1]:7000"]}
    assert ask(client, key_file, giving(GOOD.with_head(lambda head: head.update(changes)))).exit_code == 0


def test_refuses_a_serial_far_above_the_address(client: MinimalClient, key_file: Path) -> None:
    body = replace(GOOD, serial=2**20 + 8).body()
    ask(client, key_file, giving(body), serial=SERIAL).assert_refused("implausibly far above 7")
    assert ask(client, key_file, giving(body), serial=SERIAL + 1).exit_code == 0


# ------------------------------------------------------------------------------------------------ sessions that lie


def old_link(peer: Peer) -> None:
    """Answers with the Link to another Hello of the same client."""
    responder = BoxResponder(SERVER.plain_secret())
    responder.read_hello(MessageType.HELLO, BoxInitiator(CLIENT.identity, SERVER.plain_id()).hello(MessageType.HELLO))
    content, _ = responder.answer(MessageType.LINK, b"")
    peer.expect(Hello)
    peer.write(len(content).to_bytes(2, "big") + bytes([MessageType.LINK]) + content)
    peer.wait_for_close()


def skipping_one(peer: Peer) -> None:
    """Its OkGet has the nonce of the frame after it."""
    peer.link()
    peer.expect(Get)
    assert peer.session._transport is not None
    peer.session._transport.seal(MessageType.OK_GET, b"")
    peer.send(OkGet(coffer=GOOD.body()))
    peer.wait_for_close()


def sending(change: Callable[[bytes], bytes]) -> Script:
    """Changes the frame of its OkGet."""

    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        peer.write(change(peer.session.send(OkGet(coffer=GOOD.body()))))
        peer.wait_for_close()

    return script


def closing(peer: Peer) -> None:
    """Closes where OkGet is due."""
    peer.link()
    peer.expect(Get)


def refusing(peer: Peer) -> None:
    """An Error in the place of OkGet, with what could move a terminal's cursor."""
    peer.link()
    peer.expect(Get)
    peer.send(Error(code="busy", sentence="come back \x1b[2J later"))


def another_service(peer: Peer) -> None:
    """No Coffer at all."""
    peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    peer.wait_for_close()


def instead_of_link(content: bytes, kind: MessageType) -> Script:
    """A frame that is none."""

    def script(peer: Peer) -> None:
        peer.expect(Hello)
        peer.write(len(content).to_bytes(2, "big") + bytes([kind]) + content)
        peer.wait_for_close()

    return script


SESSIONS: Final[dict[str, tuple[Script, str]]] = {
    "a Link to another Hello": (old_link, "the answer is not to this Hello"),
    "a frame of nothing": (instead_of_link(b"", MessageType.LINK), "the answer is not to this Hello"),
    "a frame too early": (instead_of_link(bytes(40), MessageType.OK_GET), "may not come now"),
    "another service": (another_service, "may not come now"),
    "a frame skipped": (skipping_one, "not the one that comes next"),
    "a frame of another type": (sending(lambda frame: frame[:2] + b"\xff" + frame[3:]), "not the one that comes next"),
    "a Part": (sending(lambda frame: frame[:2] + b"\x06" + frame[3:]), "may not come now"),
    "a frame damaged": (sending(flipped), "a frame cannot be opened"),
    "a nonce damaged": (sending(lambda frame: frame[:26] + flipped(frame[26:27]) + frame[27:]), "not the one that comes next"),
    "a frame cut off": (sending(lambda frame: b"\0\x10" + frame[2:19]), "not the one that comes next"),
    "no OkGet": (closing, "the server closed the connection"),
    "an Error": (refusing, 'the server refused: "busy: come back \\u001b[2J later"'),
}


@pytest.mark.parametrize("session", SESSIONS)
def test_refuses_a_session(client: MinimalClient, key_file: Path, session: str) -> None:
    script, sentence = SESSIONS[session]
    ask(client, key_file, script).assert_refused(sentence)


def test_refuses_another_server(client: MinimalClient, key_file: Path) -> None:
    """One that has not the key of the address cannot even read the Hello."""

    def script(peer: Peer) -> None:
        with pytest.raises(UnopenableError):
            peer.expect(Hello)

    with FakeServer(script, own=PUBLISHER) as server:
        client.run(server.address(bare=True), key_file).assert_refused("the server closed the connection")


def test_key_not_found_comes_before_link(client: MinimalClient, key_file: Path) -> None:
    def script(peer: Peer) -> None:
        peer.expect(Hello)
        peer.send(KeyNotFound(client=CLIENT.identity.plain_id()))

    ask(client, key_file, script).assert_refused("the server does not know this key")


def test_link_with_a_body(client: MinimalClient, key_file: Path) -> None:
    def script(peer: Peer) -> None:
        peer.expect(Hello)
        responder = peer.session._responder
        assert responder is not None
        content, _ = responder.answer(MessageType.LINK, b"x")
        peer.write(len(content).to_bytes(2, "big") + bytes([MessageType.LINK]) + content)
        peer.wait_for_close()

    ask(client, key_file, script).assert_refused("Link has a body")
