"""How a client gets its part of a release: looked up, sent, noted."""

from __future__ import annotations

from functools import partial
from typing import Final

from coffer_protocol.errors import LocalProtocolError
from coffer_protocol.identity import format_id
from coffer_protocol.message import OkGet
from coffer_protocol.question import Fetch

from .channel import Channel
from .errors import WrongSuiteError
from .logs import log
from .service import Service
from .store import rules
from .store.base import Fetched, Known

_LOG_ID_DIGITS: Final = 16


class Recipient:
    """A session's client.

    Attributes:
        client: its id.
        coffer: the coffer that it belonged to at the session's last look at the store.
        serial: that of the release which was current then, or None where that had no shard for it.
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
        """Enough of the client's id to know it by."""
        return format_id(self.client)[:_LOG_ID_DIGITS]

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
        """What the current release has for the client.

        Raises:
            DeniedError: nothing.
        """
        fetched = await self._service.read(partial(self._service.store.fetch, self.client))
        self.coffer, self.serial = fetched.coffer, fetched.serial
        return fetched

    async def give(self, fetched: Fetched) -> None:
        """Send what was fetched.

        Raises:
            WrongSuiteError: it is for the other suite: the client's key was registered anew since its Hello.
        """
        await self._channel.send(self._answer(fetched))
        self._note(fetched)

    def give_now(self, fetched: Fetched) -> bool:
        """Send what was fetched without waiting; what the kernel does not take at once, the channel's `flush` sends.

        Returns:
            False where nothing was sent: the session's own task must try, and say what is wrong.
        """
        try:
            self._channel.send_now(self._answer(fetched))
        except (WrongSuiteError, LocalProtocolError):
            return False
        self._note(fetched)
        return True

    def _answer(self, fetched: Fetched) -> OkGet:
        self._check_suite(rules.SUITE_OF_ALG[fetched.body.alg])
        return OkGet(coffer=fetched.body.encode())

    def _note(self, fetched: Fetched) -> None:
        self.coffer, self.serial = fetched.coffer, fetched.serial
        self._service.adoption.note(fetched.coffer, Fetch(id=self.client, serial=fetched.serial, at=int(self._service.now())))
        log.info("fetch served", client=self.log_id, coffer=fetched.coffer, serial=fetched.serial)
