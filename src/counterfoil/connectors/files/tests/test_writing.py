"""Files out: what is written, once, and that broken-off writes and a lost index change nothing."""

from __future__ import annotations

import csv
import json
import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from counterfoil.connectors.files import CONNECTOR
from counterfoil.connectors.files.columns import rows_of
from counterfoil.connectors.files.config import FilesConfig
from counterfoil.connectors.files.deliver import FilesTarget, resolve, send
from counterfoil.connectors.files.disk import SystemDisk
from counterfoil.connectors.files.formats import COLUMNS, FORMATS, OTHER_COLUMNS, OutgoingDocument
from counterfoil.connectors.files.outbox import INDEX, OutboxFolder
from counterfoil.connectors.files.sandbox import FilesSandbox
from counterfoil.connectors.files.tests.test_conformance import DOCUMENT, ENTRY, PAYMENT, command
from counterfoil.core.commands import SPECS, purpose_of
from counterfoil.core.commands.books import Allocate, BookCommand, UpsertCustomer, UpsertProduct
from counterfoil.core.kinds.customer import Address, Customer
from counterfoil.core.kinds.product import PRODUCT
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Purpose
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.connector import Severity
from counterfoil.kit.context import Context
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.requirements import Requirements
from counterfoil.kit.writing import OutcomeStatus

INVOICE = command(1, BookCommand.POST_INVOICE, DOCUMENT)
SECOND = command(2, BookCommand.POST_INVOICE, replace(DOCUMENT, number="I2"))


@pytest.fixture
def sandbox() -> Iterator[FilesSandbox]:
    box = FilesSandbox()
    yield box
    box.remove()


def context(sandbox: FilesSandbox, output: str = "jsonl", outbox: Path | None = None) -> Context:
    settings = FilesConfig.model_validate(
        {"inbox": sandbox.inbox, "outbox": outbox or sandbox.outbox, "namespace": "acme", "output": output}
    )
    return Context("books", settings, HttpClient("http://127.0.0.1", budget=LocalBudget()), SystemClock())


async def sent(ctx: Context, *commands: Command) -> list[OutcomeStatus]:
    return [outcome.status for outcome in await send(ctx, commands, {})]


def keys(sandbox: FilesSandbox, name: str = "post_invoice.jsonl") -> list[str]:
    return [json.loads(line)["external_key"] for line in (sandbox.outbox / name).read_text("utf-8").splitlines()]


async def test_a_document_is_one_json_line_with_its_key_entity_and_canonical_arguments(sandbox: FilesSandbox) -> None:
    assert await sent(context(sandbox), INVOICE) == [OutcomeStatus.DONE]
    line = json.loads((sandbox.outbox / "post_invoice.jsonl").read_text("utf-8"))
    assert (line["external_key"], line["entity"], line["subject"]) == ("post_invoice_files.1", "DE", "invoice/files:1")
    assert line["document"]["total"] == {"currency": "EUR", "minor": 10000}


async def test_csv_rows_carry_major_units_signs_and_quoting(sandbox: FilesSandbox) -> None:
    ctx = context(sandbox, "csv")
    foreign = replace(PAYMENT, is_inbound=False, settled=Money(10850, "USD"))
    for item in (INVOICE, command(4, BookCommand.POST_PAYMENT, foreign), command(5, BookCommand.POST_ENTRY, ENTRY)):
        assert await sent(ctx, item) == [OutcomeStatus.DONE]
    read = {}
    for path in sorted(sandbox.outbox.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            read[path.stem] = list(csv.DictReader(file))
    assert tuple(read["post_invoice"][0]) == COLUMNS
    assert (read["post_invoice"][0]["amount"], read["post_invoice"][0]["memo"]) == ("100.00", 'a "memo",\nof two lines')
    payment = read["post_payment"][0]
    assert (payment["amount"], payment["other_amount"], payment["other_currency"]) == ("-100.00", "-108.50", "USD")
    assert [(row["account"], row["amount"], row["row"], row["rows"]) for row in read["post_entry"]] == [
        ("fees", "5.00", "1", "2"),
        ("clearing:stripe", "-5.00", "2", "2"),
    ]


@pytest.mark.parametrize("output", ["jsonl", "csv"])
async def test_what_a_broken_off_write_left_is_cut_off_by_the_next(sandbox: FilesSandbox, output: str) -> None:
    ctx = context(sandbox, output)
    await sent(ctx, INVOICE)
    path = sandbox.outbox / f"post_invoice.{output}"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[-60:-7])
    await sent(ctx, SECOND)
    written = path.read_bytes()
    assert written.startswith(whole)
    assert b"post_invoice_files.2" in written[len(whole) : len(whole) + 60]


@pytest.mark.parametrize("output", ["jsonl", "csv"])
async def test_a_lost_index_is_rebuilt_and_nothing_is_written_again(sandbox: FilesSandbox, output: str) -> None:
    ctx = context(sandbox, output)
    await sent(ctx, INVOICE, SECOND)
    path = sandbox.outbox / f"post_invoice.{output}"
    whole = path.read_bytes()
    (sandbox.outbox / INDEX).unlink()
    path.write_bytes(whole + whole[-40:-3])
    assert await sent(ctx, INVOICE, SECOND) == [OutcomeStatus.DONE, OutcomeStatus.DONE]
    third = command(3, BookCommand.POST_INVOICE, DOCUMENT)
    await sent(ctx, third)
    assert path.read_bytes().startswith(whole)
    assert path.read_bytes().count(b"post_invoice_files.2") == 1
    assert path.read_bytes().count(b"post_invoice_files.3") == 1


async def test_changing_the_format_writes_nothing_a_second_time(sandbox: FilesSandbox) -> None:
    await sent(context(sandbox, "jsonl"), INVOICE)
    await sent(context(sandbox, "csv"), INVOICE, SECOND)
    assert keys(sandbox) == ["post_invoice_files.1"]
    assert b"post_invoice_files.1" not in (sandbox.outbox / "post_invoice.csv").read_bytes()


async def test_the_same_key_with_other_content_is_refused_and_keeps_the_first(sandbox: FilesSandbox) -> None:
    ctx = context(sandbox)
    changed = replace(INVOICE, id="other", arguments=replace(DOCUMENT, memo="changed"))
    assert await sent(ctx, INVOICE, changed) == [OutcomeStatus.DONE, OutcomeStatus.REFUSED]
    assert [o.status for o in await resolve(ctx, [INVOICE, changed], {})] == [OutcomeStatus.DONE, OutcomeStatus.REFUSED]
    assert keys(sandbox) == ["post_invoice_files.1"]


async def test_resolving_writes_nothing(sandbox: FilesSandbox) -> None:
    outcomes = await resolve(context(sandbox), [INVOICE], {})
    assert [o.status for o in outcomes] == [OutcomeStatus.RETRY]
    assert not (sandbox.outbox / "post_invoice.jsonl").exists()


def _write_many(folder: Path, first: int) -> None:
    outbox = OutboxFolder(folder, FORMATS["jsonl"], SystemDisk())
    for number in range(first, first + 20):
        outbox.write([OutgoingDocument("post_entry", f"k{number}", "c", "DE", "s", b"{}", [])])


def test_two_processes_write_every_key_once(sandbox: FilesSandbox) -> None:
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_write_many, args=(sandbox.outbox, first)) for first in (0, 10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert sorted(keys(sandbox, "post_entry.jsonl")) == sorted(f"k{number}" for number in range(30))


async def test_an_outbox_that_cannot_be_written_is_named_by_the_check(sandbox: FilesSandbox) -> None:
    blocked = sandbox.folder / "file"
    blocked.write_text("")
    requirements = Requirements({}, {}, {}, ())
    (finding,) = await FilesTarget().check(context(sandbox, outbox=blocked / "outbox"), requirements)
    assert finding.severity is Severity.ERROR
    assert finding.remedy
    (fine,) = await FilesTarget().check(context(sandbox, outbox=sandbox.folder / "new" / "outbox"), requirements)
    assert fine.severity is Severity.OK


def test_a_posting_date_is_its_accounting_date() -> None:
    assert rows_of(replace(DOCUMENT, accounting_on=date(2026, 2, 1)))[0]["date"] == "2026-02-01"


@pytest.mark.parametrize("output", ["jsonl", "csv"])
async def test_a_product_is_written_again_when_it_changes_and_the_last_counts(sandbox: FilesSandbox, output: str) -> None:
    ctx = context(sandbox, output)
    ref = PRODUCT.ref("acme:p")
    wishes = [
        Command(f"c{number}", BookCommand.UPSERT_PRODUCT, "files", "DE", ref, "product_acme.p", UpsertProduct("acme:p", name))
        for number, name in enumerate(("Seat", "Chair", "Seat"))
    ]
    for one in (wishes[0], wishes[0], wishes[1], wishes[2], wishes[2]):
        assert await sent(ctx, one) == [OutcomeStatus.DONE]
    looked = [outcome.status for wish in wishes[1:] for outcome in await resolve(ctx, [wish], {})]
    assert looked == [OutcomeStatus.RETRY, OutcomeStatus.DONE]
    (sandbox.outbox / INDEX).unlink()
    assert await sent(ctx, wishes[2]) == [OutcomeStatus.DONE]
    text = (sandbox.outbox / f"upsert_product.{output}").read_text("utf-8")
    assert [name for line in text.splitlines() for name in ("Seat", "Chair") if name in line] == ["Seat", "Chair", "Seat"]


def test_customers_and_matches_have_columns_of_their_own() -> None:
    customer = Customer("acme:c", "Ann Ltd", "a@example.com", address=Address("1 Main St", city="Austin", country="US"))
    [row] = rows_of(UpsertCustomer(customer))
    assert (row["customer_id"], row["name"], row["line1"], row["country"], row["is_deleted"]) == (
        "acme:c",
        "Ann Ltd",
        "1 Main St",
        "US",
        "false",
    )
    assert set(row) <= set(OTHER_COLUMNS["upsert_customer"])
    assert rows_of(Allocate("invoice/acme:1", "payment/acme:2", Money(1050, "EUR"))) == [
        {"debit": "invoice/acme:1", "credit": "payment/acme:2", "amount": "10.50", "currency": "EUR"}
    ]


def test_a_folder_takes_every_kind_of_command_of_the_books() -> None:
    assert set(CONNECTOR.deliver) == {kind for kind in SPECS if purpose_of(kind) is Purpose.BOOKS}
