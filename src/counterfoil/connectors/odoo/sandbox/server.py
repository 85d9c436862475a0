"""OdooSandbox: a stateful Odoo server of a chosen version on loopback, with its control interface and a Python interface."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aiohttp import web

from counterfoil.connectors.odoo.sandbox import catalog
from counterfoil.connectors.odoo.sandbox.books import chart, prepared
from counterfoil.connectors.odoo.sandbox.database import Database
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError, SerializationFailure
from counterfoil.connectors.odoo.sandbox.wire import calls, report
from counterfoil.connectors.odoo.sandbox.wire.control import Control
from counterfoil.connectors.odoo.sandbox.wire.transport import Transport, error_body
from counterfoil.connectors.odoo.sandbox.wire.workers import Workers
from counterfoil.kit.sandbox import Fault, Sandbox

KEY = "5f0c3a9e6d1b4872a7c5e9f01234567890abcdef"
INVOICING_KEY = "1b7d9c2e4f6a8035c9e1d3b5f70a2c4e6089bdf1"
PASSWORD = "admin"
CHARTED_GROUPS = (
    "account.group_account_manager",
    "account.group_account_user",
    "account.group_account_basic",
    "base.group_multi_currency",
    "base.group_multi_company",
)


class OdooSandbox(Sandbox):
    """A simulated Odoo.

    Args:
        version: 17, 18, 19 or 20.
        db: database name.
        workers: how many calls are served at a time.
        seed: seed of the fault switch.
        is_prepared: whether the first company has the accounts and the journal a processor's money needs.
    """

    name = "odoo"

    def __init__(self, version: int = 19, db: str = "books", workers: int = 2, seed: int = 0, *, is_prepared: bool = False) -> None:
        super().__init__(seed)
        self.is_prepared = is_prepared
        self.version = version
        self.db_name = db
        self.login = "admin"
        self.password = PASSWORD
        self.api_key = KEY
        self.invoicing_key = INVOICING_KEY
        self.workers = Workers(workers)
        self.db = self._fresh()

    def _fresh(self) -> Database:
        db = Database(self.db_name, self.version)
        catalog.fill(db, self.api_key, self.password)
        if self.is_prepared:
            with db.transaction():
                prepared.prepare(db.env(2, None, su=True))
        return db

    # -- the base's hooks ---------------------------------------------------------------------------------------------------------

    def routes(self, app: web.Application) -> None:
        """Serve Odoo's routes."""
        Transport(lambda: self.db, self.workers).routes(app)

    def control(self, app: web.Application) -> None:
        """Serve the control interface."""
        Control(self).routes(app)

    def details(self) -> dict[str, Any]:
        """Return what a client needs to connect."""
        return {
            "name": self.name,
            "url": self.url,
            "version": self.version,
            "db": self.db_name,
            "login": self.login,
            "password": self.password,
            "api_key": self.api_key,
            "invoicing_login": "invoicing",
            "invoicing_key": self.invoicing_key if self.invoicing_key in self.db.keys else "",
            "companies": {c["name"]: c["id"] for c in self.env().rows("res.company").values()},
        }

    def error(self, status: int, fault: Fault) -> web.Response:
        """Return an injected status: a proxy's page for 502-504, PostgreSQL's serialization failure for 500, JSON otherwise."""
        headers = self.retry_after(fault)
        if fault.body:
            kind = "application/json" if fault.body.lstrip().startswith(("{", "[")) else "text/html"
            return web.Response(status=status, text=fault.body, content_type=kind, headers=headers)
        if status in (429, 502, 503, 504):
            return web.Response(
                status=status, text=f"<html><body><h1>{status}</h1></body></html>", content_type="text/html", headers=headers
            )
        error: OdooError = SerializationFailure()
        if status != 500:
            error = OdooError(f"sandbox fault {status}")
        body: dict[str, Any] = error_body(error)
        if self.version < 19:
            body = {"jsonrpc": "2.0", "id": None, "error": {"code": 200, "message": "Odoo Server Error", "data": body}}
            status = 200 if status == 500 else status
        return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=headers)

    # -- the Python interface -----------------------------------------------------------------------------------------------------

    def env(self, uid: int = 2, context: dict[str, Any] | None = None) -> Env:
        """Return a privileged environment on the database."""
        return self.db.env(uid, context, su=True)

    def reset(self) -> None:
        """Start over with a fresh database; the clock's offset stays."""
        offset = self.db.offset
        self.db = self._fresh()
        self.db.offset = offset
        self.switch.faults.clear()
        self.switch.struck.clear()

    def add_companies(self, companies: Sequence[tuple[str, str, str]]) -> dict[str, int]:
        """Create companies with chart, journals and taxes, ready to use.

        Args:
            companies: (name, currency code, country code) each.

        Returns:
            The companies' ids by name. The admin user gets the accounting and multi-company groups and the first company as his own.
        """
        made: dict[str, int] = {}
        with self.db.transaction():
            for name, currency, country in companies:
                made[name] = self._add_company(name, currency, country)
            env = self.env()
            groups = [env.ref(x) for x in CHARTED_GROUPS if self.db.xids.find(x) is not None]
            env.model("res.users").write(
                env, [2], {self.db.groups_field: [[4, g] for g in groups], "company_id": next(iter(made.values()))}
            )
        return made

    def _add_company(self, name: str, currency: str, country: str) -> int:
        env = self.env()
        unit = env.ref(f"base.{currency}")
        land = next(c["id"] for c in env.rows("res.country").values() if c["code"] == country)
        values = {"name": name, "currency_id": unit, "country_id": land, "account_fiscal_country_id": land}
        company = env.model("res.company").create(env, [values])[0]
        inner = self.env(context={"allowed_company_ids": [company]})
        chart.install(inner, env.rows("res.company")[company])
        env.set("res.company", env.rows("res.company")[company], currency_id=unit)
        return int(company)

    def add_invoicing_user(self) -> int:
        """Create the user who may only invoice (login ``invoicing``); return its id."""
        with self.db.transaction():
            env = self.env()
            groups = [env.ref(x) for x in catalog.INVOICING_GROUPS]
            values = {
                "name": "Invoicing",
                "login": "invoicing",
                self.db.groups_field: [[6, 0, groups]],
                "company_id": env.user["company_id"],
                "company_ids": [[6, 0, list(env.user["company_ids"])]],
            }
            uid = env.model("res.users").create(env, [values])[0]
        self.db.keys[self.invoicing_key] = uid
        return uid

    def call(
        self, model: str, method: str, ids: Sequence[int] = (), context: dict[str, Any] | None = None, uid: int = 2, **arguments: Any
    ) -> Any:
        """Run a method as a call of its own, without HTTP. Raises OdooError."""
        found = self.db.registry[model]
        return calls.run(self.db, uid, found, method, list(ids), arguments, context or {})

    def apply_settings(self) -> None:
        """Let Enterprise show as an installed module, Community as none."""
        with self.db.transaction():
            env = self.env()
            known = env.find("ir.module.module", "name", "account_accountant")
            if self.db.settings.enterprise and not known:
                values = {"name": "account_accountant", "shortdesc": "Accounting", "state": "installed"}
                env.model("ir.module.module").create(env, [values])
            elif known and not self.db.settings.enterprise:
                env.model("ir.module.module").unlink(env, known)

    def set_today(self, day: date | str) -> None:
        """Move the server's clock so that its date is ``day`` (time of day kept)."""
        wanted = date.fromisoformat(day) if isinstance(day, str) else day
        self.db.offset = timedelta(days=(wanted - datetime.now(UTC).date()).days)

    def advance(self, days: int = 0, seconds: float = 0.0) -> None:
        """Move the server's clock forward."""
        self.db.offset += timedelta(days=days, seconds=seconds)

    def books(self) -> dict[str, Any]:
        """Return the trial balance and the documents of every company (see the README for the shape)."""
        return report.books(self.env())
