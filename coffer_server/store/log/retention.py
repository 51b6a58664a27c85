"""Retention: deletes what no held release has, in an open transaction."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BindParameter, Connection, and_, bindparam, case, exists, func, select

from .. import rules
from ..base import Retention
from ..events import Pruned
from ..sql.schema import blobs, fetches, members, receipts, releases

# Rows in one statement, and so in memory, however much is deleted.
_ROWS_AT_A_TIME: Final = 1000

_COFFERS: Final = (
    select(
        releases.c.coffer,
        func.min(releases.c.serial).label("first"),
        func.max(case((releases.c.committed <= bindparam("long_ago"), releases.c.serial))).label("aged"),
    )
    .where(releases.c.held)
    .group_by(releases.c.coffer)
)
# Serials have gaps, so that the last ten releases are not those of the last ten serials.
_LAST_SERIALS: Final = select(releases.c.serial).where(releases.c.coffer == bindparam("of_coffer")).order_by(releases.c.serial.desc())
_UNHOLD: Final = (
    releases.update()
    .where(releases.c.coffer == bindparam("of_coffer"), releases.c.held, releases.c.serial < bindparam("first"))
    .values(held=False)
)
_ENDED: Final = (
    select(members.c.coffer, members.c.client, members.c.from_serial, members.c.since, members.c.alg, members.c.sha256)
    .where(members.c.coffer == bindparam("of_coffer"), members.c.until_serial <= bindparam("first"))
    .limit(_ROWS_AT_A_TIME)
)
_OF_ROW: Final[dict[str, BindParameter[Any]]] = {
    name: bindparam(f"of_{name}") for name in ("coffer", "client", "from_serial", "since", "alg", "sha256")
}
_DELETE_MEMBER: Final = members.delete().where(
    members.c.coffer == _OF_ROW["coffer"], members.c.client == _OF_ROW["client"], members.c.from_serial == _OF_ROW["from_serial"]
)
_BLOB_KEY: Final = ("coffer", "client", "since", "alg", "sha256")
_DELETE_BLOB: Final = blobs.delete().where(
    *(blobs.c[name] == _OF_ROW[name] for name in _BLOB_KEY),
    ~exists().where(and_(*(members.c[name] == blobs.c[name] for name in _BLOB_KEY))),
)
_DELETE_ADOPTION: Final = tuple(
    table.delete().where(
        table.c.coffer == _OF_ROW["coffer"],
        table.c.client == _OF_ROW["client"],
        ~exists().where(members.c.coffer == table.c.coffer, members.c.client == table.c.client),
    )
    for table in (fetches, receipts)
)


def due(connection: Connection, retention: Retention, *, now: int) -> list[Pruned]:
    """Return what retention must delete now. For each coffer with something to delete, this names the first release that is held."""
    coffers = connection.execute(_COFFERS, {"long_ago": now - retention.age_s}).all()
    found = [(row, Pruned(coffer=row.coffer, first=_held_from(connection, retention, row))) for row in coffers]
    return [pruned for row, pruned in found if row.first < pruned.first]


def _held_from(connection: Connection, retention: Retention, row: Any) -> int:
    kept = connection.scalar(_LAST_SERIALS.offset(retention.releases - 1).limit(1), {"of_coffer": row.coffer})
    return rules.held_from(kept=kept, aged=row.aged)


def delete(connection: Connection, pruned: Pruned) -> int:
    """Delete what only releases before the first held one have, and return the number of deleted blobs."""
    of_coffer: dict[str, Any] = {"of_coffer": pruned.coffer, "first": pruned.first}
    connection.execute(_UNHOLD, of_coffer)
    deleted_blobs = 0
    while rows := connection.execute(_ENDED, of_coffer).all():
        keys = [{f"of_{name}": value for name, value in row._mapping.items()} for row in rows]
        connection.execute(_DELETE_MEMBER, keys)
        deleted_blobs += connection.execute(_DELETE_BLOB, keys).rowcount
        for statement in _DELETE_ADOPTION:
            connection.execute(statement, keys)
    return deleted_blobs
