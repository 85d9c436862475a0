"""Filling an empty database: world data, users, modules, models and the first company, with the ids a fresh database has."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from counterfoil.connectors.odoo.sandbox.apps import automation, chart_template, merge, sale
from counterfoil.connectors.odoo.sandbox.books.chart import install
from counterfoil.connectors.odoo.sandbox.database import Database
from counterfoil.connectors.odoo.sandbox.models import accounts, base, currencies, lines, moves, partners, payments, products, taxes
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.model import Model

ALL: list[type[Model]] = [
    *currencies.MODELS,
    *base.MODELS,
    *partners.MODELS,
    *products.MODELS,
    *accounts.MODELS,
    *taxes.MODELS,
    moves.Move,
    *lines.MODELS,
    *payments.MODELS,
    *sale.MODELS,
    *merge.MODELS,
    *automation.MODELS,
    *chart_template.MODELS,
]

# external id, name in 17, in 18, in 19 (empty: the version has no such group)
GROUPS = (
    ("base.group_user", "User types/Internal User", "User types/Internal User", "Role / User"),
    ("base.group_erp_manager", "Administration/Access Rights", "Administration/Access Rights", "Access Rights"),
    ("base.group_system", "Administration/Settings", "Administration/Settings", "Role / Administrator"),
    ("base.group_multi_company", "Extra Rights/Multi Companies", "Extra Rights/Multi Companies", "Multi Companies"),
    ("base.group_multi_currency", "Extra Rights/Multi Currencies", "Extra Rights/Multi Currencies", "Multi Currencies"),
    ("base.group_allow_export", "Technical/Access to export feature", "Technical/Access to export feature", "Access to export feature"),
    ("base.group_partner_manager", "Extra Rights/Contact Creation", "Extra Rights/Contact Creation", "Contact/Creation"),
    ("base.group_portal", "User types/Portal", "User types/Portal", "Role / Portal"),
    ("base.group_public", "User types/Public", "User types/Public", "Role / Public"),
    ("product.group_product_manager", "", "Extra Rights/Product Creation", "Products/Create"),
    ("account.group_account_readonly", "Technical/Show Accounting Features - Readonly", "Invoicing/Read-only", "Accounting/Read-only"),
    ("account.group_account_invoice", "Invoicing/Billing", "Invoicing/Invoicing", "Accounting/Invoicing"),
    ("account.group_account_basic", "", "Technical/Basic", "Basic"),
    (
        "account.group_account_user",
        "Technical/Show Full Accounting Features",
        "Technical/Show Full Accounting Features",
        "Accounting/Bookkeeper",
    ),
    ("account.group_account_manager", "Invoicing/Billing Administrator", "Invoicing/Administrator", "Accounting/Administrator"),
    ("sales_team.group_sale_manager", "Sales/Administrator", "Sales/Administrator", "Sales/Administrator"),
    (
        "sales_team.group_sale_salesman",
        "Sales/User: Own Documents Only",
        "Sales/User: Own Documents Only",
        "Sales/User: Own Documents Only",
    ),
)
ADMIN_GROUPS = (
    "base.group_user",
    "base.group_erp_manager",
    "base.group_system",
    "base.group_allow_export",
    "base.group_partner_manager",
    "product.group_product_manager",
    "account.group_account_invoice",
    "account.group_account_manager",
    "account.group_account_readonly",
    "sales_team.group_sale_salesman",
    "sales_team.group_sale_manager",
)
INVOICING_GROUPS = ("base.group_user", "account.group_account_invoice")
MODULES = ("account", "base", "base_automation", "base_import", "mail", "product", "sale", "sales_team", "uom", "web")
ABSENT = ("base_vat", "account_edi", "stock", "purchase", "website")
TERMS = (
    ("immediate", "Immediate Payment", ((100.0, 0, "days_after"),)),
    ("15days", "15 Days", ((100.0, 15, "days_after"),)),
    ("21days", "21 Days", ((100.0, 21, "days_after"),)),
    ("30days", "30 Days", ((100.0, 30, "days_after"),)),
    ("45days", "45 Days", ((100.0, 45, "days_after"),)),
    ("end_following_month", "End of Following Month", ((100.0, 0, "days_after_end_of_next_month"),)),
    ("30_days_end_month_the_10", "10 Days after End of Next Month", ((100.0, 10, "days_after_end_of_next_month"),)),
    ("advance_60days", "30% Now, Balance 60 Days", ((30.0, 0, "days_after"), (70.0, 60, "days_after"))),
)
UNITS = (("product_uom_unit", "Units"), ("product_uom_pack_6", "Pack of 6"), ("product_uom_dozen", "Dozens"), ("product_uom_hour", "Hours"))


def fill(db: Database, key: str, password: str) -> None:
    """Make a fresh database: everything but companies' charts, which the first company gets, too."""
    db.register(ALL)
    db.queue_pushes = automation.queue
    db.leaked_pushes = automation.leaked
    env = Env(db, 1, {}, db.env().now, db.env().today, su=True)
    with db.transaction():
        _world(env)
        _users(env)
        _catalog(env)
        _terms(env)
        for name, code in (("in", "inbound"), ("out", "outbound")):
            label = "Manual" if db.version == 17 else "Manual Payment"
            made = _make(env, "account.payment.method", {"name": label, "code": "manual", "payment_type": code})
            db.xids.add(env, f"account.account_payment_method_manual_{name}", "account.payment.method", made, noupdate=False)
        install(env, env.rows("res.company")[1])
    db.keys[key] = 2
    db.passwords["admin"] = password


def _make(env: Env, model: str, values: dict[str, Any]) -> int:
    return int(env.model(model).insert(env, values)["id"])


def _plain(env: Env, model: str, /, **values: Any) -> int:
    """Insert without hooks or checks: for rows that name each other."""
    known = env.model(model)
    plain = {name: value for name, value in known.defaults.items() if name in known.stored and not callable(value)}
    row = {**known.blank, **plain, **values}
    row.update(create_date=env.now, write_date=env.now, create_uid=1, write_uid=1, _commit=None)
    return env.store.insert(model, row)


def _currency(env: Env, code: str, digits: int, symbol: str, full_name: str, row_id: int) -> int:
    env.db.xids.add(env, f"base.{code}", "res.currency", row_id, noupdate=True)
    return _plain(
        env,
        "res.currency",
        id=row_id,
        name=code,
        full_name=full_name,
        symbol=symbol,
        decimal_places=digits,
        rounding=10.0**-digits,
        active=code == "USD",
        position="before" if code in ("USD", "JPY", "GBP") else "after",
    )


def _world(env: Env) -> None:
    text = resources.files("counterfoil.connectors.odoo.sandbox").joinpath("data/world.json").read_text(encoding="utf-8")
    world = json.loads(text)
    by_code = {currency[0]: _currency(env, *currency) for currency in world["currencies"]}
    for code, name, xid, row_id, currency in world["countries"]:
        _plain(env, "res.country", id=row_id, code=code, name=name, currency_id=by_code.get(currency, False))
        env.db.xids.add(env, f"base.{xid}", "res.country", row_id, noupdate=True)
    for code, name, xid, country, row_id in world["states"]:
        _plain(env, "res.country.state", id=row_id, code=code, name=name, country_id=country)
        env.db.xids.add(env, f"base.{xid}", "res.country.state", row_id, noupdate=True)
    lang = _plain(env, "res.lang", name="English (US)", code="en_US", active=True)
    env.db.xids.add(env, "base.lang_en", "res.lang", lang, noupdate=True)
    for xid, name in UNITS:
        unit = _plain(env, "uom.uom", name=name)
        env.db.xids.add(env, f"uom.{xid}", "uom.uom", unit, noupdate=True)
    for name, digits in (("Product Unit" if env.version >= 19 else "Product Unit of Measure", 2), ("Product Price", 2), ("Discount", 2)):
        _plain(env, "decimal.precision", name=name, digits=digits)


def _users(env: Env) -> None:
    groups = {}
    for xid, *names in GROUPS:
        name = names[min(env.version, 19) - 17]
        if not name:
            continue
        groups[xid] = _plain(env, "res.groups", name=name)
        env.db.xids.add(env, xid, "res.groups", groups[xid], noupdate=True)
    usa = env.ref("base.us")
    company = _plain(env, "res.company", name="My Company", currency_id=env.ref("base.USD"), country_id=usa, account_fiscal_country_id=usa)
    env.set(
        "res.company",
        env.rows("res.company")[1],
        sequence=11,
        tax_calculation_rounding_method="round_globally" if env.version >= 19 else "round_per_line",
    )
    partner = _plain(env, "res.partner", name="My Company", is_company=True, country_id=usa)
    env.set("res.company", env.rows("res.company")[company], partner_id=partner)
    bot = _plain(env, "res.partner", name="OdooBot", active=False)
    admin = _plain(env, "res.partner", name="Administrator")
    field = env.db.groups_field
    held = tuple(groups[x] for x in ADMIN_GROUPS if x in groups)
    for login, name, person, active in (("__system__", "OdooBot", bot, False), ("admin", "Administrator", admin, True)):
        values = {field: held, "login": login, "name": name, "partner_id": person, "active": active}
        _plain(env, "res.users", company_id=company, company_ids=(company,), **values)
    for xid, model, row_id in (
        ("base.main_company", "res.company", company),
        ("base.main_partner", "res.partner", partner),
        ("base.user_root", "res.users", 1),
        ("base.user_admin", "res.users", 2),
        ("base.partner_root", "res.partner", bot),
        ("base.partner_admin", "res.partner", admin),
    ):
        env.db.xids.add(env, xid, model, row_id, noupdate=True)
    for xid, name in (("goods", "Goods"), ("expenses", "Expenses"), ("services", "Services")):
        category = _plain(env, "product.category", name=name if env.version >= 19 else ("All" if xid == "goods" else name))
        env.db.xids.add(env, f"product.product_category_{xid}", "product.category", category, noupdate=True)


def _catalog(env: Env) -> None:
    for name in (*MODULES, *ABSENT):
        _plain(env, "ir.module.module", name=name, shortdesc=name, state="installed" if name in MODULES else "uninstalled")
    for model in env.registry.values():
        model_id = _plain(env, "ir.model", name=model.label, model=model.name)
        for field in model.fields.values():
            _plain(
                env,
                "ir.model.fields",
                name=field.name,
                model=model.name,
                model_id=model_id,
                field_description=field.label,
                ttype=field.kind,
                relation=field.relation or False,
                required=field.required,
                readonly=field.readonly,
                store=field.name in model.stored,
            )


def _terms(env: Env) -> None:
    for xid, name, parts in TERMS:
        term = _plain(env, "account.payment.term", name=name)
        for percent, days, kind in parts:
            _plain(env, "account.payment.term.line", payment_id=term, value="percent", value_amount=percent, nb_days=days, delay_type=kind)
        env.db.xids.add(env, f"account.account_payment_term_{xid}", "account.payment.term", term, noupdate=True)
