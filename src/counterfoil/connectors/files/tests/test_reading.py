"""Files in: what rows become, what is parked and with which line, and that nothing is read twice or missed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from counterfoil.connectors.files import CONNECTOR, pull
from counterfoil.connectors.files.config import FilesConfig
from counterfoil.connectors.files.layouts import LAYOUTS
from counterfoil.connectors.files.normalize import normalize
from counterfoil.connectors.files.pull import FilesSource
from counterfoil.connectors.files.records import records
from counterfoil.connectors.files.sandbox import FilesSandbox
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.credit_note import CreditNote
from counterfoil.core.kinds.customer import Address, Customer, CustomerEvent, TaxId
from counterfoil.core.kinds.invoice import Invoice, InvoiceEvent, LineTax
from counterfoil.core.kinds.journal_entry import ImportedEntry
from counterfoil.core.kinds.payment import Application, Payment
from counterfoil.core.kinds.refund import Refund, RefundEvent
from counterfoil.core.language.money import Money
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.connector import Delivery
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError, SetupError
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget


@pytest.fixture
def sandbox() -> Iterator[FilesSandbox]:
    box = FilesSandbox()
    yield box
    box.remove()


def config(sandbox: FilesSandbox, **options: Any) -> FilesConfig:
    return FilesConfig.model_validate({"inbox": sandbox.inbox, "outbox": sandbox.outbox, "namespace": "acme", **options})


def context(sandbox: FilesSandbox, **options: Any) -> Context:
    return Context("history", config(sandbox, **options), HttpClient("http://127.0.0.1", budget=LocalBudget()), SystemClock())


async def read(ctx: Context, cursor: str = "") -> tuple[list[Delivery], str]:
    found: list[Delivery] = []
    while True:
        page = await FilesSource().poll(ctx, cursor)
        found.extend(page.deliveries)
        cursor = page.cursor
        if not page.has_more:
            return found, cursor


async def facts(sandbox: FilesSandbox, name: str, text: str, **options: Any) -> list[Fact]:
    sandbox.put(name, text)
    ctx = context(sandbox, **options)
    deliveries, _ = await read(ctx)
    assert [d.parked for d in deliveries if d.parked] == []
    results = [normalize(ctx.settings, d) for d in deliveries]
    return [fact for result in results if isinstance(result, tuple) for fact in result]


async def refusal(sandbox: FilesSandbox, name: str, text: str) -> RejectedError:
    with pytest.raises(RejectedError) as caught:
        await facts(sandbox, name, text)
    return caught.value


async def parked(sandbox: FilesSandbox, name: str, text: str | bytes, **options: Any) -> list[str]:
    (sandbox.inbox / name).write_bytes(text.encode() if isinstance(text, str) else text)
    deliveries, _ = await read(context(sandbox, **options))
    assert all(d.parked.startswith(f"{name}: ") for d in deliveries if d.parked)  # rows that are wrong alike share a case: no line in it
    return [d.place + d.parked.removeprefix(name) if d.parked else "" for d in deliveries]


async def test_invoice_rows_of_one_id_become_one_invoice_with_exact_amounts(sandbox: FilesSandbox) -> None:
    text = (
        "id,customer_id,currency,issued_on,due_on,total,number,description,amount,discount,quantity,tax_rate_id,tax_percentage,tax_amount,tax_inclusive\n"
        "I1,7,eur,2026-01-15,2026-02-14,129.00,R-1,Seats,100.00,10.00,2,vat19,19,17.10,\n"
        "I1,,,,,,,Book,21.90,,,vat7,7,1.43,true\n"
    )
    (fact,) = await facts(sandbox, "invoices.csv", text, time_zone="Asia/Tokyo")
    invoice = fact.data
    assert isinstance(invoice, Invoice)
    assert (fact.type, invoice.id, invoice.customer_id, invoice.number) == (InvoiceEvent.ISSUED, "acme:I1", "acme:7", "R-1")
    # 100.00 - 10.00 + 17.10 on top, and 21.90 with its tax in it.
    assert (invoice.total, invoice.tax) == (Money(12900, "EUR"), Money(1853, "EUR"))
    # Noon in Tokyo is three in the morning in UTC.
    assert invoice.issued_at == datetime(2026, 1, 15, 3, tzinfo=UTC)
    assert invoice.lines[0].taxes == (LineTax("acme:vat19", Money(1710, "EUR"), Money(9000, "EUR"), False, Decimal(19)),)
    assert invoice.lines[1].taxes == (LineTax("acme:vat7", Money(143, "EUR"), Money(2047, "EUR"), True, Decimal(7)),)
    assert [line.quantity for line in invoice.lines] == [Decimal(2), Decimal(1)]


async def test_json_lines_hold_the_same_columns_and_numbers_keep_their_digits(sandbox: FilesSandbox) -> None:
    text = (
        '{"id": 17, "customer_id": "stripe:cus_1", "currency": "BHD", "amount": 10.005, "paid_on": "2026-01-31T23:30:00-02:00",'
        ' "invoice_id": "I1"}\n'
        "\n"
        '{"id": "18", "customer_id": "2", "currency": "JPY", "amount": "500", "paid_on": "2026-02-01", "is_out_of_band": false,'
        ' "method": null}\n'
    )
    first, second = (fact.data for fact in await facts(sandbox, "payments-jan.jsonl", text))
    assert isinstance(first, Payment)
    assert isinstance(second, Payment)
    assert (first.id, first.customer_id, first.amount) == ("acme:17", "stripe:cus_1", Money(10005, "BHD"))
    assert first.occurred_at == datetime(2026, 2, 1, 1, 30, tzinfo=UTC)
    assert first.applications == (Application("acme:I1", Money(10005, "BHD")),)
    assert (second.amount, second.is_out_of_band, second.applications) == (Money(500, "JPY"), False, ())


async def test_the_last_tick_of_a_year_is_not_rounded_into_the_next(sandbox: FilesSandbox) -> None:
    # Seven decimals, as .NET ends a day (findings/last_tick_of_a_year.sh).
    (fact,) = await facts(sandbox, "payments.csv", "id,customer_id,currency,amount,paid_on\nP,1,USD,5,2026-12-31T23:59:59.9999999Z\n")
    assert isinstance(fact.data, Payment)
    assert fact.data.occurred_at == datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


async def test_one_payment_may_pay_several_invoices_and_leave_a_rest(sandbox: FilesSandbox) -> None:
    text = "id,customer_id,currency,amount,paid_on,invoice_id,applied\nP,1,USD,100,2026-01-01,A,60\nP,1,USD,100,2026-01-01,B,30.5\n"
    (fact,) = await facts(sandbox, "payments.csv", text)
    assert isinstance(fact.data, Payment)
    assert fact.data.applications == (Application("acme:A", Money(6000, "USD")), Application("acme:B", Money(3050, "USD")))


async def test_opening_balances_are_entries_whose_debits_equal_their_credits(sandbox: FilesSandbox) -> None:
    header = "id,entity,effective_on,currency,account,debit,credit,customer_id\n"
    rows = "O1,DE,2025-12-31,EUR,receivable,1000.00,,1\nO1,DE,2025-12-31,EUR,3000,,1000.00,\n"
    (fact,) = await facts(sandbox, "journal_entries.csv", header + rows)
    assert isinstance(fact.data, ImportedEntry)
    assert fact.data.effective_on == date(2025, 12, 31)
    assert [(line.account, line.amount.minor, line.customer_id) for line in fact.data.lines] == [
        ("receivable", 100000, "acme:1"),
        ("3000", -100000, ""),
    ]
    error = await refusal(sandbox, "journal_entries.csv", header + rows.replace(",,1000.00,", ",,999.99,"))
    assert str(error) == "journal_entries.csv line 2, debit: debits and credits of the entry differ by 0.01 EUR"


async def test_customers_and_products_carry_their_fields(sandbox: FilesSandbox) -> None:
    text = '\ufeffid;name;city;country;tax_id_type;tax_id;merged_into\n1;"Blue ""Harbor""; Ltd";Köln;de;eu_vat;DE123456789;\n2;Twin;;;;;1\n'
    first, second = await facts(sandbox, "customers.csv", text, delimiter=";")
    assert isinstance(first.data, Customer)
    assert first.data.name == 'Blue "Harbor"; Ltd'
    assert first.data.address == Address(city="Köln", country="DE")
    assert first.data.tax_ids == (TaxId("eu_vat", "DE123456789"),)
    assert isinstance(second.data, Customer)
    assert (second.type, second.data.merged_into) == (CustomerEvent.MERGED, "acme:1")


async def test_a_credit_note_and_a_refund_point_to_what_they_reduce(sandbox: FilesSandbox) -> None:
    text = "id,invoice_id,customer_id,currency,issued_on,total,description,amount,before_payment\nC,I,1,USD,2026-01-02,30,Late,30,10\n"
    (note,) = await facts(sandbox, "credit_notes.csv", text)
    assert isinstance(note.data, CreditNote)
    assert (note.data.invoice_id, note.data.before_payment, note.data.after_payment) == ("acme:I", Money(1000, "USD"), Money(2000, "USD"))
    (sandbox.inbox / "credit_notes.csv").unlink()
    (refund,) = await facts(sandbox, "refunds.csv", "id,payment_id,currency,amount,refunded_on\nR,P,USD,5,2026-01-03\n")
    assert isinstance(refund.data, Refund)
    assert (refund.type, refund.data.payment_id, refund.data.amount) == (RefundEvent.SUCCEEDED, "acme:P", Money(500, "USD"))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("P,1,USD,1.234,2026-01-01", "amount: is not a plain decimal with at most 2 decimals (USD), such as 12.30"),
        ('P,1,USD,"1,000.00",2026-01-01', "amount: is not a plain decimal"),
        ("P,1,USD,1e3,2026-01-01", "amount: is not a plain decimal"),
        ("P,1,USD,10000000000000.00,2026-01-01", "amount: is more than any amount can be"),
        ("P,1,USD,92233720368547758.08,2026-01-01", "amount: is more than any amount can be"),
        ("P,1,JPY,-1000000000000000,2026-01-01", "amount: is more than any amount can be"),
        ("P,1,USD,NaN,2026-01-01", "amount: is not a plain decimal"),
        ("P,1,USD,-5,2026-01-01", "amount: must be positive"),
        ("P,1,JPY,0.5,2026-01-01", "at most 0 decimals (JPY)"),
        ("P,1,US,5,2026-01-01", "currency: is not an ISO 4217 code"),
        ("P,1,USD,5,01/02/2026", "paid_on: is not a date such as 2026-03-31"),
        ("P,1,USD,5,2026-01-01T00:00:00", "paid_on: is not a date"),
        ("P,,USD,5,2026-01-01", "customer_id: is empty"),
        ("a:P,1,USD,5,2026-01-01", "id: must not contain a colon"),
    ],
)
async def test_a_wrong_value_is_refused_with_file_line_and_column(sandbox: FilesSandbox, row: str, words: str) -> None:
    error = await refusal(sandbox, "payments.csv", f"id,customer_id,currency,amount,paid_on\n{row}\n")
    assert str(error).startswith("payments.csv line 2, ")
    assert words in str(error)


async def test_the_largest_amount_is_a_minor_unit_below_ten_to_the_fifteenth(sandbox: FilesSandbox) -> None:
    (fact,) = await facts(sandbox, "payments.csv", "id,customer_id,currency,amount,paid_on\nP,1,USD,9999999999999.99,2026-01-01\n")
    assert isinstance(fact.data, Payment)
    assert fact.data.amount == Money(10**15 - 1, "USD")


@pytest.mark.parametrize("column", ["total", "amount", "discount", "tax_amount"])
async def test_no_amount_of_a_document_may_be_more_than_any_can_be(sandbox: FilesSandbox, column: str) -> None:
    values = {"total": "5", "amount": "5", "discount": "", "tax_amount": "", column: "92233720368547758.07"}
    header = f"id,customer_id,currency,issued_on,description,tax_rate_id,{','.join(values)}\n"
    error = await refusal(sandbox, "invoices.csv", f"{header}I1,1,USD,2026-01-01,a,vat,{','.join(values.values())}\n")
    assert str(error) == f"invoices.csv line 2, {column}: is more than any amount can be"


async def test_a_document_whose_lines_do_not_sum_to_its_total_is_an_amount_mismatch(sandbox: FilesSandbox) -> None:
    header = "id,customer_id,currency,issued_on,total,description,amount\n"
    error = await refusal(sandbox, "invoices.csv", header + "I1,1,USD,2026-01-01,10.00,a,9.99\n")
    assert (error.case_class, "9.99 USD" in str(error)) == ("amount_mismatch", True)
    error = await refusal(sandbox, "invoices.csv", header + "I1,1,USD,2026-01-01,10,a,5\nI1,2,USD,2026-01-01,10,b,5\n")
    assert "line 3, customer_id: differs from the first row of the same document" in str(error)


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("id,name\n1,a\n2,b,c\n3,d\n", ["", "customers.csv line 3: has 3 fields where the header has 2", ""]),
        ("id,name\n1,a\n,b\n", ["", "customers.csv line 3: the id is missing or longer than 200 characters"]),
        ('id,name\n1,"a\nb"\n2,"c\n3,d\n', ["", "customers.csv line 4: the record is longer than", ""]),
        (b"id,name\n1,a\n2,\xff\n", ["", "customers.csv line 3: is not utf-8 at byte 3 of the record"]),
        ("id,name,adress\n1,a,b\n", ["customers.csv line 1: unknown column 'adress'"]),
        ("id\n1\n", ["customers.csv line 1: the column 'name' is missing"]),
        ("id,name,id\n1,a,1\n", ["customers.csv line 1: the column 'id' is there twice"]),
        ("id,name\n1,a\n2,x\0y\n3,b\n", ["", "customers.csv line 3: holds a NUL character", ""]),
        ("", []),
        ("id,name\n", []),
        ("id,name\n\n1,a", [""]),
    ],
)
async def test_rows_that_cannot_be_read_park_with_their_line_and_the_rest_goes_on(
    sandbox: FilesSandbox, text: str | bytes, reasons: list[str]
) -> None:
    found = await parked(sandbox, "customers.csv", text)
    assert len(found) == len(reasons)
    for reason, expected in zip(found, reasons, strict=True):
        assert reason.startswith(expected) if expected else not reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"id": "1", "name": {"first": "a"}}', "name must be a text, a number, true, false or null"),
        ('{"id": "1", "name": "a", "colour": "b"}', "unknown column 'colour'"),
        ('{"id": NaN, "name": "a"}', "NaN is not a number"),
        ("[" * 100_000, "is not JSON"),
        ('{"name": "a"}', "the id is missing"),
        (r'{"id": "2", "name": "x\ud800y"}', r"name holds half of a surrogate pair (\ud800 to \udfff), which is no character"),
        (r'{"id": "2", "name": "x\u0000y"}', "holds a NUL character"),
        (r'{"id": "\udc00", "name": "x"}', "id holds half of a surrogate pair"),
        (r'{"id": "2", "name": "x", "\ud800": "y"}', r"\ud800 holds half of a surrogate pair"),
        (r'{"id": "2", "name": "x", "\ud800": []}', r"\ud800 must be a text"),
    ],
)
async def test_json_lines_that_cannot_be_read_park_too(sandbox: FilesSandbox, row: str, reason: str) -> None:
    good = '{"id": "1", "name": "a"}'
    found = await parked(sandbox, "customers.jsonl", f"{good}\n{row}\n{good}\n")
    assert (len(found), found[0], found[2]) == (3, "", "")
    assert found[1].startswith(f"customers.jsonl line 2: {reason}")


async def test_both_halves_of_a_surrogate_pair_are_the_character_they_stand_for(sandbox: FilesSandbox) -> None:
    (fact,) = await facts(sandbox, "customers.jsonl", r'{"id": "1", "name": "\ud83d\ude00 Ltd"}')
    assert isinstance(fact.data, Customer)
    assert fact.data.name == "\U0001f600 Ltd"


async def test_a_file_whose_name_says_no_layout_is_parked_and_unfinished_ones_are_left_alone(sandbox: FilesSandbox) -> None:
    for name in (".hidden.csv", "customers.csv.part", "customers.tmp"):
        (sandbox.inbox / name).write_text("x")
    (found,) = await parked(sandbox, "custmers.csv", "id,name\n")
    assert "the name says no layout" in found


async def test_a_document_of_too_many_rows_is_parked_as_one(sandbox: FilesSandbox) -> None:
    rows = "".join(f"I1,1,USD,2026-01-01,1,a{i},1\n" for i in range(1003)) + "I2,1,USD,2026-01-01,1,b,1\n"
    found = await parked(sandbox, "invoices.csv", "id,customer_id,currency,issued_on,total,description,amount\n" + rows)
    assert found == ["invoices.csv line 2: more than 1000 rows of one id", ""]


async def test_the_same_file_again_under_any_name_gives_the_same_keys(sandbox: FilesSandbox) -> None:
    text = "id,name\n1,a\n2,b\n"
    ctx = context(sandbox)
    sandbox.put("customers.csv", text)
    first, cursor = await read(ctx)
    sandbox.put("customers-again.csv", text)
    second, _ = await read(ctx, cursor)
    assert {d.dedupe_key for d in second} == {d.dedupe_key for d in first}
    assert len({d.dedupe_key for d in first}) == 2


async def test_a_corrected_file_is_read_again_and_wins_by_its_time(sandbox: FilesSandbox) -> None:
    ctx = context(sandbox)
    sequences = []
    cursor = ""
    for moment, name in ((1_000_000, "Old"), (2_000_000, "New")):
        sandbox.put("customers.csv", f"id,name\n1,{name}\n")
        os.utime(sandbox.inbox / "customers.csv", (moment, moment))
        found, cursor = await read(ctx, cursor)
        result = normalize(ctx.settings, found[-1])
        assert isinstance(result, tuple)
        sequences.append(result[0].sequence)
    assert sequences == [1_000_000_000_000, 2_000_000_000_000]


async def test_a_file_copied_in_with_an_old_date_is_not_missed(sandbox: FilesSandbox) -> None:
    ctx = context(sandbox)
    sandbox.put("customers.csv", "id,name\n1,a\n")
    _, cursor = await read(ctx)
    sandbox.put("products.csv", "id,name\np,Seat\n")
    os.utime(sandbox.inbox / "products.csv", (1, 1))
    found, cursor = await read(ctx, cursor)
    assert "products/p" in [d.shard_key for d in found]
    assert await read(ctx, cursor) == ([], cursor)


async def test_pages_are_bounded_and_a_document_is_never_cut_in_two(sandbox: FilesSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "PAGE_SIZE", 2)
    header = "id,customer_id,currency,issued_on,total,description,amount\n"
    rows = "".join(f'I{i},1,USD,2026-01-01,2,"a\n""b""",1\nI{i},1,USD,2026-01-01,2,c,1\n' for i in range(5))
    sandbox.put("invoices.csv", header + rows)
    sandbox.put("products.csv", "id,name\np,Seat\n")
    ctx, cursor = context(sandbox), ""
    sizes: list[int] = []
    keys: list[str] = []
    while True:
        page = await FilesSource().poll(ctx, cursor)
        sizes.append(len(page.deliveries))
        keys.extend(d.shard_key for d in page.deliveries)
        for delivery in page.deliveries:
            normalize(ctx.settings, delivery)
        if not page.has_more:
            break
        cursor = page.cursor
    assert max(sizes) == 2
    assert sorted(keys) == [*(f"invoices/I{i}" for i in range(5)), "products/p"]


async def test_backfill_reads_one_layout_modified_since(sandbox: FilesSandbox) -> None:
    sandbox.put("customers-old.csv", "id,name\n1,a\n")
    sandbox.put("customers-new.csv", "id,name\n2,b\n")
    sandbox.put("products.csv", "id,name\np,Seat\n")
    os.utime(sandbox.inbox / "customers-old.csv", (1_000, 1_000))
    page = await FilesSource().backfill(context(sandbox), "customers", datetime(2020, 1, 1, tzinfo=UTC), "")
    assert [d.shard_key for d in page.deliveries] == ["customers/2"]


async def test_a_missing_inbox_and_a_foreign_cursor_are_setup_errors(sandbox: FilesSandbox, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be listed"):
        await FilesSource().poll(context(sandbox, inbox=tmp_path / "none"), "")
    with pytest.raises(SetupError, match="not a cursor"):
        await FilesSource().poll(context(sandbox), "evt_1")


@pytest.mark.parametrize(
    "options", [{"time_zone": "Mars/Base"}, {"namespace": "Acme Inc"}, {"delimiter": "::"}, {"encoding": "utf-16"}, {"x": 1}]
)
def test_settings_that_make_no_sense_are_refused(sandbox: FilesSandbox, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(sandbox, **options)


@given(st.lists(st.lists(st.text(st.sampled_from('ab,"\n\r é')), min_size=2, max_size=2), min_size=1, max_size=6), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_records_read_from_any_boundary_are_the_same_as_read_from_the_start(rows: list[list[str]], at: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["id", *row] for row in rows])
    whole = list(records(io.BytesIO(text.getvalue().encode()), 0, 1, is_quoted=True))
    assert [r.problem for r in whole] == [""] * len(rows)
    start = whole[min(at, len(whole) - 1)]
    rest = list(records(io.BytesIO(text.getvalue().encode()), start.end, start.line + start.lines, is_quoted=True))
    assert rest == whole[min(at, len(whole) - 1) + 1 :]


def test_the_readme_names_every_column_of_every_layout() -> None:
    readme = (Path(pull.__file__).parent / "README.md").read_text("utf-8")
    for layout in LAYOUTS.values():
        section = readme.partition(f"### {layout.name}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
        missing = [column for column in sorted(layout.columns) if f"`{column}`" not in section]
        assert missing == [], layout.name
        for column in layout.required:
            assert f"`{column}`*" in section, f"{layout.name}.{column} is required"


def test_the_declaration_is_found_under_its_own_name() -> None:
    assert CONNECTOR.name == "files"
