"""Sessions, sans-IO: bytes in, messages out; messages in, bytes out (docs/protocol.md, 2 and 3).

    session.receive(bytes from the peer)      b"" if the peer has closed
    session.next_message()                    the next whole message, or None: receive more first
    session.send(message)                     the bytes to write
    session.send_pieces(message)              the same, a frame at a time

A session knows the table in `message.RULES` and one suite's handshake. It reads no socket and no clock. After an error it stays dead.
"""

from __future__ import annotations

from . import frame, message
from .errors import (
    LimitError,
    LocalProtocolError,
    MalformedMessageError,
    RemoteProtocolError,
    TruncatedError,
    TurnError,
    UnopenableError,
)
from .frame import Frame
from .lean import TYPE_CHECKING
from .limits import FRAME_CONTENT_BYTES, SESSION_FRAMES, UNKNOWN_CLIENT_BYTES
from .message import ENDS, IN_PARTS, OPENERS, RULES, Bye, Direction, Enrol, Error, Hello, KeyNotFound, MessageType
from .suite import ANSWER_OVERHEAD_BYTES, HELLO_BYTES, OVERHEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Final

    from .frame import Header
    from .message import Message
    from .suite import Initiator, Responder, Transport

_PARTS_SUITE: Final = 1

# A server does not answer a stranger, so a client cannot tell these causes apart. The likeliest comes first.
_NO_ANSWER: Final = (
    "Likely causes, in this order: the id in the address is not this server's (compare it with `coffer-server id`); "
    "the host or port is another service's; the server is at the limit of its connections, so try again"
)


class _Session:
    """The part that both ends share: the turn, the frames, the parts and the end."""

    _own: Direction
    _peer: Direction
    # Whether the peer may send an Ask in parts. A server allows it to publishers alone.
    allows_long_asks = False
    # The error if the peer closes the connection. A client has a longer one until the server has answered.
    _truncated = "the connection was closed in the middle of the session"

    def __init__(self) -> None:
        self._decoder = frame.Decoder()
        self._transport: Transport | None = None
        self._suite: int | None = None
        # The last message, from either side, that changed the turn. None: only a message that begins a session may come.
        self._last: MessageType | None = None
        # Whether this session has delivered a release, so that the client may send a receipt for it.
        self._has_given = False
        self._parts = bytearray()
        self._frames = 0
        self._eof = False
        self._error: RemoteProtocolError | None = None

    @property
    def is_over(self) -> bool:
        """Whether the last message has passed: Bye, KeyNotFound or Error."""
        return self._last in ENDS

    @property
    def unfinished_bytes(self) -> int:
        """The size of the received part of a message that is not whole yet."""
        return self._decoder.size_bytes + len(self._parts)

    @property
    def suite(self) -> int | None:
        """The suite of this session, or None before its first message."""
        return self._suite

    # ------------------------------------------------------------------------------------------------- the turn

    def _may_follow(self, kind: MessageType, sender: Direction) -> bool:
        rule = RULES[kind]
        if rule.sender not in (sender, None) or (self._suite is not None and self._suite not in rule.suites):
            return False
        if self._last is None:
            return kind in OPENERS
        if self.is_over:
            return False
        if kind is MessageType.HELD:
            return self._has_given
        return kind in RULES[self._last].followers or kind is MessageType.ERROR

    def _expected(self, sender: Direction) -> list[MessageType]:
        """Return the messages that a side may send now."""
        return [kind for kind in MessageType if self._may_follow(kind, sender)]

    def _pass(self, kind: MessageType) -> None:
        """Remember that a whole message was sent or received."""
        # A receipt leaves the turn as it was.
        if kind is MessageType.HELD:
            return
        self._last = kind
        self._has_given = self._has_given or kind is MessageType.OK_GET

    # ------------------------------------------------------------------------------------------------- receiving

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer; b"" means that it has closed."""
        if data:
            self._decoder.feed(data)
        else:
            self._eof = True

    def next_message(self) -> Message | None:
        """Return the next message from the peer, or None if more bytes are needed.

        Raises:
            RemoteProtocolError: the peer broke the protocol, or closed too early. The session is dead; if the error has a
                `code`, a server may still send one Error.
        """
        if self._error is not None:
            raise self._error
        try:
            return self._next_message()
        except RemoteProtocolError as error:
            # This is a copy. The traceback of the error itself refers to this session and to the buffers of all its callers, and would keep
            # them in memory until a collection of cyclic garbage.
            self._error = type(error)(*error.args, hint=error.hint)
            raise

    def _next_message(self) -> Message | None:
        while (header := self._decoder.header()) is not None:
            kind = self._check_header(header)
            received = self._decoder.next_frame()
            if received is None:
                break
            body = self._open(kind, received)
            self._check_turn(kind)
            if kind is MessageType.PART:
                if not body:
                    raise MalformedMessageError("a Part is empty")
                self._parts += body
                continue
            whole = bytes(self._parts) + body
            self._parts.clear()
            decoded = message.decode_body_untrusted(kind, whole)
            self._pass(kind)
            self._check_message(decoded)
            return decoded
        if self._eof and not (self.is_over and self._decoder.is_empty and not self._parts):
            raise TruncatedError(self._truncated)
        return None

    def _check_header(self, header: Header) -> MessageType:
        """Refuse a frame by its type and length, before its content is read.

        The header is not authentic: everybody on the way can write one. So the peer gets no answer (docs/protocol.md, 3).
        """
        if self._suite is None or self._transport is None:
            return self._check_handshake_header(header)
        if header.kind not in RULES:
            raise UnopenableError("a frame has an unknown type")
        kind = MessageType(header.kind)
        limit = RULES[kind].limit_bytes
        if kind is MessageType.PART:
            # The limit is that of the longest message of which these may be pieces.
            limit = max((RULES[other].limit_bytes for other in self._in_parts()), default=FRAME_CONTENT_BYTES)
        if len(self._parts) + header.length_bytes - OVERHEAD_BYTES[self._suite] > limit:
            raise UnopenableError(f"{kind.name} is longer than {limit} bytes")
        return kind

    def _check_turn(self, kind: MessageType) -> None:
        """Refuse a frame that was opened and may not follow the message before it."""
        if kind is MessageType.PART:
            if not self._in_parts():
                raise TurnError("a Part may not come now, because no message in parts may come")
        elif not self._may_follow(kind, self._peer):
            raise TurnError(f"{kind.name} may not follow {self._last.name if self._last is not None else 'nothing'}")

    def _in_parts(self) -> list[MessageType]:
        """Return the messages that the peer may send now in parts."""
        if self._suite != _PARTS_SUITE:
            return []
        return [kind for kind in self._expected(self._peer) if kind in IN_PARTS and (kind is not MessageType.ASK or self.allows_long_asks)]

    def _check_handshake_header(self, header: Header) -> MessageType:
        raise NotImplementedError

    def _open(self, kind: MessageType, received: Frame) -> bytes:
        self._count_frame(LimitError)
        if self._transport is None:
            return self._open_handshake(kind, received.content)
        return self._transport.open(kind, received.content)

    def _open_handshake(self, kind: MessageType, content: bytes) -> bytes:
        raise NotImplementedError

    def _check_message(self, decoded: Message) -> None:
        raise NotImplementedError

    def _count_frame(self, error: Callable[[str], Exception]) -> None:
        self._frames += 1
        if self._frames > SESSION_FRAMES:
            raise error(f"a session has at most {SESSION_FRAMES} frames: connect again")

    # --------------------------------------------------------------------------------------------------- sending

    def send(self, sent: Message) -> bytes:
        """Return the frames of a message, to be written to the peer.

        Raises:
            LocalProtocolError: the message may not follow.
        """
        return b"".join(self.send_pieces(sent))

    def send_pieces(self, sent: Message) -> Iterator[bytes]:
        """Yield the frames of a message. Each is sealed only when it is asked for: sealing a long one at once would block an event loop.

        All of them must be written before anything else is sent.

        Raises:
            LocalProtocolError: the message may not follow.
        """
        kind = message.type_of(sent)
        if not self._may_follow(kind, self._own):
            raise LocalProtocolError(f"{kind.name} may not be sent now")
        if self._error is not None and kind is not MessageType.ERROR:
            raise LocalProtocolError("the session is dead")
        yield from self._seal_all(kind, message.encode_body(sent))
        self._pass(kind)

    def _seal_all(self, kind: MessageType, body: bytes) -> Iterator[bytes]:
        if self._transport is None or self._suite is None:
            yield self._frame(kind, self._seal_handshake(kind, body))
            return
        if len(body) > RULES[kind].limit_bytes:
            raise LocalProtocolError(f"{kind.name} is longer than {RULES[kind].limit_bytes} bytes")
        piece = FRAME_CONTENT_BYTES - OVERHEAD_BYTES[self._suite]
        if len(body) > piece and self._suite != _PARTS_SUITE:
            raise LocalProtocolError(f"suite {self._suite} sends at most {piece} bytes in a message")
        offset = 0
        while len(body) - offset > piece:
            yield self._frame(MessageType.PART, self._transport.seal(MessageType.PART, body[offset : offset + piece]))
            offset += piece
        yield self._frame(kind, self._transport.seal(kind, body[offset:]))

    def _frame(self, kind: MessageType, content: bytes) -> bytes:
        # The Error about too many frames is itself one frame more.
        if kind is not MessageType.ERROR:
            self._count_frame(LocalProtocolError)
        return frame.encode(Frame(kind, content))

    def _seal_handshake(self, kind: MessageType, body: bytes) -> bytes:
        raise NotImplementedError


class ClientSession(_Session):
    """The end of a client or a publisher.

    session = ClientSession(NoiseInitiator(identity, server_id))
    stream.write(session.hello())
    """

    _own = Direction.CLIENT_TO_SERVER
    _peer = Direction.SERVER_TO_CLIENT

    def __init__(self, initiator: Initiator) -> None:
        super().__init__()
        self._initiator = initiator
        self._suite = initiator.suite
        self._truncated = f"the server closed the connection without an answer. {_NO_ANSWER}"
        self.client_id = initiator.client_id()

    def hello(self) -> bytes:
        """Return the first frame."""
        return self.send(Hello(client=self.client_id))

    def enrol(self) -> bytes:
        """Return the first frame of a client that asks to be let in.

        Raises:
            LocalProtocolError: suite 0 has no Enrol.
        """
        return self.send(Enrol(client=self.client_id))

    def bye(self) -> bytes:
        """Return the last frame.

        Raises:
            LocalProtocolError: Bye may not follow: close the connection instead.
        """
        return self.send(Bye(client=self.client_id))

    def _seal_handshake(self, kind: MessageType, body: bytes) -> bytes:
        return self._initiator.hello(kind)

    def _check_handshake_header(self, header: Header) -> MessageType:
        body_bytes = header.length_bytes - ANSWER_OVERHEAD_BYTES[self._initiator.suite]
        if header.kind not in self._expected(self._peer) or not 0 <= body_bytes <= RULES[MessageType(header.kind)].limit_bytes:
            raise UnopenableError(f"the answer is not one that a Coffer server gives. {_NO_ANSWER}")
        return MessageType(header.kind)

    def _open_handshake(self, kind: MessageType, content: bytes) -> bytes:
        body, self._transport = self._initiator.finish(kind, content)
        self._truncated = _Session._truncated
        return body

    def _check_message(self, decoded: Message) -> None:
        if isinstance(decoded, KeyNotFound) and decoded.client != self.client_id:
            raise MalformedMessageError("KeyNotFound names another client")


class ServerSession(_Session):
    """The server's end. `responders` holds a maker of responders for each suite that is served."""

    _own = Direction.SERVER_TO_CLIENT
    _peer = Direction.CLIENT_TO_SERVER

    def __init__(self, responders: Mapping[int, Callable[[], Responder]]) -> None:
        super().__init__()
        self._responders = responders
        self._responder: Responder | None = None
        self._client: bytes | None = None
        self._received_bytes = 0

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer; b"" means that it has closed."""
        if self._client is None:
            self._received_bytes += len(data)
        super().receive(data)

    def _next_message(self) -> Message | None:
        # A client that is not known yet may send only its first message.
        if self._client is None and self._received_bytes > UNKNOWN_CLIENT_BYTES:
            raise UnopenableError("the peer sent too many bytes before its Hello")
        return super()._next_message()

    def refuse(self, error: RemoteProtocolError) -> bytes:
        """Return the Error that tells the peer why the session ends; b"" if the connection is closed without an answer."""
        if error.code is None or self._transport is None or self.is_over:
            return b""
        return self.send(Error(code=error.code, sentence=str(error)))

    def _check_handshake_header(self, header: Header) -> MessageType:
        suite = HELLO_BYTES.get(header.length_bytes)
        if header.kind not in OPENERS or self._client is not None or suite not in self._responders:
            raise UnopenableError("the first frame is not a Hello of a suite that is served")
        kind = MessageType(header.kind)
        if suite not in RULES[kind].suites:
            raise UnopenableError(f"suite {suite} has no {kind.name}")
        return kind

    def _open_handshake(self, kind: MessageType, content: bytes) -> bytes:
        suite = HELLO_BYTES[len(content)]
        self._responder = self._responders[suite]()
        self._client = self._responder.read_hello(kind, content)
        self._suite = suite
        return self._client

    def _seal_handshake(self, kind: MessageType, body: bytes) -> bytes:
        assert self._responder is not None
        content, self._transport = self._responder.answer(kind, body)
        # Its keys are not needed any more, and a session that waits for an hour should be small.
        self._responder = None
        return content

    def _check_message(self, decoded: Message) -> None:
        if isinstance(decoded, Bye) and decoded.client != self._client:
            raise MalformedMessageError("Bye names another client")
