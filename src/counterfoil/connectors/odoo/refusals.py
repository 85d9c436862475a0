"""What Odoo's exceptions mean, by class name: the one table for both transports (JSON-2 bodies and JSON-RPC ``error.data``)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.errors import HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.responses import Response, StatusRule

_LOCK = re.compile(r"could not serialize|deadlock detected|could not obtain lock", re.IGNORECASE)
_DATABASE = re.compile(
    r"""['"(]*(The\ operation\ cannot\ be\ completed:\ )?['"(]*(
    could\ not\ (extend|open|read|write|fsync|access)\ |no\ space\ left\ |out\ of\ (shared\ )?memory|canceling\ statement\ due\ to\ |
    cannot\ execute\ \w+(\ \w+)*\ in\ a\ read-only\ transaction|terminating\ connection|server\ closed\ the\ connection|
    the\ database\ system\ is\ |connection\ (to\ server\ .*|already\ )(closed|failed)|cursor\ already\ closed|
    current\ transaction\ is\ aborted|too\ many\ (clients|connections)|remaining\ connection\ slots|
    Unknown\ database\ error|Unknown\ error\ during\ import:\ <class\ 'psycopg2\.)""",
    re.IGNORECASE | re.VERBOSE,
)
"""How PostgreSQL's own words begin when it, not Odoo, could not do it (disk full, out of memory, timeout, read-only, shutdown, restart)."""
_MISSING_RIGHT = "You are not allowed to "
_RECORD_RULE = "Uh-oh! Looks like you have stumbled upon "
_COMPANY_CLASHES = ("Incompatible companies on records", "Uh-oh! You’ve got some company inconsistencies here")
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_MESSAGE_MAX = 400


def is_lock_conflict(message: str) -> bool:
    """Whether a ``load`` message is a lost race for a lock: the rows are fine, the batch is to be sent again."""
    return _LOCK.search(message) is not None


def is_database_trouble(message: str) -> bool:
    """Whether a ``load`` message is PostgreSQL's about itself: ``load`` says it as if the row were at fault."""
    return _DATABASE.match(message) is not None


def is_missing_right(message: str) -> bool:
    """Whether a ``load`` message says that the user may not do this with any record of the model: it has no class name to tell by."""
    return message.startswith(_MISSING_RIGHT)


def is_record_rule(message: str) -> bool:
    """Whether a ``load`` message says that the user may not see or touch this record."""
    return message.startswith(_RECORD_RULE)


def is_company_clash(message: str) -> bool:
    """Whether something a record refers to is another company's alone: Odoo names no field then."""
    return message.startswith(_COMPANY_CLASHES)


def is_number_taken(message: str) -> bool:
    """Whether two posted at once in a journal and took the same number: Odoo's database lets only one of them have it."""
    return "Another entry with the same name already exists" in message


@dataclass(frozen=True, slots=True)
class _Rule:
    """One row of the table; ``pattern`` matches the start of the exception's class name."""

    pattern: str
    error: type[TransientError] | type[SetupError] | type[RejectedError]
    code: str
    remedy: str = ""
    is_outcome_unknown: bool = False
    case_class: CaseClass = CaseClass.REJECTED_BY_TARGET


_RULES: tuple[_Rule, ...] = (
    _Rule(r"werkzeug\.exceptions\.Unauthorized", SetupError, "odoo.unauthorized", "Set a valid API key: it is wrong, expired or revoked"),
    _Rule(r"odoo\.exceptions\.AccessDenied", SetupError, "odoo.unauthorized", "Set a valid login and API key"),
    _Rule(r"odoo\.http\.(session\.)?SessionExpired", SetupError, "odoo.unauthorized", "Set a valid API key"),
    _Rule(r"odoo\.exceptions\.AccessError", SetupError, "odoo.forbidden", "Give the integration user the missing right or company"),
    _Rule(r"odoo\.exceptions\.MissingError", RejectedError, "odoo.record_missing", "The record was deleted in Odoo"),
    _Rule(r"odoo\.exceptions\.LockError", TransientError, "odoo.locked"),
    _Rule(r"odoo\.exceptions\.", RejectedError, "odoo.refused"),
    _Rule(
        r"psycopg2\.(errors|extensions)\.(SerializationFailure|TransactionRollback|Deadlock|LockNotAvailable)",
        TransientError,
        "odoo.locked",
    ),
    _Rule(
        r"psycopg2\.(OperationalError|InterfaceError|errors\.(DiskFull|OutOfMemory|ReadOnlySqlTransaction|AdminShutdown|CrashShutdown|"
        r"CannotConnectNow|TooManyConnections))",
        TransientError,
        "odoo.database_away",
        is_outcome_unknown=True,
    ),
    _Rule(r"psycopg2\.", TransientError, "odoo.database_error", is_outcome_unknown=True),
    _Rule(
        r"werkzeug\.exceptions\.NotFound",
        SetupError,
        "odoo.unsupported",
        "This Odoo lacks the model or method; install the module it belongs to",
    ),
    _Rule(r"werkzeug\.exceptions\.(ServiceUnavailable|TooManyRequests)", TransientError, "odoo.unavailable"),
    _Rule(
        r"werkzeug\.exceptions\.",
        RejectedError,
        "odoo.protocol",
        "The call does not fit this Odoo version",
        case_class=CaseClass.SCHEMA_DRIFT,
    ),
    _Rule(r"builtins\.", RejectedError, "odoo.protocol", "The call does not fit this Odoo version", case_class=CaseClass.SCHEMA_DRIFT),
)
"""First match decides. A psycopg2 error other than a lost race may come from the commit itself, so the outcome is unknown."""


def build(name: str, message: str, *, where: str, is_write: bool, retry_after_s: float | None = None) -> HubError:
    """Return the error an exception of Odoo means. ``where`` names the call; the message keeps Odoo's own first lines."""
    words = shortened(message)
    if name.startswith("psycopg2.OperationalError") and _NO_DATABASE.search(message):
        return SetupError(f"{where}: {words}. Set the name of an existing database", code="odoo.database_unknown")
    if name == "odoo.exceptions.UserError" and re.match(r"Object \S+ doesn't exist", message):
        return SetupError(f"{where}: {words}. This Odoo lacks the model; install the module it belongs to", code="odoo.unsupported")
    rule = next((rule for rule in _RULES if re.match(rule.pattern, name)), None)
    if rule is None:
        return RejectedError(f"{where}: {words} ({name})", code="odoo.unexpected", case_class=CaseClass.SCHEMA_DRIFT)
    text = f"{where}: {words}" + (f". {rule.remedy}" if rule.remedy else "")
    if rule.error is TransientError:
        unknown = rule.is_outcome_unknown and is_write
        is_away = rule.code in ("odoo.unavailable", "odoo.database_away")
        return TransientError(text, code=rule.code, retry_after_s=retry_after_s, is_outcome_unknown=unknown, is_unavailable=is_away)
    if rule.error is SetupError:
        return SetupError(text, code=rule.code)
    return RejectedError(text, code=rule.code, case_class=rule.case_class)


def shortened(message: str) -> str:
    """Return the beginning of Odoo's words on one line."""
    words = " ".join(message.split())
    return words if len(words) <= _MESSAGE_MAX else words[:_MESSAGE_MAX] + "..."


def _named(response: Response) -> tuple[str, str] | None:
    """Return class name and message of a JSON-2 error body, None if the body is something else."""
    try:
        body = response.json()
    except TransientError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("name"), str):
        return None
    return body["name"], str(body.get("message", ""))


def _is_named(response: Response) -> bool:
    return response.status >= 400 and _named(response) is not None


def _from_body(response: Response) -> HubError:
    name, message = _named(response) or ("", "")
    return build(name, message, where=response.where, is_write=response.is_write, retry_after_s=response.retry_after_s)


def _is_html(response: Response) -> bool:
    return "html" in response.headers.get("Content-Type", "")


def _is_without_database(response: Response) -> bool:
    return response.status == 404 and _is_html(response) and b"No database is selected" in response.body


def _database_away(response: Response) -> HubError:
    """Odoo says the same of a database whose PostgreSQL is away as of one that does not exist; nothing was done in either case."""
    words = (
        f"{response.where}: Odoo has no such database, or cannot reach it now. If this lasts, see whether its PostgreSQL runs, and whether"
        " database names an existing one"
    )
    return TransientError(words, code="odoo.database_away", is_unavailable=True)


def _not_found(response: Response) -> HubError:
    return SetupError(
        f"{response.where}: no such address or database. Check url and database of the connection", code="odoo.database_unknown"
    )


_status: Callable[[int], Callable[[Response], bool]] = lambda status: lambda response: response.status == status and _is_html(response)  # noqa: E731

STATUSES: tuple[StatusRule, ...] = (
    StatusRule(range(200, 300), None),
    StatusRule(413, RejectedError, "odoo.too_large", remedy="Make the batch sizes of the connection smaller"),
    StatusRule(_is_named, _from_body),
    StatusRule(_is_without_database, _database_away),
    StatusRule(_status(404), _not_found),
)
"""The table for the kit's HTTP client: Odoo's own bodies first, the kit's defaults for everything else."""
