"""What a person decides, kept as a receipt of the source ``people``: logged, encrypted, counted, read and replayed like any delivery, and
told in the audit.
"""

from __future__ import annotations

from counterfoil.app.database import Database
from counterfoil.core.kinds.intent import Intent
from counterfoil.normalize.people import incoming
from counterfoil.store import audit, receipts
from counterfoil.store.audit import AuditLine
from counterfoil.store.pool import Conn


async def keep(conn: Conn, database: Database, intent: Intent, seen: str = "") -> bool:
    """Keep an intent in the caller's transaction; False if the same was said of the same already (``seen``: see ``incoming``)."""
    appended = await receipts.append(conn, database.cipher, [incoming(intent, seen)], intent.decided_at)
    await database.arm(conn, appended.touched)
    return not appended.duplicates


async def note(conn: Conn, database: Database, intent: Intent, seen: str = "") -> bool:
    """Keep an intent with its line in the audit: who, what and when. Why is in the receipt alone, which is encrypted."""
    if not await keep(conn, database, intent, seen):
        return False
    detail = {name: value for name, value in (("about", intent.about), ("until", intent.until and intent.until.isoformat())) if value}
    await audit.append(conn, AuditLine(intent.decided_at, intent.actor, intent.verb, intent.subject, detail))
    return True
