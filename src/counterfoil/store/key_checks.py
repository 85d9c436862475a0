"""Table ``key_check``: a known word under each key, so that another key of the same id is found at the start."""

from __future__ import annotations

from .cipher import Cipher
from .errors import StoreError
from .pool import Conn
from .rotation import sample_payloads

_WORD = b"counterfoil"


def _aad(key_id: str) -> str:
    return f"key/{key_id}"


async def holds_payloads(conn: Conn) -> bool:
    """Tell whether anything encrypted is stored: a key that is made now could not read it."""
    return bool(await sample_payloads(conn))


async def check(conn: Conn, cipher: Cipher) -> None:
    """See that every known key is the one the database knows under its id, and note those it does not know yet.

    A database of a release that kept no such words is judged by a payload of each kind.

    Raises:
        StoreError: a key has the id of another one (``store.key_differs``).
    """
    known = dict(await (await conn.execute("select key_id, envelope from key_check")).fetchall())
    words = [(key_id, envelope, _aad(key_id)) for key_id, envelope in known.items()]
    for key_id, envelope, aad in words or await sample_payloads(conn):
        if key_id in cipher.key_ids:
            _try(cipher, key_id, bytes(envelope), aad)
    missing = [key_id for key_id in cipher.key_ids if key_id not in known]
    if missing:
        rows = [(key_id, cipher.encrypt_under(key_id, _WORD, _aad(key_id))) for key_id in missing]
        await conn.cursor().executemany("insert into key_check (key_id, envelope) values (%s, %s) on conflict do nothing", rows)


def _try(cipher: Cipher, key_id: str, envelope: bytes, aad: str) -> None:
    try:
        cipher.decrypt(key_id, envelope, aad)
    except StoreError as error:
        raise StoreError(
            f"the key {key_id!r} given is not the key {key_id!r} this database was written with: put the former key back (its file, or the"
            " text the environment gave). Nothing was read or written",
            code="store.key_differs",
        ) from error
