"""The address of a server, and what a client demands of the releases that it serves (docs/protocol.md, 1)."""

from __future__ import annotations

from .crypto.primitives import check_ed25519_public, check_x25519_public
from .errors import KeyTextError
from .identity import INVITE_CODE_BYTES, format_id, format_invite_code, parse_id, parse_invite_code, parse_publisher_key
from .lean import TYPE_CHECKING, Record
from .limits import NAME_CHARACTERS

if TYPE_CHECKING:
    from typing import Final

SCHEME: Final = "coffer://"
DEFAULT_PORT: Final = 26337
FORM: Final = "coffer://ID@HOST[:PORT][,HOST[:PORT]…]/COFFER?publisher=HEX"

_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789"
_NAME_ALPHABET: Final = frozenset(_LOWER + _DIGITS + "-_.")
_MAX_SERIAL: Final = 2**63 - 1
_HOST_ALPHABET: Final = frozenset(_LOWER + _LOWER.upper() + _DIGITS + "-_.")
_IPV6_ALPHABET: Final = frozenset(_LOWER + _LOWER.upper() + _DIGITS + ":.%")


def check_name(name: str, what: str) -> str:
    """Return the name of a coffer or a client, if it is one: 1 to 64 characters of `a-z 0-9 - _ .` (docs/protocol.md, 9).

    Raises:
        KeyTextError: it is not a name; the error names `what`.
    """
    if not 1 <= len(name) <= NAME_CHARACTERS or not _NAME_ALPHABET.issuperset(name):
        raise KeyTextError(f"{what} {name!r}: expected a name of 1 to {NAME_CHARACTERS} characters of a-z, 0-9, '-', '_' and '.'")
    return name


class Host(Record):
    """A host of a server: a name or an IP address, and a TCP port."""

    name: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        host = f"[{self.name}]" if ":" in self.name else self.name
        return host if self.port == DEFAULT_PORT else f"{host}:{self.port}"

    @classmethod
    def from_text(cls, text: str) -> Host:
        """Parse `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`. The caller decides whether port 0 is allowed.

        Raises:
            KeyTextError: the text has another form.
        """
        if text.startswith("["):
            name, bracket, rest = text[1:].partition("]")
            if not bracket or ":" not in name or not _IPV6_ALPHABET.issuperset(name) or (rest and not rest.startswith(":")):
                raise KeyTextError(f"host {text!r}: an IPv6 address is written as [ADDRESS] or [ADDRESS]:PORT")
            port = rest[1:] if rest else None
        else:
            name, colon, rest = text.partition(":")
            port = rest if colon else None
            if not name or not _HOST_ALPHABET.issuperset(name):
                raise KeyTextError(f"host {text!r}: expected a name, an IPv4 address, or an IPv6 address in brackets")
        if port is None:
            return cls(name=name)
        if not port.isascii() or not port.isdecimal() or len(port) > 5 or int(port) > 0xFFFF:
            raise KeyTextError(f"host {text!r}: expected a port from 0 to 65535")
        return cls(name=name, port=int(port))


class ServerAddress(Record):
    """`coffer://ID@HOST[:PORT][,HOST[:PORT]…]/COFFER?publisher=HEX[&publisher=HEX…][&serial=N][&server=ID…][&invite=CODE]`.

    Attributes:
        server: the server's id, 32 bytes (for suite 0 its plain id).
        hosts: the hosts at which it listens, in the order in which they are tried.
        coffer: the coffer that a client demands, or None.
        publishers: the publisher keys that a client trusts, 32 bytes each.
        serial: the lowest serial that a client accepts, 0 for any.
        servers: further ids of the server, while its identity changes.
        invite: the code of an invite, 16 bytes, or None. It is a secret: it stays out of `repr`, and `str` leaves it out.

    Raises:
        KeyTextError: a key cannot be used, or the invite's code has another length.
    """

    server: bytes
    hosts: tuple[Host, ...]
    coffer: str | None = None
    publishers: tuple[bytes, ...] = ()
    serial: int = 0
    servers: tuple[bytes, ...] = ()
    invite: bytes | None = None

    def __post_init__(self) -> None:
        for server_id in (self.server, *self.servers):
            check_x25519_public(server_id)
        for key in self.publishers:
            check_ed25519_public(key)
        if self.invite is not None and len(self.invite) != INVITE_CODE_BYTES:
            raise KeyTextError(f"an invite's code has {INVITE_CODE_BYTES} bytes")

    def __repr__(self) -> str:
        return f"ServerAddress({str(self)!r})"

    def __str__(self) -> str:
        """Return the address without the invite's code, which a program never shows again."""
        text = f"{SCHEME}{format_id(self.server)}@{','.join(map(str, self.hosts))}"
        if self.coffer is not None:
            text += f"/{self.coffer}"
        query = [f"publisher={format_id(key)}" for key in self.publishers]
        if self.serial:
            query.append(f"serial={self.serial}")
        query += [f"server={format_id(server_id)}" for server_id in self.servers]
        return text + ("?" + "&".join(query) if query else "")

    def text_with_invite(self) -> str:
        """Return the address with the invite's code. Only the publisher that has made the invite shows it, once."""
        if self.invite is None:
            return str(self)
        text = str(self)
        return f"{text}{'&' if '?' in text else '?'}invite={format_invite_code(self.invite)}"

    @classmethod
    def from_text(cls, text: str) -> ServerAddress:
        """Parse a server's address.

        Raises:
            KeyTextError: it is not an address; the error says which part is wrong.
        """
        text = text.strip()
        if not text.startswith(SCHEME):
            raise KeyTextError(f"expected a server's address of the form {FORM}")
        place, question, query = text[len(SCHEME) :].partition("?")
        authority, slash, coffer = place.partition("/")
        server, at, hosts = authority.partition("@")
        if not at:
            raise KeyTextError(f"the address has no '@' between the server's id and its host: its form is {FORM}")
        parsed_hosts = tuple(Host.from_text(host) for host in hosts.split(","))
        for host in parsed_hosts:
            if host.port == 0:
                raise KeyTextError(f"host {host.name!r}: clients cannot connect to port 0")
        publishers: list[bytes] = []
        servers: list[bytes] = []
        serial = 0
        invite: bytes | None = None
        for parameter in query.split("&") if question else []:
            name, _, value = parameter.partition("=")
            match name:
                case "publisher":
                    publishers.append(parse_publisher_key(value))
                case "server":
                    servers.append(parse_id(value))
                case "invite" if invite is not None:
                    raise KeyTextError("the address has two invites: keep one of them")
                case "invite":
                    invite = parse_invite_code(value)
                case "serial" if serial:
                    raise KeyTextError("the address has two serials: keep the higher one")
                case "serial":
                    if not value.isascii() or not value.isdecimal() or len(value) > 19 or not 0 < int(value) <= _MAX_SERIAL:
                        raise KeyTextError(f"serial={value}: expected a whole number from 1")
                    serial = int(value)
                case _:
                    raise KeyTextError(f"the address has the parameter {name!r}; only publisher, serial, server and invite are known")
        return cls(
            server=parse_id(server),
            hosts=parsed_hosts,
            coffer=check_name(coffer, "the coffer in the address") if slash and coffer else None,
            publishers=tuple(dict.fromkeys(publishers)),
            serial=serial,
            servers=tuple(dict.fromkeys(servers)),
            invite=invite,
        )
