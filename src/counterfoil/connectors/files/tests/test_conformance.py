"""The files connector against the kit's suite."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from counterfoil.connectors.files import CONNECTOR
from counterfoil.connectors.files.config import FilesConfig
from counterfoil.connectors.files.disk import SystemDisk
from counterfoil.connectors.files.pull import FilesSource
from counterfoil.connectors.files.sandbox import FailingDisk, FilesSandbox
from counterfoil.core.commands.books import (
    Account,
    AccountRole,
    Allocate,
    BookCommand,
    DocumentLine,
    EntryLine,
    PostDocument,
    PostEntry,
    PostPayment,
    Unmatch,
    UpsertCustomer,
    UpsertProduct,
)
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.commands import Arguments, Command, CommandKind
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.money import Money
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.conformance import Conformance, Harness, Sample
from counterfoil.kit.context import Context
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.sandbox import FaultSwitch

FILES = {
    "customers.csv": "id,name,country,tax_id_type,tax_id\n1,Blue Harbor,DE,eu_vat,DE123456789\n2,Green Hill,US,,\n",
    "products.jsonl": '{"id": "p1", "name": "Seat", "is_active": true}\n{"id": "p2", "name": "Old seat", "is_active": false}\n',
    "invoices-2026-01.csv": (
        "id,customer_id,currency,issued_on,total,description,amount,tax_rate_id,tax_amount\n"
        "I1,1,EUR,2026-01-15,238.00,Seats,100.00,vat19,19.00\n"
        "I1,,,,,Support,100.00,vat19,19.00\n"
        "I2,2,JPY,2026-01-20,5000,Seats,5000,,\n"
    ),
    "credit_notes.csv": "id,invoice_id,customer_id,currency,issued_on,total,description,amount\nC1,I2,2,JPY,2026-01-25,500,Goodwill,500\n",
    "payments.csv": "id,customer_id,currency,amount,paid_on,invoice_id,applied\nP1,1,EUR,300.00,2026-01-31,I1,238.00\n",
    "refunds.csv": "id,payment_id,currency,amount,refunded_on,credit_note_id\nR1,P1,EUR,62.00,2026-02-01,\n",
    "journal_entries.csv": (
        "id,entity,effective_on,currency,account,debit,credit\nO1,DE,2025-12-31,EUR,1200,1000.00,\nO1,DE,2025-12-31,EUR,3000,,1000.00\n"
    ),
}

LINE = DocumentLine("Seats", Money(10000, "EUR"), Account(AccountRole.REVENUE))
DAY = date(2026, 1, 15)
DOCUMENT = PostDocument(
    "files:1", "EUR", DAY, DAY, DAY, Money(10000, "EUR"), Money(0, "EUR"), (LINE,), number="I1", memo='a "memo",\nof two lines'
)
PAYMENT = PostPayment("files:1", Money(10000, "EUR"), True, DAY, Account(AccountRole.OUT_OF_BAND))
ENTRY = PostEntry(
    DAY,
    (
        EntryLine(Account(AccountRole.FEES), Money(500, "EUR")),
        EntryLine(Account(AccountRole.CLEARING, "stripe"), Money(-500, "EUR")),
    ),
)


def command(number: int, kind: CommandKind, arguments: Arguments) -> Command:
    subject = INVOICE.ref(f"files:{number}")
    return Command(
        f"cmd{number}", kind, "files", "DE", subject, f"{kind.value}_files.{number}", arguments, produces=NeedKey(f"{kind.value}/{number}")
    )


class FilesHarness(Harness):
    """A fresh folder per check."""

    connector = CONNECTOR
    read_path = "^GET /inbox/"
    write_path = "^(POST|PUT) /outbox/"
    missing_ref = "customers/nobody"
    output = "jsonl"

    def __init__(self) -> None:
        self.sandbox = FilesSandbox()
        self.read: tuple[Sample, ...] = ()

    async def open(self) -> Context:
        for name, text in FILES.items():
            self.sandbox.put(name, text)
        settings = FilesConfig.model_validate(
            {"inbox": self.sandbox.inbox, "outbox": self.sandbox.outbox, "namespace": "files", "output": self.output}
        )
        state = {"files.disk": FailingDisk(self.sandbox.switch, SystemDisk())}
        ctx = Context("files", settings, HttpClient("http://127.0.0.1", budget=LocalBudget()), SystemClock(), state)
        page = await FilesSource().poll(replace(ctx, state={}), "")
        self.read = tuple(Sample(delivery.shard_key, delivery) for delivery in page.deliveries)
        return ctx

    async def close(self) -> None:
        await self.sandbox.stop()

    def switch(self) -> FaultSwitch:
        return self.sandbox.switch

    def samples(self) -> Sequence[Sample]:
        return self.read

    async def change(self, ctx: Context) -> None:
        self.sandbox.put("customers-new.csv", "id,name\n3,Red Valley\n")

    def commands(self) -> Sequence[Command]:
        return (
            command(1, BookCommand.POST_INVOICE, DOCUMENT),
            command(2, BookCommand.POST_INVOICE, replace(DOCUMENT, number="I2", lines=(LINE, LINE), total=Money(20000, "EUR"))),
            command(3, BookCommand.POST_CREDIT_NOTE, replace(DOCUMENT, reverses="post_invoice_files.1")),
            command(4, BookCommand.POST_PAYMENT, PAYMENT),
            command(5, BookCommand.POST_ENTRY, ENTRY),
            command(6, BookCommand.UPSERT_CUSTOMER, UpsertCustomer(Customer("files:c", "Ann Ltd"))),
            command(7, BookCommand.UPSERT_PRODUCT, UpsertProduct("files:p", "Seat")),
            command(8, BookCommand.ALLOCATE, Allocate("invoice/files:1", "payment/files:4", Money(100, "EUR"))),
            command(9, BookCommand.UNMATCH, Unmatch("invoice/files:1", "payment/files:4")),
        )

    def refusable(self) -> Command | None:
        # The same document again with another content.
        return replace(self.commands()[0], id="cmd9", arguments=replace(DOCUMENT, memo="changed"))

    async def count(self, ctx: Context, wanted: Command) -> int:
        path = self.sandbox.outbox / f"{wanted.kind.value}.jsonl"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return sum(json.loads(line)["external_key"] == wanted.external_key for line in lines)


class CsvHarness(FilesHarness):
    """The same, writing CSV."""

    output = "csv"

    async def count(self, ctx: Context, wanted: Command) -> int:
        path = self.sandbox.outbox / f"{wanted.kind.value}.csv"
        text = path.read_text("utf-8") if path.exists() else ""
        # The first row of each document has the row number 1 in its third column.
        return sum(line.startswith(f"{wanted.external_key},") and line.split(",")[2] == "1" for line in text.splitlines())


class TestConformance(Conformance):
    harness = FilesHarness


class TestCsvConformance(Conformance):
    harness = CsvHarness
