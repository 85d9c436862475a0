"""The Odoo connector: books documents, payments, entries and matches in Odoo 17, 18 and 19, and reports what changes there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from counterfoil.connectors.odoo import (
    deliver_customers,
    deliver_documents,
    deliver_entries,
    deliver_matches,
    deliver_payments,
    deliver_products,
)
from counterfoil.connectors.odoo.advice import advised
from counterfoil.connectors.odoo.capture import OdooSource
from counterfoil.connectors.odoo.client import http_client
from counterfoil.connectors.odoo.config import OdooConfig, OdooIntake, account_code
from counterfoil.connectors.odoo.existing import OdooExisting
from counterfoil.connectors.odoo.links import link
from counterfoil.connectors.odoo.partitions import partition_of
from counterfoil.connectors.odoo.target import OdooTarget
from counterfoil.connectors.odoo.whereabouts import whereabouts
from counterfoil.core.commands.books import BookCommand
from counterfoil.core.proving.items import AccountingPeriod, ProofItem
from counterfoil.kit.connector import Connector
from counterfoil.kit.questions import Question
from counterfoil.kit.writing import CommandWriter, Send

_ABSENT = (
    "load with mode=update and noupdate inserts only what is absent, record and external id in one transaction; the state is read before"
    " anything is posted"
)
_UPSERT = "load by external id writes the same values again"
_PAIR = "a match is inserted only if absent; one made by Odoo closes a line and is found as the pair's before anything is done again"
_GONE = "only matches that exist are removed"


def _sandbox(*args: Any, **options: Any) -> Any:
    """Return a new simulator; imported only when one is wanted, since a worker never needs it."""
    from counterfoil.connectors.odoo.sandbox import OdooSandbox

    return OdooSandbox(*args, **options)


def _books_proof(settings: OdooConfig, entity: str, period: AccountingPeriod, processors: Sequence[str]) -> AsyncIterator[ProofItem]:
    """Read books for the proof; its plain client is loaded only when one is made."""
    from counterfoil.connectors.odoo.proof import items

    return items(settings, entity, period, processors)


def _delivery(send: Send, reason: str, batch_size_max: int, *, overwrites: bool = False) -> CommandWriter:
    """Return a delivery that may always be sent again, as ``reason`` says; its refusals say what to do."""
    careful = advised(send)
    return CommandWriter(careful, careful, reason, batch_size_max=batch_size_max, overwrites=overwrites)


_SOURCE, _BOOKS = OdooSource(), OdooTarget()
_DOCUMENT = _delivery(deliver_documents.send, _ABSENT, 200)

CONNECTOR = Connector(
    name="odoo",
    config=OdooConfig,
    intake=OdooIntake,
    client=http_client,
    source=_SOURCE,
    fetches=_SOURCE,
    polls=_SOURCE,
    backfills=_SOURCE,
    books=_BOOKS,
    lists=_BOOKS,
    adopts=OdooExisting(),
    batch_key=lambda _settings, command: partition_of(command),
    deliver={
        BookCommand.UPSERT_CUSTOMER: _delivery(deliver_customers.send_customers, _UPSERT, 800, overwrites=True),
        BookCommand.UPSERT_PRODUCT: _delivery(deliver_products.send_products, _UPSERT, 800, overwrites=True),
        BookCommand.POST_INVOICE: _DOCUMENT,
        BookCommand.POST_CREDIT_NOTE: _DOCUMENT,
        BookCommand.POST_PAYMENT: _delivery(deliver_payments.send, _ABSENT, 400),
        BookCommand.POST_ENTRY: _delivery(deliver_entries.send, _ABSENT, 800),
        # Inserts only what is absent, and absent it is again once it was undone.
        BookCommand.ALLOCATE: _delivery(deliver_matches.send, _PAIR, 400, overwrites=True),
        # Removes the matches it found, by their ids: one that comes late finds none of them, and touches no newer one.
        BookCommand.UNMATCH: _delivery(deliver_matches.send_unmatch, _GONE, 400),
    },
    sandbox=_sandbox,
    whereabouts=whereabouts,
    account_code=account_code,
    booking_settings=("database", "namespace", "companies"),
    books_proof=_books_proof,
    link=link,
    asks=(
        Question("url", "url", "Address of the Odoo that keeps the books, e.g. https://example.odoo.com.", is_needed=True),
        Question("database", "db", "Its database.", is_needed=True),
        Question("login", "login", "The user the key belongs to."),
        Question("api_key", "key-env", "Environment variable that holds its API key.", default="ODOO_KEY", is_secret=True),
    ),
)
