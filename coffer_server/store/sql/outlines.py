"""The outlines of current releases in the database. A server that has just started reads them instead of all members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from ..snapshot import Leaf, Outline
from . import history
from .schema import IS_CURRENT, members, outlines, releases

_LEAVES: Final = (
    select(members.c.client, members.c.alg, members.c.since, members.c.sha256, members.c.blob_bytes)
    .where(members.c.coffer == bindparam("coffer"), IS_CURRENT)
    .order_by(members.c.client)
)
_LAST: Final = select(releases.c.coffer, func.max(releases.c.serial).label("serial")).group_by(releases.c.coffer)


def leaves(connection: Connection, coffer: str) -> Iterator[Leaf]:
    """Yield the leaves of the tree of a coffer's current release, read one by one."""
    rows = connection.execute(_LEAVES, {"coffer": coffer}, execution_options={"yield_per": history.ROWS_AT_A_TIME})
    return (Leaf(*row) for row in rows)


def keep(connection: Connection, coffer: str, serial: int, outline: Outline) -> None:
    """Write the outline of a release in the place of the former release's outline."""
    connection.execute(outlines.delete().where(outlines.c.coffer == coffer))
    connection.execute(outlines.insert(), {"coffer": coffer, "serial": serial, "outline": outline.to_bytes()})


def rebuild(connection: Connection) -> None:
    """Make the outlines of all coffers from the members."""
    connection.execute(outlines.delete())
    for coffer, serial in connection.execute(_LAST).all():
        keep(connection, coffer, serial, Outline.of(coffer, leaves(connection, coffer)))


def wrong(connection: Connection) -> str | None:
    """Return the first coffer whose outline differs from its members, or None if all agree. A missing outline is not wrong."""
    last = {row.coffer: row.serial for row in connection.execute(_LAST)}
    for coffer, serial, outline in connection.execute(select(outlines)).all():
        if serial != last.get(coffer) or outline != Outline.of(coffer, leaves(connection, coffer)).to_bytes():
            return str(coffer)
    return None
