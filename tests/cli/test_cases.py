"""Cases and mappings at the terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from counterfoil.app.checking import confirmed_taxes, tax_rates
from counterfoil.cli.wording import blocks
from counterfoil.connectors.odoo.links import link as odoo_link
from counterfoil.connectors.stripe.links import link as stripe_link
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.invoice import Invoice, InvoiceState
from counterfoil.core.kinds.refund import REFUND
from counterfoil.core.language.keys import need_of, wait_for
from counterfoil.core.language.money import Money
from counterfoil.core.policies.rules import MappingKey, MappingKind, Rules
from counterfoil.kit.codec import encode
from counterfoil.store import agenda, audit, bindings, objects
from counterfoil.store.blocking import Blocked
from counterfoil.store.cases import CaseMoney
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn

from .conftest import PLAIN, Program
from .seeds import INVOICE, NOW, armed, cipher_of, deliveries, in_database, unmapped_tax

BOOKS = 'database = "books"\napi_key = { env = "TEST_ODOO_KEY" }\n'
"""What a connection to Odoo has besides its address; whoever only looks needs no key."""


def test_a_case_tells_its_cause_its_money_and_the_command_that_mends_it(program: Program, database: str) -> None:
    case = unmapped_tax(database)
    (line,) = program.run("case", "list", "--json").json()
    assert (line["id"], line["case_class"], line["money_minor"], line["currency"]) == (case, "unmapped_tax", 11900, "EUR")
    assert "119.00 EUR" in program.run("case", "list").out
    shown = program.run("case", "show", str(case))
    assert shown.code == 0
    assert "counterfoil map set tax de '19|exclusive' 'NAME IN THE BOOKS'" in shown.out
    detail = program.run("case", "show", str(case), "--json").json()
    assert detail["subjects"][0]["subject"]["subject"] == "invoice/stripe:in_1"
    assert [line["action"] for line in detail["history"]] == ["opened"]


def test_lists_are_narrowed_down(program: Program, database: str) -> None:
    unmapped_tax(database)
    assert program.run("case", "list", "--class", "schema_drift", "--json").json() == []
    assert program.run("case", "list", "--entity", "fr", "--json").json() == []
    assert len(program.run("case", "list", "--entity", "de", "--owner", "finance systems", "--json").json()) == 1
    assert program.run("case", "list", "--state", "resolved", "--json").json() == []


def test_a_case_that_is_not_there_is_a_finding(program: Program) -> None:
    ended = program.run("case", "show", "7")
    assert (ended.code, ended.err) == (1, "there is no case 7; `counterfoil case list --state all` lists them\n")
    assert program.run("case", "assign", "7", "accounting").code == 1
    assert program.run("case", "retry", "7").code == 1


def test_assigning_is_kept_in_the_history(program: Program, database: str) -> None:
    case = unmapped_tax(database)
    assert program.run("case", "assign", str(case), "accounting", "--by", "controller").code == 0
    history = program.run("case", "show", str(case), "--json").json()["history"]
    assert [(line["actor"], line["action"], line["detail"]) for line in history[1:]] == [("controller", "assigned", "accounting")]


def test_retrying_arms_what_stood_still(program: Program, database: str) -> None:
    case = unmapped_tax(database)
    assert armed(database) == []
    assert program.run("case", "retry", str(case), "--json").json() == {"retried": [case], "restart_needed": ""}
    assert [stage for stage, _ in armed(database)] == ["decide", "normalize"]  # and what was said is read


def test_retrying_by_class_takes_all_its_cases(program: Program, database: str) -> None:
    case = unmapped_tax(database)
    assert program.run("case", "retry", "--class", "unmapped_tax", "--json").json() == {"retried": [case], "restart_needed": ""}
    assert program.run("case", "retry", "--class", "schema_drift", "--json").code == 1
    assert program.run("case", "retry").code == 2


def test_waiving_shows_its_plan_and_does_nothing_without_apply(program: Program, database: str) -> None:
    case = unmapped_tax(database)
    planned = program.run("case", "waive", str(case), "--reason", "test data")
    assert planned.code == 0
    assert "Nothing was changed. Add --apply" in planned.err
    assert len(program.run("case", "list", "--json").json()) == 1
    done = program.run("case", "waive", str(case), "--reason", "test data", "--apply", "--by", "controller")
    assert done.code == 0
    (closed,) = program.run("case", "list", "--state", "waived", "--json").json()
    assert (closed["closed_by"], closed["reason"]) == ("controller", "test data")
    assert program.run("case", "waive", str(case), "--reason", "again", "--apply").code == 1


def test_waiving_needs_a_reason(program: Program, database: str) -> None:
    case = unmapped_tax(database)
    assert program.run("case", "waive", str(case), "--apply").code == 2
    assert program.run("case", "waive", str(case), "--apply", "--reason", " ").code == 2
    assert len(program.run("case", "list", "--json").json()) == 1


def test_a_mapping_set_releases_what_waited_for_it(program: Program, database: str) -> None:
    unmapped_tax(database)
    ended = program.run("map", "set", "tax", "de", "19|exclusive", "VAT 19")
    assert ended.code == 0
    assert "What waited for it goes on" in ended.err
    assert [stage for stage, _ in armed(database)] == ["decide", "normalize"]  # and what was said is read
    again = program.run("map", "set", "tax", "de", "19|exclusive", "VAT 19")
    assert (again.code, again.err) == (0, "It says so already.\n")


def test_a_mapping_set_wins_over_the_files_until_it_is_taken_away(program: Program) -> None:
    declared = {"kind": "tax", "entity": "de", "key": "7|exclusive", "value": "VAT 7", "where": "file"}
    assert program.run("map", "list", "--json").json() == [declared]
    assert program.run("map", "set", "tax", "de", "7|exclusive", "VAT reduced", "--json").json()["changed"] is True
    assert program.run("map", "list", "--json").json() == [{**declared, "value": "VAT reduced", "where": "set"}]
    assert program.run("map", "unset", "tax", "de", "7|exclusive").code == 0
    assert program.run("map", "list", "--json").json() == [declared]
    assert program.run("map", "unset", "tax", "de", "7|exclusive").code == 1


def test_a_tax_that_is_meant_so_is_confirmed_for_the_value_it_has(program: Program, database: str) -> None:
    mapped = ("map", "set", "tax", "de", "7|exclusive")
    said = []
    for value, more in (("VAT 7", ("--confirmed",)), ("VAT 0", ()), ("VAT 0", ("--confirmed",))):
        assert program.run(*mapped, value, *more).code == 0
        found = in_database(database, lambda conn: audit.newest(conn, "mapped", "mapping/tax/"))
        detail = found["mapping/tax/de/7|exclusive"]
        said.append((detail["value"], detail.get("confirmed", False)))
    assert said == [("VAT 7", True), ("VAT 0", False), ("VAT 0", True)]
    key = MappingKey(MappingKind.TAX, "de", "7|exclusive")
    rules = Rules(1, {}, (), {key: "VAT 0", MappingKey(MappingKind.TAX, "de", "DE/vat/19|inclusive"): "VAT 19"})
    confirmed = confirmed_taxes(rules, found)
    assert confirmed == {key}
    assert tax_rates(rules, "de", confirmed) == {"VAT 19": (Decimal(19),)}
    assert confirmed_taxes(replace(rules, mappings={key: "VAT 7"}), found) == frozenset()
    assert program.run("map", "set", "product", "de", "stripe:prod_1", "SEAT", "--confirmed").code == 2


def test_a_mapping_is_refused_for_an_entity_that_is_not_configured(program: Program) -> None:
    ended = program.run("map", "set", "tax", "fr", "20|exclusive", "TVA 20")
    assert (ended.code, ended.err) == (2, "entity 'fr' is not under [entities] of the configuration; there are: de\n")
    assert program.run("map", "set", "colour", "de", "x", "y").code == 2


def test_a_trace_shows_deliveries_and_cases_by_any_id(program: Program, database: str) -> None:
    deliveries(database, program.folder, "invoice.paid")
    unmapped_tax(database)
    found = program.run("trace", "acct/evt_1", "--json")
    assert (found.code, found.json()["receipts"][0]["kind"]) == (0, "invoice.paid")
    assert program.run("trace", "in_9").code == 1
    assert "Nothing is known by 'in_9'." in program.run("trace", "in_9").err


def test_what_a_case_blocks_is_told_in_words() -> None:
    now = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    found = Blocked(4, 1, (CaseMoney("EUR", 11900), CaseMoney("JPY", 5000)), now - timedelta(minutes=3), "post_payment")
    assert blocks(found, now) == "4 postings, 1 document undecided; 119.00 EUR + 5,000 JPY; payment late since 3 min"
    assert blocks(replace(found, is_cut=True, subjects=0, money=(), late_at=now + timedelta(seconds=20)), now) == (
        "at least 4 postings; payment late in 20.0 s"
    )
    assert blocks(Blocked(), now) == ""


def test_a_case_shows_what_stands_still_behind_its_records(program: Program, database: str) -> None:
    case = unmapped_tax(database)
    assert program.run("case", "show", str(case), "--json").json()["blocks"]["subjects"] == 0
    refund = REFUND.ref("stripe:re_1")
    in_database(database, lambda conn: agenda.set_waits(conn, [refund], [agenda.Wait(wait_for(INVOICE), refund)], NOW))
    assert "1 document undecided; refund late since" in program.run("case", "show", str(case)).out
    assert "1 document undecided" in program.run("status").out


def test_a_case_names_the_customer_both_numbers_and_links_and_keeps_no_name(program: Program, database: str) -> None:
    case, cipher = unmapped_tax(database), cipher_of(program.folder)
    owner = CUSTOMER.ref("stripe:cus_1")
    total = Money(11_900, "EUR")
    bill = Invoice("stripe:in_1", owner.id, InvoiceState.ISSUED, "EUR", total, Money(1_900, "EUR"), (), number="A-0001")
    rows = [
        ObjectRow(owner, "stripe_de", 1, 1, b"d", NOW, NOW, encode(Customer(owner.id, "Grace Hopper")), customer_id=owner.id),
        ObjectRow(INVOICE, "stripe_de", 1, 1, b"d", NOW, NOW, encode(bill), customer_id=owner.id),
    ]
    in_database(database, lambda conn: objects.upsert(conn, cipher, rows))
    bound = bindings.Binding("odoo_de", need_of(INVOICE), "account.move/7", "INV/2026/00007", NOW, None)
    in_database(database, lambda conn: bindings.bind(conn, [bound], NOW))
    program.configure(PLAIN + '\n[connections.odoo_de]\nconnector = "odoo"\nurl = "https://books.example/"\n' + BOOKS)
    (record,) = program.run("case", "show", str(case), "--json").json()["records"]
    assert (record["customer"], record["source_number"], record["books"]) == ("Grace Hopper", "A-0001", ["odoo_de INV/2026/00007"])
    assert record["links"] == [
        "https://dashboard.stripe.com/acct_sandbox/invoices/in_1",
        "https://books.example/mail/view?model=account.move&res_id=7",
    ]
    shown = program.run("case", "show", str(case)).out
    assert "Grace Hopper" in shown
    assert "A-0001: https://books.example/mail/view?model=account.move&res_id=7" in shown
    stored = in_database(database, _texts_of_cases)
    assert "Grace" not in stored


async def _texts_of_cases(conn: Conn) -> str:
    rows = await conn.execute('select c::text || s::text from "case" c join case_subject s on s.case_id = c.id')
    return "\n".join(row[0] for row in await rows.fetchall())


def test_links_are_made_of_settings_as_they_stand_in_the_file() -> None:
    assert (
        stripe_link({"account": "acct_1", "api_key": "rk_test_x"}, "payment/pi_1")
        == "https://dashboard.stripe.com/acct_1/test/payments/pi_1"
    )
    assert stripe_link({"account": "acct_1", "livemode": False}, "refund/re_1").endswith("/acct_1/test/search?query=re_1")
    assert stripe_link({"account": "acct_1", "base_url": "http://127.0.0.1:8180"}, "invoice/in_1") == ""
    assert odoo_link({"url": "https://books.example"}, "res.partner/12") == "https://books.example/mail/view?model=res.partner&res_id=12"
    assert odoo_link({"url": "https://books.example"}, "1+2") == ""


def test_a_class_is_named_by_its_name_or_its_words_and_a_wrong_one_is_told(program: Program, database: str) -> None:
    unmapped_tax(database)
    for name in ("unmapped_tax", "tax not mapped", "unmapped tax"):
        assert len(program.run("case", "list", "--class", name, "--json").json()) == 1
    assert program.run("case", "list", "--class", "product not mapped", "--json").json() == []
    for command in (("case", "list"), ("case", "retry")):
        ended = program.run(*command, "--class", "taxes")
        assert (ended.code, "there is no class of cases 'taxes'" in ended.err) == (2, True)
