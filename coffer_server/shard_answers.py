"""The answers that give a client its shard: read from the store, sent, and noted for adoption."""

from __future__ import annotations

from functools import partial
from typing import Final

from coffer_protocol.errors import LocalProtocolError
from coffer_protocol.identity import format_id
from coffer_protocol.message import Held, OkGet
from coffer_protocol.question import Fetch

from .channel import Channel
from .errors import WrongSuiteError
from .logs import log
from .service import Service
from .store import rules
from .store.base import Fetched, Known, Receipt

_LOG_ID_DIGITS: Final = 16


def log_id(client: bytes) -> str:
    """Return the first digits of an id: enough to recognise a client in a log."""
    return format_id(client)[:_LOG_ID_DIGITS]


class ShardAnswers:
    """The shard answers of one session.

    Attributes:
        client: the id of the session's client.
        coffer: the client's coffer when the session last read the store.
        serial: the serial of the release that was current then, or None if that release had no shard for the client.
    """

    def __init__(self, service: Service, channel: Channel, client: bytes, known: Known) -> None:
        self._service = service
        self._channel = channel
        self.client = client
        self.coffer = known.coffer
        self.serial = known.serial
        self._check_suite(known.suite)

    @property
    def log_id(self) -> str:
        """The first digits of the client's id: enough to recognise it in a log."""
        return log_id(self.client)

    def _check_suite(self, suite: int) -> None:
        if suite == self._channel.suite:
            return
        if suite == 1:
            raise WrongSuiteError(
                "this key is registered as a full public key: speak suite 1, or ask your operator to register its 64 hex digits"
            )
        raise WrongSuiteError(
            "this key is registered as a bare NaCl key: speak suite 0, or ask your operator to register its public key text"
        )

    async def fetch(self) -> Fetched:
        """Return what the current release has for the client.

        Raises:
            DeniedError: if the current release has no shard for the client.
        """
        fetched = await self._service.read(partial(self._service.store.fetch, self.client))
        self.coffer, self.serial = fetched.coffer, fetched.serial
        return fetched

    async def give(self, fetched: Fetched) -> None:
        """Send a fetched shard.

        Raises:
            WrongSuiteError: if the shard is for the other suite, because the client's key was registered again after its Hello.
        """
        await self._channel.send(self._answer(fetched))
        self._note(fetched)

    def give_now(self, fetched: Fetched) -> bool:
        """Send a fetched shard without waiting. If the kernel does not take all of it at once, the channel's `flush` sends the rest.

        Returns:
            False if nothing was sent. The session's own task must then try again and report the error.
        """
        try:
            self._channel.send_now(self._answer(fetched))
        except (WrongSuiteError, LocalProtocolError):
            return False
        self._note(fetched)
        return True

    def take(self, held: Held) -> None:
        """Keep a receipt of the client. It is not verified: only publishers know the client's signing key.

        A receipt for a release that this session has not delivered is ignored, because it would keep later ones out.
        """
        if self.serial is not None and held.serial <= self.serial:
            self._service.adoption.note_receipt(Receipt(coffer=self.coffer, client=self.client, held=held))

    def _answer(self, fetched: Fetched) -> OkGet:
        self._check_suite(rules.SUITE_OF_ALG[fetched.body.alg])
        return OkGet(coffer=fetched.body.encode())

    def _note(self, fetched: Fetched) -> None:
        self.coffer, self.serial = fetched.coffer, fetched.serial
        self._service.adoption.note(fetched.coffer, Fetch(id=self.client, serial=fetched.serial, at=int(self._service.now())))
        log.info("fetch served", client=self.log_id, coffer=fetched.coffer, serial=fetched.serial)
