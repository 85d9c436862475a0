"""Items 20 to 24: statement lines, companies, merge, sale orders, webhooks, the interfering human; and the control interface."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError
from counterfoil.connectors.odoo.sandbox.tests.desk import NU, Books, Json2, made


def statement_line(books: Books, amount: float, **values: Any) -> int:
    given = {"journal_id": books.journal("BNK1"), "date": "2026-11-06", "payment_ref": "po_1", "amount": amount}
    return books.create("account.bank.statement.line", **{**given, **values})


def test_a_statement_line_is_posted_at_once_against_suspense(any_books: Books) -> None:
    line = statement_line(any_books, 97.1)
    reconciled, residual, move = any_books.read("account.bank.statement.line", line, "is_reconciled", "amount_residual", "move_id")
    assert (reconciled, residual) == (False, -97.1)
    assert any_books.shape(move[0]) == [("101401", 97.1), ("101402", -97.1)]


def test_a_counterpart_account_replaces_suspense(any_books: Books) -> None:
    line = statement_line(any_books, -5.0, counterpart_account_id=any_books.account("600000"))
    assert any_books.read("account.bank.statement.line", line, "is_reconciled") is True
    assert any_books.shape(any_books.read("account.bank.statement.line", line, "move_id")[0]) == [("101401", -5.0), ("600000", 5.0)]


def test_the_suspense_line_is_replaced_through_the_move_with_the_context_flag(any_books: Books) -> None:
    line = statement_line(any_books, 97.1)
    move = any_books.read("account.bank.statement.line", line, "move_id")[0]
    suspense = any_books.lines(move)[1]["id"]
    outstanding, fees = any_books.account("101403"), any_books.account("600000")
    commands = [
        [1, suspense, {"account_id": outstanding, "balance": -100.0, "amount_currency": -100.0}],
        [0, 0, {"account_id": fees, "name": "fee", "balance": 2.9, "amount_currency": 2.9}],
    ]
    if any_books.sandbox.version >= 18:
        with pytest.raises(OdooError, match="readonly fields on a posted move"):
            any_books.call("account.move", "write", [move], vals={"line_ids": commands})
    any_books.call("account.move", "write", [move], context={"skip_readonly_check": True}, vals={"line_ids": commands})
    assert any_books.shape(move) == [("101401", 97.1), ("101403", -100.0), ("600000", 2.9)]
    payment = any_books.payment(any_books.partner(), 100)
    theirs = any_books.lines(any_books.payment_move(payment))[0]["id"]
    any_books.call("account.move.line", "reconcile", [suspense, theirs])
    assert any_books.read("account.bank.statement.line", line, "is_reconciled") is True
    assert any_books.read("account.payment", payment, "is_matched") is True


# -- companies --------------------------------------------------------------------------------------------------------------------


def test_loading_a_chart_overwrites_the_currency_and_makes_accounts_and_journals(books: Books) -> None:
    company = books.call("res.company", "create", vals_list=[{"name": "Neu GmbH", "currency_id": books.ref("base.EUR")}])[0]
    own = Books(books.sandbox, company)
    own.call("account.chart.template", "try_loading", template_code="generic_coa", company=company, install_demo=False)
    assert own.read("res.company", company, "currency_id")[1] == "USD"
    own.call("res.company", "write", [company], vals={"currency_id": books.ref("base.EUR")})
    assert len(own.find("account.account", [], "id")) == 50
    assert [j["code"] for j in own.find("account.journal", [], "code", order="code")] == ["BILL", "BNK1", "CABA", "EXCH", "INV", "MISC"]
    assert own.ref(f"account.{company}_sale_tax_template")
    assert own.shape(own.invoice(own.partner(), 5)) == [("400000", -5.0), ("121000", 5.0)]


def test_companies_do_not_mix(books: Books) -> None:
    german = Books(books.sandbox, books.company + 1)
    partner = books.partner()
    line = {"name": "x", "price_unit": 1, "account_id": books.account("400000")}
    with pytest.raises(OdooError, match="company inconsistencies"):
        german.invoice(partner, post=False, invoice_line_ids=[[0, 0, line]])
    with pytest.raises(OdooError, match="doesn't have 'create' access"):
        german.invoice(partner, 1, post=False, journal_id=books.journal("INV"))
    theirs = german.invoice(partner, 7)
    with pytest.raises(OdooError, match="switching to the company: Nordwind DE"):
        books.read("account.move", theirs, "name")
    assert books.find("account.move", [["id", "=", theirs]], "id") == []
    both = {"allowed_company_ids": [books.company, german.company]}
    assert books.call("account.move", "read", [theirs], context=both, fields=["currency_id"])[0]["currency_id"][1] == "EUR"
    assert books.sandbox.call("account.move", "create", vals_list=[{"move_type": "out_invoice", "company_id": german.company}])


def test_properties_are_per_company(books: Books) -> None:
    german = Books(books.sandbox, books.company + 1)
    partner = books.partner()
    special = books.create("account.account", name="Special", code="121999", account_type="asset_receivable")
    books.call("res.partner", "write", [partner], vals={"property_account_receivable_id": special})
    assert books.shape(books.invoice(partner, 5))[1] == ("121999", 5.0)
    assert german.shape(german.invoice(partner, 5))[1] == ("121000", 5.0)


def test_yen_have_no_decimals(books: Books) -> None:
    japan = Books(books.sandbox, books.company + 2)
    move = japan.invoice(japan.partner(), 333, 100.4, taxes=(japan.tax("VAT", 10),))
    assert japan.read("account.move", move, "amount_untaxed", "amount_tax", "amount_total") == [433.0, 43.0, 476.0]


# -- merge and sale ---------------------------------------------------------------------------------------------------------------


def test_a_merge_repoints_documents_and_external_ids_and_deletes_the_loser(any_books: Books) -> None:
    winner, loser = any_books.load("res.partner", ["id", "name", "email"], ["cf.m1", "M1", ""], ["cf.m2", "M2", "m@x.io"])["ids"]
    invoice = any_books.invoice(loser, 5)
    wizard = any_books.create(
        "base.partner.merge.automatic.wizard", state="selection", dst_partner_id=winner, partner_ids=[[6, 0, [winner, loser]]]
    )
    any_books.call("base.partner.merge.automatic.wizard", "action_merge", [wizard])
    assert any_books.find("res.partner", [["id", "=", loser]], "id") == []
    assert any_books.read("account.move", invoice, "partner_id")[0] == winner
    assert any_books.read("res.partner", winner, "email") == "m@x.io"
    again = any_books.load("res.partner", ["id", "name"], ["cf.m1", "M1"], ["cf.m2", "M2"], context=NU)
    assert again["ids"] == [winner, winner]


def order(books: Books) -> int:
    product = books.create("product.product", name="Plan", list_price=50.0, taxes_id=[])
    fields = [
        "id",
        "partner_id/.id",
        "client_order_ref",
        "order_line/product_id/.id",
        "order_line/product_uom_qty",
        "order_line/price_unit",
        "order_line/name",
    ]
    return int(
        books.load("sale.order", fields, ["cf.so_1", str(books.partner()), "so_1", str(product), 2, 50.0, "Plan Pro"], context=NU)["ids"][0]
    )


def invoice_order(books: Books, so: int) -> Any:
    values: dict[str, Any] = {"advance_payment_method": "delivered", "sale_order_ids": [[6, 0, [so]]]}
    wizard = books.create("sale.advance.payment.inv", **values)
    return books.call("sale.advance.payment.inv", "create_invoices", [wizard])


def test_an_order_is_confirmed_once_and_invoiced_once(any_books: Books) -> None:
    so = order(any_books)
    assert any_books.read("sale.order", so, "state", "amount_total", "invoice_status") == ["draft", 100.0, "no"]
    assert any_books.call("sale.order", "action_confirm", [so]) is True
    with pytest.raises(OdooError, match="not in a state requiring confirmation"):
        any_books.call("sale.order", "action_confirm", [so])
    assert any_books.read("sale.order", so, "state", "invoice_status") == ["sale", "to invoice"]
    invoice = invoice_order(any_books, so)["res_id"]
    assert any_books.read("account.move", invoice, "amount_total", "invoice_origin", "state") == [100.0, "S00001", "draft"]
    assert any_books.read("sale.order", so, "invoice_status", "invoice_ids") == ["invoiced", [invoice]]
    with pytest.raises(OdooError, match="No items are available to invoice"):
        invoice_order(any_books, so)


def test_lines_loaded_with_sale_lines_count_as_invoiced_even_too_much(books: Books) -> None:
    so = order(books)
    books.call("sale.order", "action_confirm", [so])
    line = books.read("sale.order", so, "order_line")[0]
    fields = [
        "id",
        "move_type",
        "partner_id/.id",
        "invoice_line_ids/name",
        "invoice_line_ids/quantity",
        "invoice_line_ids/price_unit",
        "invoice_line_ids/sale_line_ids/.id",
    ]
    books.load("account.move", fields, ["cf.i", "out_invoice", str(books.partner()), "Plan", 3, 50.0, str(line)], context=NU)
    assert books.read("sale.order.line", line, "qty_invoiced", "qty_to_invoice") == [3.0, -1.0]


# -- webhooks ---------------------------------------------------------------------------------------------------------------------


async def listener(received: list[dict[str, Any]], delay_s: float = 0.0) -> tuple[web.AppRunner, str]:
    async def take(request: web.Request) -> web.Response:
        received.append({"headers": dict(request.headers), "body": await request.json()})
        await asyncio.sleep(delay_s)
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook/{secret}", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/hook/s3cret"


def rule(books: Books, url: str, *triggers: str) -> int:
    model = books.find("ir.model", [["model", "=", "account.move"]], "id")[0]["id"]
    fields = {f["name"]: f["id"] for f in books.find("ir.model.fields", [["model", "=", "account.move"]], "name")}
    shown = [fields[n] for n in ("name", "state", "payment_state", "amount_residual", "partner_id", "write_date", "invoice_line_ids")]
    action = {
        "name": "push",
        "model_id": model,
        "state": "webhook",
        "usage": "base_automation",
        "webhook_url": url,
        "webhook_field_ids": [[6, 0, shown]],
    }
    return books.create(
        "base.automation",
        name="hub push",
        model_id=model,
        trigger="on_create_or_write",
        trigger_field_ids=[[6, 0, [fields[t] for t in triggers]]],
        action_server_ids=[[0, 0, action]],
    )


async def test_a_creation_pushes_twice_and_a_posting_once_unsigned_and_after_the_commit(client: Json2) -> None:
    books = client.books
    received: list[dict[str, Any]] = []
    runner, url = await listener(received)
    rule(books, url, "state", "payment_state")
    partner = books.partner()
    values = {
        "move_type": "out_invoice",
        "partner_id": partner,
        "invoice_date": "2026-03-01",
        "invoice_line_ids": [[0, 0, {"name": "L", "price_unit": 5}]],
    }
    move = (await client.call("account.move", "create", vals_list=[values], context=books.context))[0]
    assert [r["body"]["amount_residual"] for r in received] == [0.0, 5.0]
    first = received[0]
    assert "Authorization" not in first["headers"]
    assert first["headers"]["User-Agent"].startswith("python-requests/")
    assert list(first["body"]) == sorted(first["body"])
    assert (first["body"]["_model"], first["body"]["partner_id"], first["body"]["name"]) == ("account.move", partner, False)
    assert len(first["body"]["write_date"]) == 26
    received.clear()
    await client.call("account.move", "action_post", ids=[move], context=books.context)
    assert [r["body"]["name"] for r in received] == ["INV/2026/00001"]
    received.clear()
    await client.call("account.move", "write", ids=[move], vals={"ref": "x"}, context=books.context)
    bad = {"move_type": "entry", "line_ids": [[0, 0, {"account_id": books.account("400000"), "debit": 1}]]}
    status, _body = await client.post("/json/2/account.move/create", {"vals_list": [bad], "context": books.context})
    assert (status, received) == (422, [])
    await runner.cleanup()


async def test_a_failing_hook_is_noted_and_not_retried(client: Json2) -> None:
    rule(client.books, "http://127.0.0.1:9/hook", "state")
    move = client.books.invoice(client.books.partner(), 5, post=False)
    client.books.sandbox.db.outbox.clear()
    await client.call("account.move", "action_post", ids=[move], context=client.books.context)
    assert [p["outcome"] for p in client.books.sandbox.db.pushes] == ["ClientConnectorError"]


# -- the human and the control interface ------------------------------------------------------------------------------------------


async def test_the_human_interferes_at_once_or_by_script(client: Json2) -> None:
    books = client.books
    move = books.invoice(books.partner(), 100, post=False, ref="in_1")
    answer = await client.control("human", {"action": "edit_lines", "ref": "in_1", "price_unit": 90})
    assert answer["result"]["amount_total"] == 90.0
    await client.control("human", {"action": "rename", "move_id": move, "name": "INV/2026/00500", "after": "account.move/action_post"})
    await client.call("account.move", "action_post", ids=[move], context=books.context)
    assert books.read("account.move", move, "name") == "INV/2026/00500"
    await client.control("human", {"action": "register_payment", "move_id": move, "amount": 40})
    assert books.read("account.move", move, "payment_state", "amount_residual") == ["partial", 50.0]
    await client.control("human", {"action": "close_period", "company_id": books.company, "date": "2026-03-31"})
    refused = await client.control("human", {"action": "reset_to_draft", "move_id": move})
    assert "prior to and inclusive of" in refused["error"]


async def test_the_human_deletes_merges_and_archives(client: Json2) -> None:
    books = client.books
    winner, loser = books.partner("A"), books.partner("B")
    books.invoice(loser, 5, ref="keep")
    last = books.invoice(loser, 5)
    await client.control("human", {"action": "delete", "newest": "posted"})
    assert books.find("account.move", [["id", "=", last]], "id") == []
    await client.control("human", {"action": "merge_partners", "winner": winner, "losers": [loser]})
    assert books.find("res.partner", [["id", "=", loser]], "id") == []
    await client.control("human", {"action": "archive_account", "company_id": books.company, "code": "400000"})
    draft = books.invoice(winner, 5, post=False)
    with pytest.raises(OdooError, match="is archived"):
        books.post(draft)
    assert "unknown action" in (await client.control("human", {"action": "nope"}))["error"]


async def test_the_human_enters_an_entry_and_waits_for_a_draft_until_there_is_one(client: Json2) -> None:
    books = client.books
    entry = {"action": "enter", "company_id": books.company, "journal": "MISC", "debit": "400000", "credit": "251000", "amount": 12}
    move = (await client.control("human", entry))["result"]["move_id"]
    assert books.read("account.move", move, "state", "amount_total") == ["posted", 12.0]
    await client.control("human", {"action": "delete", "newest": "draft", "after": "account.move/search_count"})
    assert await client.call("account.move", "search_count", domain=[], context=books.context) == 1
    draft = books.invoice(books.partner(), 5, post=False)
    await client.call("account.move", "search_count", domain=[], context=books.context)
    assert books.find("account.move", [["id", "=", draft]], "id") == []
    await client.control("human", {"action": "delete", "newest": "draft", "after": "account.move/search_count"})
    assert (await client.control("human", {"action": "leave"}))["result"] == {"forgotten": 1}


async def test_the_human_moves_a_posted_document_to_another_day(client: Json2) -> None:
    books = client.books
    move = books.invoice(books.partner(), 100, post=True)
    name = books.read("account.move", move, "name")
    answer = await client.control("human", {"action": "redate", "name": name, "date": "2026-11-20"})
    assert answer["result"] == {"move_id": move, "date": "2026-11-20"}
    assert books.read("account.move", move, "state", "date") == ["posted", "2026-11-20"]


async def test_a_named_fault_is_taken_away_alone(client: Json2) -> None:
    address = f"{client.books.sandbox.url}/_control/faults"
    for name in ("maintenance", "other"):
        await client.session.post(address, json={"kind": "status", "path": "^GET /nothing", "times": -1, "name": name})
    await client.session.delete(address, params={"name": "maintenance"})
    async with client.session.get(address) as response:
        assert [fault["name"] for fault in (await response.json())["faults"]] == ["other"]


async def test_the_control_interface_resets_creates_companies_and_moves_the_clock(client: Json2) -> None:
    details = await client.control("reset")
    assert details["companies"] == {"My Company": 1}
    made_companies = await client.control("companies")
    assert list(made_companies["companies"]) == ["Northwind US", "Nordwind DE", "Kitakaze JP"]
    assert (await client.control("clock", {"today": "2027-02-03"}))["today"] == "2027-02-03"
    assert (await client.control("clock", {"days": 2}))["today"] == "2027-02-05"
    assert (await client.control("settings", {"enterprise": True}))["enterprise"] is True
    assert "unknown setting" in (await client.control("settings", {"nope": 1}))["error"]
    async with client.session.get(f"{client.books.sandbox.url}/_control") as response:
        shown = await response.json()
    assert (shown["version"], shown["db"], shown["login"], bool(shown["api_key"])) == (19, "books", "admin", True)


async def test_the_books_are_read_in_minor_units(client: Json2) -> None:
    books = client.books
    books.invoice(books.partner(), 99.99, taxes=(books.tax("VAT", 15),))
    books.payment(books.partner(), 40)
    async with client.session.get(f"{books.sandbox.url}/_control/books") as response:
        shown = {c["name"]: c for c in (await response.json())["companies"]}
    mine = shown["Northwind US"]
    balances = {a["code"]: a["balance_minor"] for a in mine["trial_balance"]}
    assert balances == {"101403": 4000, "121000": 7499, "251000": -1500, "400000": -9999}
    assert mine["documents"][1] == {
        "kind": "out_invoice",
        "state": "posted",
        "currency": "USD",
        "count": 1,
        "total_minor": 11499,
        "residual_minor": 11499,
    }
    assert mine["payments"][0] == {"kind": "inbound", "state": "in_process", "currency": "USD", "count": 1, "total_minor": 4000}


@pytest.mark.parametrize("version", [17, 18, 19])
def test_the_clock_gives_the_servers_today(version: int) -> None:
    books = made(version)
    books.sandbox.set_today("2027-05-06")
    move = books.invoice(books.partner(), 5, post=False, invoice_date=False, invoice_date_due=False)
    books.post(move)
    assert books.read("account.move", move, "invoice_date") == "2027-05-06"


def test_the_counterpart_account_is_no_field_for_load(books: Books) -> None:
    fields = ["id", "journal_id/.id", "date", "payment_ref", "amount", "counterpart_account_id/.id"]
    row = ["cf.bt", str(books.journal("BNK1")), "2026-11-06", "po", 5.0, str(books.account("600000"))]
    with pytest.raises(OdooError, match="Invalid field name 'counterpart_account_id'"):
        books.load("account.bank.statement.line", fields, row)
