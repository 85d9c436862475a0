"""Items 1 to 5 of the checklist: routes, status and bodies, JSON-RPC, versions, transactions and faults, rights."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from counterfoil.connectors.odoo.sandbox import OdooSandbox
from counterfoil.connectors.odoo.sandbox.orm.errors import AccessError, OdooError
from counterfoil.connectors.odoo.sandbox.tests.desk import NU, Books, Json2, made
from counterfoil.kit.sandbox import Fault

SEARCH = "/json/2/res.partner/search"
BEARER = "User not authenticated, use an API Key with a Bearer Authorization header."

# path, body, headers, raw body -> status, class name (or html), message
ANSWERS: list[tuple[str, str, Any, dict[str, str | None], bytes | None, int, str, str]] = [
    ("no key", SEARCH, {"domain": []}, {"Authorization": None}, None, 401, "werkzeug.exceptions.Unauthorized", BEARER),
    ("bad key", SEARCH, {"domain": []}, {"Authorization": "bearer x"}, None, 401, "werkzeug.exceptions.Unauthorized", "Invalid apikey"),
    ("unknown db", SEARCH, {"domain": []}, {"X-Odoo-Database": "x"}, None, 404, "html", "No database is selected"),
    ("unknown model", "/json/2/x/search", {}, {}, None, 404, "werkzeug.exceptions.NotFound", "the model 'x' does not exist"),
    (
        "unknown method",
        "/json/2/res.partner/nope",
        {},
        {},
        None,
        404,
        "werkzeug.exceptions.NotFound",
        "The method 'res.partner.nope' does not exist",
    ),
    ("wrong path", "/json/2/res.partner", {}, {}, None, 404, "werkzeug.exceptions.NotFound", "Did you mean POST /json/2/<model>/<method>?"),
    (
        "private",
        "/json/2/res.partner/_search",
        {},
        {},
        None,
        403,
        "odoo.exceptions.AccessError",
        "Private methods (such as 'res.partner._search')",
    ),
    ("missing argument", SEARCH, {}, {}, None, 422, "werkzeug.exceptions.UnprocessableEntity", "missing a required argument: 'domain'"),
    (
        "bad argument",
        SEARCH,
        {"domain": [], "foo": 1},
        {},
        None,
        422,
        "werkzeug.exceptions.UnprocessableEntity",
        "got an unexpected keyword argument 'foo'",
    ),
    (
        "ids on the model",
        SEARCH,
        {"domain": [], "ids": [1]},
        {},
        None,
        422,
        "werkzeug.exceptions.UnprocessableEntity",
        "cannot call res.partner.search with ids",
    ),
    ("array", SEARCH, [], {}, None, 422, "werkzeug.exceptions.UnprocessableEntity", "missing a required argument: 'domain'"),
    ("bad json", SEARCH, None, {}, b"{nope", 400, "werkzeug.exceptions.BadRequest", "could not parse the body as json"),
    ("content type", SEARCH, None, {"Content-Type": "text/plain"}, b"x", 415, "html", "Unsupported Media Type"),
    (
        "missing record",
        "/json/2/res.partner/write",
        {"ids": [99], "vals": {}},
        {},
        None,
        404,
        "odoo.exceptions.MissingError",
        "Record does not exist or has been deleted.\n(Record: res.partner(99,), User: 2)",
    ),
    (
        "unknown field",
        "/json/2/res.partner/create",
        {"vals_list": [{"nope": 1}]},
        {},
        None,
        500,
        "builtins.ValueError",
        "Invalid field 'nope' in 'res.partner'",
    ),
    (
        "bad selection",
        "/json/2/account.move/create",
        {"vals_list": [{"move_type": "nope"}]},
        {},
        None,
        500,
        "builtins.ValueError",
        "Wrong value for account.move.move_type: 'nope'",
    ),
    (
        "foreign company",
        "/json/2/res.partner/read",
        {"ids": [1], "context": {"allowed_company_ids": [99]}},
        {},
        None,
        403,
        "odoo.exceptions.AccessError",
        "Access to unauthorized or invalid companies.",
    ),
    (
        "not null",
        "/json/2/res.partner/create",
        {"vals_list": [{}]},
        {},
        None,
        422,
        "odoo.exceptions.ValidationError",
        "The operation cannot be completed: ",
    ),
]


@pytest.mark.parametrize(
    ("path", "body", "headers", "raw", "status", "name", "message"), [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS]
)
async def test_json2_answers_with_the_documented_status_and_body(
    client: Json2, path: str, body: Any, headers: dict[str, str | None], raw: bytes | None, status: int, name: str, message: str
) -> None:
    got, answer = await client.post(path, body, headers, raw)
    assert got == status
    if name == "html":
        assert message in answer
    else:
        assert answer["name"] == name
        assert answer["message"].startswith(message)
        assert {"arguments", "context", "debug"} <= answer.keys()


async def test_json2_returns_the_bare_value_and_null_for_none(client: Json2) -> None:
    assert await client.call("res.partner", "search", domain=[["id", "=", 1]]) == [1]
    assert await client.call("res.partner", "read", ids=[99999], fields=["name"]) == []
    payment = client.books.payment(client.books.partner(), 5, post=False)
    assert await client.call("account.payment", "action_post", ids=[payment]) is None
    assert isinstance(await client.call("res.partner", "create", vals_list={"name": "one dict"}), list)


async def test_a_get_below_json2_says_what_was_meant(client: Json2) -> None:
    async with client.session.get(client.books.sandbox.url + SEARCH) as response:
        assert response.status == 404
        assert (await response.json())["message"] == "Did you mean POST /json/2/<model>/<method>?"


async def test_the_authorization_scheme_is_case_insensitive(client: Json2) -> None:
    status, _body = await client.post(SEARCH, {"domain": []}, {"Authorization": f"BEARER {client.books.sandbox.api_key}"})
    assert status == 200


@pytest.mark.parametrize(("version", "code", "build"), [(17, 200, "17.0-20240709"), (18, 200, "18.0-20250702"), (19, 0, "19.0")])
async def test_json_rpc_answers_200_with_the_error_code_of_the_version(version: int, code: int, build: str) -> None:
    books = made(version)
    sandbox = books.sandbox
    await sandbox.start()
    async with aiohttp.ClientSession() as session:
        client = Json2(books, session)
        assert (await client.rpc("common", "version"))["result"]["server_version"] == build
        assert (await client.rpc("common", "login", "books", "admin", "wrong"))["result"] is False
        uid = (await client.rpc("common", "login", "books", "admin", sandbox.api_key))["result"]
        base = ("books", uid, sandbox.api_key)
        assert (await client.rpc("object", "execute_kw", *base, "res.partner", "create", [{"name": "d"}]))["result"] > 0
        assert isinstance((await client.rpc("object", "execute_kw", *base, "res.partner", "create", [[{"name": "d"}]]))["result"], list)
        refused = (await client.rpc("object", "execute_kw", *base, "nope", "read", [[1]]))["error"]
        assert (refused["code"], refused["data"]["name"], refused["data"]["message"]) == (
            code,
            "odoo.exceptions.UserError",
            "Object nope doesn't exist",
        )
        denied = (await client.rpc("object", "execute_kw", "books", uid, "zz", "res.partner", "read", [[1]]))["error"]
        assert denied["data"]["name"] == "odoo.exceptions.AccessDenied"
        unknown = (await client.rpc("object", "execute_kw", "nope", uid, "zz", "res.partner", "read", [[1]]))["error"]
        assert unknown["data"]["name"] == "psycopg2.OperationalError"
        payment = books.payment(books.partner(), 5, post=False)
        nothing = await client.rpc("object", "execute_kw", *base, "account.payment", "action_post", [[payment]])
        assert "result" not in nothing
        assert "error" not in nothing
    await sandbox.stop()


@pytest.mark.parametrize(("version", "status"), [(17, 404), (18, 404), (19, 200)])
async def test_only_19_tells_its_version_at_web_version(version: int, status: int) -> None:
    sandbox = OdooSandbox(version=version)
    url = await sandbox.start()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/web/version") as response:
            assert response.status == status
            if status == 200:
                assert await response.json() == {"version_info": [19, 0, 0, "final", 0, ""], "version": "19.0"}
        async with session.post(f"{url}/web/webclient/version_info", json={"jsonrpc": "2.0", "params": {}}) as response:
            assert (await response.json())["result"]["server_version_info"][0] == version
    await sandbox.stop()


def test_any_error_takes_back_everything_of_its_call(books: Books) -> None:
    before = len(books.find("res.partner", [], "id"))
    with pytest.raises(OdooError):
        books.call("res.partner", "create", vals_list=[{"name": "good"}, {"name": "bad", "country_id": 99999}])
    assert len(books.find("res.partner", [], "id")) == before


LOAD = {"fields": ["id", "name"], "data": [["cf.c1", "Acme"]], "context": NU}


@pytest.mark.parametrize(("kind", "count"), [("drop_before", 0), ("drop_after", 1), ("stall_after", 1)])
async def test_a_cut_connection_leaves_the_work_done_or_not_done(client: Json2, kind: str, count: int) -> None:
    client.books.sandbox.switch.faults.append(Fault(kind, path="res.partner/load", delay_s=0.3))
    with pytest.raises((aiohttp.ClientError, asyncio.TimeoutError)):
        await asyncio.wait_for(client.post("/json/2/res.partner/load", LOAD), 0.1)
    await asyncio.sleep(0.05)
    assert len(client.books.find("res.partner", [["name", "=", "Acme"]], "id")) == count
    again = await client.call("res.partner", "load", **LOAD)
    assert len(again["ids"]) == 1
    assert len(client.books.find("res.partner", [["name", "=", "Acme"]], "id")) == 1


async def test_injected_statuses_have_odoos_shapes(client: Json2) -> None:
    switch = client.books.sandbox.switch
    switch.faults.append(Fault("status", path="res.partner", status=503))
    status, body = await client.post(SEARCH, {"domain": []})
    assert (status, body[:6]) == (503, "<html>")
    switch.faults.append(Fault("status", path="res.partner", status=500))
    status, body = await client.post(SEARCH, {"domain": []})
    assert (status, body["name"]) == (500, "psycopg2.errors.SerializationFailure")


async def test_an_expired_key_is_refused_until_it_is_restored(client: Json2) -> None:
    await client.control("keys", {"expired": True})
    assert (await client.post(SEARCH, {"domain": []}))[0] == 401
    await client.control("keys", {"expired": False})
    assert (await client.post(SEARCH, {"domain": []}))[0] == 200


async def test_a_call_on_too_many_documents_is_killed_without_answer_or_effect(client: Json2) -> None:
    books = client.books
    partner = books.partner()
    await client.control("settings", {"documents_max": 2})
    rows = [[f"cf.in_{i}", "out_invoice", str(partner), "Plan", 5.0] for i in range(3)]
    fields = ["id", "move_type", "partner_id/.id", "invoice_line_ids/name", "invoice_line_ids/price_unit"]
    with pytest.raises(aiohttp.ClientError):
        await client.post("/json/2/account.move/load", {"fields": fields, "data": rows})
    assert books.find("account.move", [], "id") == []
    assert (await client.call("account.move", "load", fields=fields, data=rows[:2]))["ids"]


async def test_of_overlapping_loads_of_one_external_id_exactly_one_wins(client: Json2) -> None:
    await client.control("settings", {"record_ms": 30})
    answers = await asyncio.gather(*(client.call("res.partner", "load", **LOAD) for _ in range(2)))
    lost = [a for a in answers if a["ids"] is False]
    assert len(lost) == 1
    assert "could not serialize access due to concurrent update" in lost[0]["messages"][0]["message"]
    assert len(client.books.find("res.partner", [["name", "=", "Acme"]], "id")) == 1


async def test_never_more_calls_at_a_time_than_workers(client: Json2) -> None:
    await client.control("settings", {"call_ms": 10})
    await asyncio.gather(*(client.call("res.partner", "search", domain=[]) for _ in range(8)))
    assert client.books.sandbox.workers.busy_max == 2


def test_the_invoicing_user_can_book_but_not_administrate(books: Books) -> None:
    sandbox = books.sandbox
    uid = sandbox.add_invoicing_user()
    partner = books.partner()

    def call(model: str, method: str, ids: list[int] | None = None, **arguments: Any) -> Any:
        return sandbox.call(model, method, ids or [], uid=uid, context=books.context, **arguments)

    fields = ["id", "move_type", "partner_id/.id", "invoice_line_ids/name", "invoice_line_ids/price_unit"]
    row = ["cf.in_1", "out_invoice", str(partner), "Plan", 5.0]
    first = sandbox.call("account.move", "load", uid=uid, context={**books.context, **NU}, fields=fields, data=[row])
    again = sandbox.call("account.move", "load", uid=uid, context={**books.context, **NU}, fields=fields, data=[row])
    assert first == again
    call("account.move", "action_post", first["ids"])
    for model, values in (
        ("res.partner", {"name": "x"}),
        ("product.product", {"name": "x"}),
        ("account.account", {"name": "x", "code": "9"}),
    ):
        with pytest.raises(AccessError, match="You are not allowed to create"):
            call(model, "create", vals_list=[values])
    with pytest.raises(AccessError, match="You are not allowed to access 'Model Data'"):
        call("ir.model.data", "search_read", domain=[], fields=["name"])
    with pytest.raises(AccessError, match="You are not allowed to modify 'Companies'"):
        call("res.company", "write", [books.company], vals={"fiscalyear_lock_date": "2025-12-31"})
    refused = call("res.partner", "load", fields=["id", "name"], data=[["cf.p", "P"]])
    assert refused["ids"] is False


@pytest.mark.parametrize("version", [17, 18, 19])
def test_the_admin_of_a_fresh_database_may_not_create_statement_lines(version: int) -> None:
    sandbox = OdooSandbox(version=version)
    with pytest.raises(AccessError, match="You are not allowed to create 'Bank Statement Line'"):
        sandbox.call("account.bank.statement.line", "create", vals_list=[{"payment_ref": "x"}])
    group = "account.group_account_user" if version == 17 else "account.group_account_basic"
    sandbox.call("res.users", "write", [2], vals={sandbox.db.groups_field: [[4, sandbox.env().ref(group)]]})
    journal = sandbox.call("account.journal", "search", domain=[["code", "=", "BNK1"]])[0]
    assert sandbox.call("account.bank.statement.line", "create", vals_list=[{"payment_ref": "x", "journal_id": journal, "amount": 1.0}])
