"""The whole way at the terminal: init, check, up, an invoice whose tax is not mapped, its case, the mapping, the booked invoice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest

from .conftest import Program

Details = dict[str, dict[str, Any]]


def _post(url: str, form: dict[str, str] | None = None, data: Any = None, key: str = "") -> Any:
    body = urlencode(form).encode() if form is not None else json.dumps(data).encode()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if form is None:
        headers["Content-Type"] = "application/json"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as response:
        return json.loads(response.read())


def _until(condition: Callable[[], bool], *, patience_s: float = 60) -> bool:
    deadline = time.monotonic() + patience_s
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


@contextmanager
def _up(program: Program, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the hub in a process of its own; yield it and what it announced."""
    command = [sys.executable, "-m", "counterfoil", "up", "--json", "--port", "0", "--config", str(program.config), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            text = ""
            for line in process.stdout:
                text += line
                if line == "}\n":
                    break
            yield process, json.loads(text)
        finally:
            process.kill()


def _call(odoo: dict[str, Any], model: str, method: str, **arguments: Any) -> Any:
    """Call the books as a person's own program would."""
    request = urllib.request.Request(
        f"{odoo['url']}/json/2/{model}/{method}",
        json.dumps(arguments).encode(),
        {"Authorization": f"bearer {odoo['api_key']}", "X-Odoo-Database": odoo["db"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


def _books_are_prepared(odoo: dict[str, Any]) -> None:
    """Have the bank journal's payments booked to the clearing account, as `check` asks for."""
    (account,) = _call(odoo, "account.account", "search", domain=[["code", "=", "101403"]])
    _call(odoo, "account.account", "write", ids=[account], vals={"reconcile": True})
    lines = _call(odoo, "account.payment.method.line", "search", domain=[["journal_id.code", "=", "BNK1"]])
    _call(odoo, "account.payment.method.line", "write", ids=lines, vals={"payment_account_id": account})


@pytest.fixture
def connected(program: Program, sandboxes: Details, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return the program with what `init` wrote for the sandboxes, completed as a person would."""
    stripe, odoo = sandboxes["stripe"], sandboxes["odoo"]
    account = stripe["accounts"][0]
    monkeypatch.setenv("ODOO_KEY", odoo["api_key"])
    monkeypatch.setenv("STRIPE_KEY", account["api_key"])
    monkeypatch.setenv("STRIPE_US_WEBHOOK_SECRET", "whsec_test")
    asked = ["--odoo-url", odoo["url"], "--odoo-db", odoo["db"], "--odoo-login", odoo["login"], "--stripe", "stripe_us=STRIPE_KEY"]
    settings = {"account": account["id"], "base_url": stripe["url"], "requests_per_s": "500"}
    for name, value in settings.items():
        asked += ["--set", f"stripe_us.{name}={value}"]
    assert program.run("init", "--force", *asked).code == 0
    text = program.config.read_text("utf-8")
    missing = 'adjustment = "642000"\ncustomer_credit = "201000"\nbad_debt = "600000"\n'
    text = text.replace('# disputed_funds = "CODE"\n', f'disputed_funds = "101402"\n{missing}').replace('# bad_debt = "CODE"\n', "")
    text = text.replace("[hub]\n", f'[hub]\nhome = "{program.folder / "home"}"\n')
    program.config.write_text(text, "utf-8")
    return program


def test_from_nothing_to_a_booked_invoice(connected: Program, sandboxes: Details) -> None:
    stripe = sandboxes["stripe"]
    key = stripe["accounts"][0]["api_key"]

    checked = connected.run("check", "--json")
    assert checked.code == 1
    assert {line["finding"]["code"] for line in checked.json()["findings"] if line["finding"]["severity"] == "error"} == {
        "odoo.outstanding_account"
    }
    _books_are_prepared(sandboxes["odoo"])
    assert connected.run("check").code == 0

    with _up(connected) as (process, announced):
        assert set(announced["webhooks"]) == {"stripe_us"}
        hook = {"url": announced["webhooks"]["stripe_us"], "account": "acct_sandbox", "secret": "whsec_test"}
        _post(f"{stripe['url']}/_control/webhooks", data=hook)
        invoice = _invoice(stripe["url"], key)

        assert _until(lambda: bool(connected.run("case", "list", "--json").json()))
        (case,) = connected.run("case", "list", "--json").json()
        assert (case["case_class"], case["currency"], case["entity"]) == ("unmapped_tax", "USD", "my_company")
        wished = connected.run("trace", invoice, "--json").json()["commands"]
        assert [one for one in wished if one["kind"] == "post_invoice"] == []

        assert connected.run("map", "set", "tax", "my_company", "15|exclusive", "15%").code == 0
        assert _until(lambda: _posted(connected, invoice) != "")
        assert _until(lambda: connected.run("case", "list", "--json").json() == [])
        number = _posted(connected, invoice)
        traced = connected.run("trace", number, "--json").json()["objects"]
        assert f"stripe:{invoice}" in [one["ref"]["id"] for one in traced]

        month = _all_is_proven(connected, sandboxes["odoo"], number)
        _history_is_known_already(connected)
        again = [
            sys.executable,
            "-m",
            "counterfoil",
            "up",
            "--port",
            "0",
            "--worker",
            announced["worker"],
            "--config",
            str(connected.config),
        ]
        assert subprocess.run(again, check=False, timeout=60).returncode == 2, "two workers of one name"
        with _up(connected, "--no-intake") as (second, announced_too):
            assert announced_too["worker"] == f"{announced['worker']}-2"
            assert len(connected.run("status", "--json").json()["workers"]) == 2
            second.send_signal(signal.SIGTERM)
            assert second.wait(timeout=30) == 0

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    found = connected.run("status", "--json")
    assert (found.code, found.json()["balanced"], found.json()["workers"]) == (1, True, [])  # nobody works any more
    _is_proven_until_somebody_changes_it(connected, sandboxes["odoo"], number, month)


def test_a_second_signal_ends_the_program_at_once(connected: Program) -> None:
    connected.config.write_text(connected.config.read_text("utf-8").replace("[hub]\n", "[hub]\nlinger_s = 60\n"), "utf-8")
    with _up(connected) as (process, announced):
        process.send_signal(signal.SIGTERM)
        assert _until(lambda: not _is_ready(announced["address"]))  # it has heard it, and lingers
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health/ready", timeout=10) as response:
            return bool(response.status == 200)
    except urllib.error.HTTPError:
        return False


def _invoice(url: str, key: str) -> str:
    """Have Stripe issue an invoice over 120.00 USD plus 15 %, paid by card; return its id."""
    rate = _post(f"{url}/v1/tax_rates", {"display_name": "Sales", "percentage": "15", "inclusive": "false"}, key=key)["id"]
    card = {"payment_method": "pm_card_visa", "invoice_settings[default_payment_method]": "pm_card_visa"}
    customer = _post(f"{url}/v1/customers", {"name": "Example", "email": "ap@example.com", **card}, key=key)["id"]
    invoice = str(_post(f"{url}/v1/invoices", {"customer": customer, "default_tax_rates[]": rate}, key=key)["id"])
    _post(f"{url}/v1/invoiceitems", {"customer": customer, "invoice": invoice, "amount": "12000", "currency": "usd"}, key=key)
    _post(f"{url}/v1/invoices/{invoice}/finalize", {}, key=key)
    _post(f"{url}/v1/invoices/{invoice}/pay", {}, key=key)
    return invoice


def _posted(program: Program, invoice: str) -> str:
    commands = program.run("trace", invoice, "--json").json()["commands"]
    return next((str(c["external_name"]) for c in commands if c["kind"] == "post_invoice" and c["state"] == "done"), "")


def _history_is_known_already(program: Program) -> None:
    """Reading history beside the running hub adds nothing to the books."""
    before = _done(program)
    ended = program.run("backfill", "stripe_us", "--since", "2026-01-01", "--kind", "invoice", "--kind", "customer", "--json")
    assert ended.code == 0, ended.err
    assert [(line["kind"], line["is_done"]) for line in ended.json()["kinds"]] == [("customer", True), ("invoice", True)]
    assert ended.json()["has_worker"] is True
    assert _until(lambda: all(line["pending"] == 0 for line in program.run("status", "--json").json()["sources"]))
    assert _done(program) == before


def _all_is_proven(program: Program, odoo: dict[str, Any], number: str) -> str:
    """Read all history, as the account is older than this hub, and have the month of an invoice proven; return the month."""
    assert program.run("backfill", "stripe_us", "--since", "2026-01-01", "--json").code == 0
    (move,) = _call(odoo, "account.move", "search_read", domain=[["name", "=", number]], fields=["date"])
    month = str(move["date"])[:7]

    def is_done() -> bool:
        (proof,) = program.run("prove", "--period", month, "--json").json()["proofs"]
        return (proof["differences"], proof["explained"]) == (0, 0)

    assert _until(is_done)
    return month


def _is_proven_until_somebody_changes_it(program: Program, odoo: dict[str, Any], number: str, month: str) -> None:
    """Prove the month by the terminal: equal, then with the invoice in draft, then asked wrongly, then with a side that gives no answer."""
    (move,) = _call(odoo, "account.move", "search_read", domain=[["name", "=", number]], fields=["id"])
    proven = program.run("prove", "--period", month, "--json")
    assert (proven.code, proven.json()["is_proven"]) == (0, True), proven.out
    _call(odoo, "account.move", "button_draft", ids=[move["id"]])
    proven = program.run("prove", "--period", month, "--entity", "my_company", "--json")
    assert (proven.code, proven.json()["is_proven"]) == (1, False)
    assert program.run("prove", "--period", "2026-13").code == 2
    assert program.run("prove", "--entity", "nobody").code == 2
    text = program.config.read_text("utf-8")
    program.config.write_text(text.replace(odoo["url"], "http://127.0.0.1:9"), "utf-8")
    assert program.run("prove", "--period", month).code == 3
    program.config.write_text(text, "utf-8")


def _done(program: Program) -> int:
    documents = program.run("status", "--json").json()["lag"]
    return sum(line["count"] for line in documents if line["kind"] == "post_invoice")


def test_a_killed_workers_name_is_free_at_once(connected: Program) -> None:
    for _ in range(2):
        with _up(connected, "--worker", "one", "--no-intake") as (process, announced):
            assert announced == {"address": "", "webhooks": {}, "worker": "one"}
            process.kill()
            process.wait()


def test_intake_alone_takes_deliveries_without_the_keys_and_works_nothing(connected: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ODOO_KEY", "STRIPE_KEY"):
        monkeypatch.delenv(name)
    text = connected.config.read_text("utf-8")
    connected.config.write_text(text.replace('connector = "stripe"\n', 'connector = "stripe"\nlivemode = false\n'), "utf-8")
    with _up(connected, "--no-work") as (process, announced):
        assert announced["worker"] == ""
        with pytest.raises(urllib.error.HTTPError) as refused:
            _post(announced["webhooks"]["stripe_us"], data={})
        assert refused.value.code == 400
        assert connected.run("status", "--json").json()["workers"] == []
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_backfill_with_work_needs_no_hub_beside_it(connected: Program, sandboxes: Details) -> None:
    account = sandboxes["stripe"]["accounts"][0]
    customer = _post(f"{sandboxes['stripe']['url']}/v1/customers", {"name": "Other"}, key=account["api_key"])["id"]
    command = [
        sys.executable,
        "-m",
        "counterfoil",
        "backfill",
        "stripe_us",
        "--since",
        "2026-01-01",
        "--kind",
        "customer",
        "--work",
        "--json",
    ]
    ended = subprocess.run([*command, "--config", str(connected.config)], stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
    assert json.loads(ended.stdout)["left"] == 0
    (found,) = connected.run("trace", customer, "--json").json()["receipts"]
    assert found["state"] == "normalized"


def test_check_names_a_key_that_is_refused_and_a_source_nobody_routes(connected: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_KEY", "sk_test_wrong")
    text = connected.config.read_text("utf-8")
    connected.config.write_text(
        text.replace("[[routes]]", '[[routes]]\ncountry = "US"').replace('connection = "stripe_us"', 'connection = "odoo"'), "utf-8"
    )
    ended = connected.run("check", "--json")
    found = {(line["connection"], line["finding"]["code"]) for line in ended.json()["findings"] if line["finding"]["severity"] == "error"}
    assert ended.code == 1
    assert {("", "route.missing"), ("stripe_us", "stripe.key_refused")} <= found
