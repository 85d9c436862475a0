"""The pure parts: quantities and prices, error tables, lock dates, version numbers, chunks, entry balances."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.connectors.odoo.amounts import from_number, to_text
from counterfoil.connectors.odoo.batches import chunks
from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.config import CompanyConfig, OdooConfig
from counterfoil.connectors.odoo.detect import major_of
from counterfoil.connectors.odoo.document_rows import quantity_and_price
from counterfoil.connectors.odoo.normalize import facts
from counterfoil.connectors.odoo.partner_rows import PartnerWords, partner_cells
from counterfoil.connectors.odoo.periods import locks_of
from counterfoil.connectors.odoo.precision import Precision
from counterfoil.connectors.odoo.refusals import STATUSES, build, is_database_trouble, is_lock_conflict
from counterfoil.connectors.odoo.tests.wishes import CLEARING, FEES, Wishes, line
from counterfoil.core.commands.books import Account, AccountRole, EntryLine
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import DriftError, HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.responses import Response, judge

NOW = datetime(2026, 3, 3, tzinfo=UTC)


@given(
    st.integers(-(10**9), 10**9),
    st.decimals(min_value=0, max_value=10_000, places=4),
    st.sampled_from(["EUR", "JPY", "KWD"]),
)
@settings(max_examples=200, deadline=None)
def test_quantity_times_price_is_always_the_amount(minor: int, quantity: Decimal, currency: str) -> None:
    amount = Money(minor, currency)
    given_quantity, price, _ = quantity_and_price(amount, quantity, Precision(quantity=2, price=3))
    assert Decimal(given_quantity) * Decimal(price) == Decimal(to_text(amount))
    assert Decimal(given_quantity) == Decimal(given_quantity).quantize(Decimal("0.01"))
    assert Decimal(price) == Decimal(price).quantize(Decimal("0.001"))


@pytest.mark.parametrize(
    ("minor", "quantity", "expected"),
    [
        (1000, "4", ("4", "2.5", False)),
        (1000, "3", ("1", "10.00", True)),  # 3.333... is no price
        (1000, "1", ("1", "10", False)),
        (1000, "0", ("1", "10.00", False)),
        (1000, "0.001", ("1", "10.00", True)),  # Odoo would round the quantity to 0
        (-1000, "2", ("2", "-5", False)),
    ],
)
def test_a_quantity_is_kept_only_if_it_comes_out_even(minor: int, quantity: str, expected: tuple[str, str, bool]) -> None:
    assert quantity_and_price(Money(minor, "EUR"), Decimal(quantity), Precision()) == expected


@pytest.mark.parametrize(
    ("name", "kind", "code", "is_unknown"),
    [
        ("odoo.exceptions.UserError", RejectedError, "odoo.refused", False),
        ("odoo.exceptions.ValidationError", RejectedError, "odoo.refused", False),
        ("odoo.exceptions.MissingError", RejectedError, "odoo.record_missing", False),
        ("odoo.exceptions.AccessError", SetupError, "odoo.forbidden", False),
        ("odoo.exceptions.AccessDenied", SetupError, "odoo.unauthorized", False),
        ("odoo.exceptions.LockError", TransientError, "odoo.locked", False),
        ("werkzeug.exceptions.Unauthorized", SetupError, "odoo.unauthorized", False),
        ("werkzeug.exceptions.NotFound", SetupError, "odoo.unsupported", False),
        ("werkzeug.exceptions.UnprocessableEntity", RejectedError, "odoo.protocol", False),
        ("psycopg2.errors.SerializationFailure", TransientError, "odoo.locked", False),
        ("psycopg2.errors.DeadlockDetected", TransientError, "odoo.locked", False),
        ("psycopg2.errors.QueryCanceled", TransientError, "odoo.database_error", True),
        ("psycopg2.OperationalError", TransientError, "odoo.database_away", True),
        ("psycopg2.InterfaceError", TransientError, "odoo.database_away", True),
        ("psycopg2.errors.DiskFull", TransientError, "odoo.database_away", True),
        ("builtins.ValueError", RejectedError, "odoo.protocol", False),
        ("somebody.SomethingElse", RejectedError, "odoo.unexpected", False),
    ],
)
def test_errors_are_sorted_by_the_class_name_alone(name: str, kind: type[HubError], code: str, is_unknown: bool) -> None:
    error = build(name, "words", where="account.move.load", is_write=True)
    assert (type(error), error.code) == (kind, code)
    assert isinstance(error, TransientError) is (kind is TransientError)
    assert getattr(error, "is_outcome_unknown", False) is is_unknown


def test_an_unknown_database_is_a_matter_of_setup() -> None:
    error = build("psycopg2.OperationalError", 'database "x" does not exist', where="login", is_write=False)
    assert (type(error), error.code) == (SetupError, "odoo.database_unknown")


def answer(status: int, body: str, kind: str = "application/json") -> Response:
    """Return an answer to a write."""
    return Response(status, {"Content-Type": kind}, body.encode(), "POST /json/2/account.move/load", is_write=True)


@pytest.mark.parametrize(
    ("response", "kind", "code"),
    [
        (answer(200, "[1]"), type(None), ""),
        (answer(422, '{"name": "odoo.exceptions.UserError", "message": "no"}'), RejectedError, "odoo.refused"),
        (answer(500, '{"name": "psycopg2.errors.SerializationFailure", "message": "x"}'), TransientError, "odoo.locked"),
        (answer(500, '{"name": "builtins.ValueError", "message": "Invalid field"}'), RejectedError, "odoo.protocol"),
        (answer(404, "<html>No database is selected", "text/html"), TransientError, "odoo.database_away"),
        (answer(404, "<html>nginx", "text/html"), SetupError, "odoo.database_unknown"),
        (answer(413, '{"name": "werkzeug.exceptions.RequestEntityTooLarge", "message": "x"}'), RejectedError, "odoo.too_large"),
        (answer(502, "<html>", "text/html"), TransientError, "http.server_error"),
    ],
)
def test_answers_of_json2_are_sorted_by_their_body_first(response: Response, kind: type[object], code: str) -> None:
    error, _ = judge(response, STATUSES, lambda _response: "")
    assert type(error) is kind
    assert (error.code if error else "") == code


@pytest.mark.parametrize(
    ("words", "is_trouble"),
    [  # PostgreSQL's own, as load of 17 and 19 told them (measured)
        ('could not extend file "base/16384/16999": No space left on device', True),
        ("out of memory", True),
        ("canceling statement due to statement timeout", True),
        ("canceling statement due to lock timeout", True),
        ("Unknown database error: 'cannot execute INSERT in a read-only transaction'", True),
        ("terminating connection due to administrator command", True),
        ("the database system is starting up", True),
        ("No matching record found for database id '9' in field 'Partner'", False),
        ("Value 'out of memory' not found in selection field 'Language'", False),
        ("The entry is not balanced.", False),
        ("could not serialize access due to concurrent update", False),
    ],
)
def test_trouble_of_the_database_is_told_from_bad_rows(words: str, is_trouble: bool) -> None:
    assert is_database_trouble(words) is is_trouble


def test_lost_races_are_told_from_bad_rows() -> None:
    assert is_lock_conflict("could not serialize access due to concurrent update")
    assert is_lock_conflict("ERROR: deadlock detected")
    assert not is_lock_conflict("No matching record found for database id '9' in field 'Partner'")


@pytest.mark.parametrize(("part", "major"), [(19, 19), ("18.0", 18), ("saas~18", 18), ("saas~18.2", 18), ("seventeen", 0)])
def test_version_numbers_of_all_editions_are_read(part: object, major: int) -> None:
    assert major_of(part) == major


def test_the_latest_lock_that_concerns_a_posting_counts() -> None:
    fields = ("user_fiscalyear_lock_date", "user_sale_lock_date", "user_tax_lock_date", "user_hard_lock_date")
    row = {"user_fiscalyear_lock_date": "2025-12-31", "user_sale_lock_date": "2026-01-31", "user_tax_lock_date": "1-01-01"}
    locks = locks_of(row, fields, NOW)
    assert locks.last_day(is_document=True, is_taxed=True) == date(2026, 1, 31)
    assert locks.last_day(is_document=False, is_taxed=False) == date(2025, 12, 31)
    assert locks.refusal(date(2026, 1, 31), is_document=True, is_taxed=False) is not None
    assert locks.refusal(date(2026, 2, 1), is_document=True, is_taxed=False) is None
    assert locks_of({}, fields, NOW).last_day(is_document=True, is_taxed=True) is None


def test_locks_of_17_count_the_period_lock_for_everybody() -> None:
    fields = ("fiscalyear_lock_date", "period_lock_date", "tax_lock_date")
    locks = locks_of({"fiscalyear_lock_date": False, "period_lock_date": "2026-02-28", "tax_lock_date": "2026-03-31"}, fields, NOW)
    assert locks.last_day(is_document=True, is_taxed=False) == date(2026, 2, 28)
    assert locks.last_day(is_document=True, is_taxed=True) == date(2026, 3, 31)


@given(st.integers(0, 450), st.integers(1, 100), st.integers(1, 4))
@example(50, 17, 4)  # splitting for four calls once made chunks larger than allowed
@settings(max_examples=100, deadline=None)
def test_chunks_hold_every_command_once_and_none_is_too_large(count: int, size: int, concurrency: int) -> None:
    wishes = Wishes("c")
    commands = [wishes.customer() for _ in range(count)]
    cut = chunks(commands, size, concurrency)
    assert [command for chunk in cut for command in chunk] == commands
    assert all(0 < len(chunk) <= size for chunk in cut)


def test_a_batch_that_fits_one_call_is_shared_by_two_workers_when_it_is_large() -> None:
    wishes = Wishes("c")
    assert [len(chunk) for chunk in chunks([wishes.customer() for _ in range(80)], 100, 2)] == [40, 40]
    assert [len(chunk) for chunk in chunks([wishes.customer() for _ in range(30)], 100, 2)] == [30]


@given(st.integers(-(10**12), 10**12), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_amounts_survive_the_way_to_odoo_and_back(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert from_number(Decimal(to_text(money)), currency) == money


def test_a_float_error_is_rounded_away_but_half_a_cent_is_not() -> None:
    assert from_number(Decimal("118.98000000000002"), "EUR") == Money(11898, "EUR")
    with pytest.raises(RejectedError):
        from_number(Decimal("118.985"), "EUR")


def test_an_account_is_found_by_qualifier_then_by_role() -> None:
    config = CompanyConfig(company="X", accounts={"fees": "6", "clearing:stripe": "1"})
    assert config.account_code(Account(AccountRole.FEES, "stripe")) == "6"
    assert config.account_code(CLEARING) == "1"
    assert config.account_code(Account(AccountRole.CLEARING, "paypal")) is None
    assert config.account_code(Account(AccountRole.EXPLICIT, "1200")) == "1200"


def test_a_misspelled_account_role_is_a_configuration_error() -> None:
    with pytest.raises(ValueError, match="clearing_account"):
        CompanyConfig(company="X", accounts={"clearing_account": "1"})


def test_the_key_does_not_show_in_printed_settings() -> None:
    config = OdooConfig.model_validate({"url": "https://odoo.example", "database": "books", "api_key": "very-secret-key"})
    assert "very-secret-key" not in repr(config)


def test_an_unknown_state_is_drift_and_not_a_guess() -> None:
    body = (
        b'{"snapshot":{"connection":"odoo","model":"account.move","id":7,"kind":"out_invoice","state":"frozen","currency":"EUR"},'
        b'"written_at":"2026-03-03 10:00:00"}'
    )
    with pytest.raises(DriftError) as caught:
        facts(body)
    assert caught.value.drift_key == "account.move.state=frozen"


def test_a_locale_finds_its_language_or_a_close_one_or_none() -> None:
    words = PartnerWords({}, {}, ("en_US", "de_CH", "de_DE"))
    assert words.language("de-DE") == "de_DE"
    assert words.language("de") == "de_CH"
    assert words.language("fr") == ""
    assert words.language("") == ""


def test_blank_fields_of_a_customer_are_left_out() -> None:
    cells = partner_cells(
        Customer("stripe:cus_1", "", email="ap@acme.example"), "counterfoil.customer_stripe.cus_1", PartnerWords({}, {}, ())
    )
    assert cells == {"id": "counterfoil.customer_stripe.cus_1", "name": "ap@acme.example", "ref": "cus_1", "email": "ap@acme.example"}


def test_documents_of_one_company_are_one_stream_and_processors_work_in_parallel() -> None:
    wishes, batch_key = Wishes("k"), CONNECTOR.batch_key
    assert batch_key is not None
    customer = wishes.customer()
    invoice, credit_note = wishes.invoice(customer, line(1), total=1), wishes.credit_note(customer, line(1), total=1)
    keys = [batch_key(None, command) for command in (customer, invoice, credit_note, wishes.payment(customer, 1))]
    assert keys == ["upsert_customer", "DE/sales", "DE/sales", "DE/journal/stripe"]
    fee = wishes.entry(EntryLine(FEES, Money(1, "EUR")), EntryLine(CLEARING, Money(-1, "EUR")))
    assert batch_key(None, fee) == "DE/journal/general"


class Http:
    """Answers nothing, and keeps the headers of what it was asked."""

    def __init__(self) -> None:
        self.headers: list[Any] = []
        self.budget = SimpleNamespace(spare=1)

    async def request(self, *_asked: str, **options: Any) -> Any:
        self.headers.append(options["headers"])
        return SimpleNamespace(json=lambda: {"result": []})


@pytest.mark.parametrize("is_json2", [True, False])
async def test_every_call_names_the_database_of_the_settings_that_are_decided_by(is_json2: bool) -> None:
    """The client was made of the file, which may name another one that nobody has released."""
    http, decided_by = Http(), OdooConfig(url="https://books.example.com", database="released", login="bot", api_key=SecretStr("k"))
    await OdooClient(cast(Any, http), decided_by, is_json2=is_json2, uid=2).call("res.partner", "search_count", domain=[])
    assert http.headers == [{"X-Odoo-Database": "released"}]
