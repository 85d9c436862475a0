"""Items 6 to 10: models, methods, read shapes, domains, the clock in write_date."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError
from counterfoil.connectors.odoo.sandbox.tests.desk import Books, made

MODELS = [
    "res.partner",
    "res.company",
    "res.currency",
    "res.currency.rate",
    "res.users",
    "res.lang",
    "product.template",
    "product.product",
    "account.account",
    "account.journal",
    "account.tax",
    "account.payment.term",
    "account.fiscal.position",
    "account.move",
    "account.move.line",
    "account.payment",
    "account.payment.register",
    "account.payment.method.line",
    "account.move.reversal",
    "account.partial.reconcile",
    "account.full.reconcile",
    "account.bank.statement.line",
    "sale.order",
    "sale.order.line",
    "sale.advance.payment.inv",
    "base.partner.merge.automatic.wizard",
    "ir.model.data",
    "ir.model",
    "ir.model.fields",
    "ir.module.module",
    "base.automation",
    "ir.actions.server",
    "account.chart.template",
]


@pytest.fixture(scope="module", params=[17, 18, 19])
def described_books(request: pytest.FixtureRequest) -> Books:
    """Each version once, to be asked what there is: its tests write nothing."""
    return made(request.param)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_of_the_checklist_describes_itself(described_books: Books, model: str) -> None:
    described = described_books.call(model, "fields_get", attributes=["type", "string"])
    assert {"id", "display_name", "create_date", "write_date"} <= described.keys()


VERSIONED = [  # model, field, versions that have it (odoo.md section 6)
    ("account.payment", "memo", (18, 19)),
    ("account.payment", "ref", (17,)),
    ("account.payment", "is_internal_transfer", (17,)),
    ("account.payment", "invoice_ids", (18, 19)),
    ("account.account", "company_id", (17,)),
    ("account.account", "company_ids", (18, 19)),
    ("account.account", "deprecated", (17, 18)),
    ("account.account", "active", (19,)),
    ("res.partner", "mobile", (17, 18)),
    ("res.users", "groups_id", (17, 18)),
    ("res.users", "group_ids", (19,)),
    ("sale.order.line", "tax_id", (17, 18)),
    ("sale.order.line", "tax_ids", (19,)),
    ("product.template", "uom_po_id", (17, 18)),
    ("account.move", "payment_id", (17,)),
    ("account.move", "origin_payment_id", (18, 19)),
    ("account.move", "invoice_currency_rate", (18, 19)),
    ("account.tax", "price_include_override", (18, 19)),
    ("res.company", "period_lock_date", (17,)),
    ("res.company", "hard_lock_date", (18, 19)),
]


@pytest.mark.parametrize(("model", "field", "versions"), VERSIONED, ids=[f"{m}.{f}" for m, f, _v in VERSIONED])
def test_fields_come_and_go_with_versions(described_books: Books, model: str, field: str, versions: tuple[int, ...]) -> None:
    assert (field in described_books.call(model, "fields_get", allfields=[field])) == (described_books.sandbox.version in versions)


def test_a_many2one_is_a_pair_and_bare_with_an_empty_load(books: Books) -> None:
    partner = books.create("res.partner", name="Acme", country_id=books.ref("base.us"))
    assert books.read("res.partner", partner, "country_id") == [books.ref("base.us"), "United States"]
    assert books.call("res.partner", "read", [partner], fields=["country_id"], load="")[0]["country_id"] == books.ref("base.us")
    assert books.read("res.partner", partner, "email", "child_ids", "parent_id") == [False, [], False]


def test_instants_are_shown_cut_to_the_second_and_stored_to_the_microsecond(books: Books) -> None:
    partner = books.partner()
    assert len(books.read("res.partner", partner, "write_date")) == 19
    assert len(books.sandbox.env().row("res.partner", partner)["write_date"]) == 26


def test_reading_drops_missing_ids_and_writing_does_not(books: Books) -> None:
    assert books.call("res.partner", "read", [1, 99999], fields=["name"]) == [{"id": 1, "name": "My Company"}]
    with pytest.raises(OdooError, match="Record does not exist"):
        books.call("res.partner", "write", [99999], vals={"name": "x"})


def test_archived_records_hide_from_search_but_not_from_read(books: Books) -> None:
    partner = books.partner()
    books.call("res.partner", "write", [partner], vals={"active": False})
    assert books.find("res.partner", [["id", "=", partner]], "name") == []
    assert len(books.find("res.partner", [["id", "=", partner], ["active", "=", False]], "name")) == 1
    assert len(books.call("res.partner", "search", context={"active_test": False}, domain=[["id", "=", partner]])) == 1
    assert books.read("res.partner", partner, "name") == "Acme"


DOMAINS: list[tuple[list[Any], str]] = [
    ([["ref", "=", "a"]], "0"),
    ([["ref", "!=", "a"]], "123"),
    ([["ref", "in", ["a", False]]], "03"),
    ([["ref", "not in", ["a"]]], "123"),
    ([["ref", "like", "a"]], "02"),
    ([["ref", "ilike", "a"]], "012"),
    ([["ref", "=like", "a%"]], "02"),
    ([["ref", "=", False]], "3"),
    (["|", ["name", "=", "Q0"], ["name", "=", "Q1"]], "01"),
    (["!", ["name", "=", "Q1"]], "023"),
    ([["country_id.code", "=", "US"]], "01"),
    ([["country_id.code", "!=", "US"]], ""),
    ([["country_id", "=", False]], "23"),
    ([["country_id", "ilike", "united st"]], "01"),
    ([["name", ">=", "Q2"]], "23"),
    ([["is_company", "!=", True]], "123"),
    ([["country_id", "any", [["code", "=", "US"]]]], "01"),
]


@pytest.mark.parametrize(("domain", "found"), DOMAINS, ids=[str(d) for d, _f in DOMAINS])
def test_domains_find_what_a_real_server_finds(any_books: Books, domain: list[Any], found: str) -> None:
    for k, ref in enumerate(("a", "A", "ab", False)):
        any_books.create("res.partner", name=f"Q{k}", ref=ref, is_company=k == 0, country_id=any_books.ref("base.us") if k < 2 else False)
    rows = any_books.find("res.partner", ["&", ["name", "like", "Q"], *domain], "name", order="name")
    assert "".join(r["name"][1] for r in rows) == found


def test_child_of_finds_a_family(books: Books) -> None:
    parent = books.create("res.partner", name="Group", is_company=True)
    child = books.create("res.partner", name="Branch", is_company=True, parent_id=parent)
    grandchild = books.create("res.partner", name="Jane", parent_id=child)
    assert books.call("res.partner", "search", domain=[["id", "child_of", parent]], order="id") == [parent, child, grandchild]


@pytest.mark.parametrize(("operator", "suffix", "old", "new"), [("=", "", 0, 1), (">", "", 1, 0), (">=", "", 1, 1), (">", ".999999", 0, 0)])
def test_write_date_compares_by_microsecond_before_19_and_by_second_since(
    any_books: Books, operator: str, suffix: str, old: int, new: int
) -> None:
    partner = any_books.partner()
    shown = any_books.read("res.partner", partner, "write_date")
    row = any_books.sandbox.env().row("res.partner", partner)
    row["write_date"] = f"{shown}.500000"  # surely not on the second
    found = any_books.find("res.partner", [["id", "=", partner], ["write_date", operator, shown + suffix]], "id")
    assert len(found) == (new if any_books.sandbox.version == 19 else old)


def test_a_zone_in_a_datetime_is_an_error_on_19(books: Books) -> None:
    with pytest.raises(OdooError, match="expecting only datetimes with no timezone"):
        books.find("res.partner", [["write_date", ">", "2026-11-21T00:00:00Z"]], "id")


def test_one_call_has_one_write_date_and_payment_matching_moves_the_invoices(any_books: Books) -> None:
    ids = any_books.call("res.partner", "create", vals_list=[{"name": str(n)} for n in range(3)])
    rows = any_books.sandbox.env().rows("res.partner")
    assert len({rows[i]["write_date"] for i in ids}) == 1
    partner = any_books.partner()
    invoice, payment = any_books.invoice(partner, 100), any_books.payment(partner, 40)
    move = any_books.sandbox.env().row("account.move", invoice)
    posted = move["write_date"]
    any_books.match(invoice, any_books.payment_move(payment))
    assert move["write_date"] > posted


def test_external_ids_search_reads_and_other_readers_answer(books: Books) -> None:
    partner = books.load("res.partner", ["id", "name"], ["cf.acme", "Acme"])["ids"][0]
    assert books.find("ir.model.data", [["module", "=", "cf"], ["name", "=", "acme"]], "model", "res_id")[0]["res_id"] == partner
    assert books.call("res.partner", "name_search", name="Acm") == [[partner, "Acme"]]
    assert books.call("res.partner", "export_data", [partner], fields_to_export=["id", ".id", "name"]) == {
        "datas": [["cf.acme", str(partner), "Acme"]]
    }
    assert books.call("res.partner", "default_get", fields=["active", "type"]) == {"active": True, "type": "contact"}
    copy = books.call("res.partner", "copy", [partner])[0]
    assert books.read("res.partner", copy, "name") == "Acme (copy)"


def test_web_search_read_nests_and_groups_aggregate(books: Books) -> None:
    partner = books.partner()
    invoice = books.invoice(partner, 100, 50)
    found = books.call(
        "account.move",
        "web_search_read",
        domain=[["id", "=", invoice]],
        specification={"name": {}, "partner_id": {"fields": {"display_name": {}}}, "invoice_line_ids": {"fields": {"price_unit": {}}}},
    )
    assert found["length"] == 1
    assert found["records"][0]["partner_id"] == {"id": partner, "display_name": "Acme"}
    assert [line["price_unit"] for line in found["records"][0]["invoice_line_ids"]] == [100.0, 50.0]
    groups = books.call("account.move", "formatted_read_group", domain=[], groupby=["state"], aggregates=["__count", "amount_total:sum"])
    assert groups == [{"state": "posted", "__extra_domain": [["state", "=", "posted"]], "__count": 1, "amount_total:sum": 150.0}]


def test_deleting_a_partner_with_entries_is_refused(any_books: Books) -> None:
    partner = any_books.partner()
    any_books.invoice(partner, 5)
    with pytest.raises(OdooError, match="The partner cannot be deleted because it is used in Accounting"):
        any_books.call("res.partner", "unlink", [partner])
