"""The generic chart of accounts per company, and what a new journal, tax or company gets by default.

Codes, names and external ids are those a fresh ``generic_coa`` installation has on the three versions.
"""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row

# code, template name, name, type, reconcile, versions from, versions until
ACCOUNTS: tuple[tuple[str, str, str, str, bool, int, int], ...] = (
    ("101000", "current_assets", "Current Assets", "asset_current", False, 17, 19),
    ("110100", "stock_valuation", "Stock Valuation", "asset_current", False, 17, 19),
    ("110200", "stock_in", "Stock Interim (Received)", "asset_current", True, 17, 18),
    ("110300", "stock_out", "Stock Interim (Delivered)", "asset_current", True, 17, 18),
    ("110400", "cost_of_production", "Cost of Production", "asset_current", True, 17, 19),
    ("110500", "wip", "Work in Progress", "asset_current", True, 18, 19),
    ("121000", "receivable", "Account Receivable", "asset_receivable", True, 17, 19),
    ("121100", "to_receive_rec", "Products to receive", "asset_current", True, 17, 19),
    ("122000", "owner_current_account", "Owner's Current Account", "asset_receivable", True, 19, 19),
    ("128000", "prepaid_expenses", "Prepaid Expenses", "asset_current", False, 18, 19),
    ("131000", "tax_paid", "Tax Paid", "asset_current", False, 17, 19),
    ("132000", "tax_receivable", "Tax Receivable", "asset_receivable", True, 17, 19),
    ("141000", "prepayments", "Prepayments", "asset_prepayments", False, 17, 19),
    ("151000", "fixed_assets", "Fixed Asset", "asset_fixed", False, 17, 19),
    ("191000", "non_current_assets", "Non-current assets", "asset_non_current", False, 17, 19),
    ("201000", "current_liabilities", "Current Liabilities", "liability_current", False, 17, 19),
    ("201100", "credit_card", "Credit Card", "liability_credit_card", False, 18, 19),
    ("211000", "payable", "Account Payable", "liability_payable", True, 17, 19),
    ("211100", "to_receive_pay", "Bills to receive", "liability_current", True, 17, 19),
    ("212000", "deferred_revenue", "Deferred Revenue", "liability_current", False, 18, 19),
    ("230000", "salary_payable", "Salary Payable", "liability_current", True, 17, 19),
    ("230100", "employee_payroll_taxes", "Employee Payroll Taxes", "liability_current", True, 17, 19),
    ("230200", "employer_payroll_taxes", "Employer Payroll Taxes", "liability_current", True, 17, 19),
    ("251000", "tax_received", "Tax Received", "liability_current", False, 17, 19),
    ("252000", "tax_payable", "Tax Payable", "liability_payable", True, 17, 19),
    ("291000", "non_current_liabilities", "Non-current Liabilities", "liability_non_current", False, 17, 19),
    ("301000", "capital", "Capital", "equity", False, 17, 19),
    ("302000", "dividends", "Dividends", "equity", False, 17, 19),
    ("400000", "income", "Product Sales", "income", False, 17, 19),
    ("441000", "income_currency_exchange", "Foreign Exchange Gain", "income", False, 17, 19),
    ("442000", "cash_diff_income", "Cash Difference Gain", "income", False, 17, 19),
    ("443000", "cash_discount_loss", "Cash Discount Loss", "expense", False, 17, 19),
    ("450000", "other_income", "Other Income", "income_other", False, 17, 19),
    ("500000", "cost_of_goods_sold", "Cost of Goods Sold", "expense_direct_cost", False, 17, 19),
    ("600000", "expense", "Expenses", "expense", False, 17, 19),
    ("610000", "stock_variation", "Stock Variation", "expense", False, 19, 19),
    ("611000", "expense_invest", "Purchase of Equipments", "expense", False, 17, 19),
    ("612000", "expense_rent", "Rent", "expense", False, 17, 19),
    ("620000", "expense_finance", "Bank Fees", "expense", False, 17, 19),
    ("630000", "expense_salary", "Salary Expenses", "expense", False, 17, 19),
    ("641000", "expense_currency_exchange", "Foreign Exchange Loss", "expense", False, 17, 19),
    ("642000", "cash_diff_expense", "Cash Difference Loss", "expense", False, 17, 19),
    ("643000", "cash_discount_gain", "Cash Discount Gain", "income", False, 17, 19),
    ("961000", "expense_rd", "RD Expenses", "expense", False, 17, 19),
    ("962000", "expense_sales", "Sales Expenses", "expense", False, 17, 19),
    ("101300", "pos_receivable", "Account Receivable (PoS)", "asset_receivable", True, 17, 19),
    ("101402", "account_journal_suspense_account_id", "Bank Suspense Account", "asset_current", False, 17, 19),
    ("101403", "account_journal_payment_debit_account_id", "Outstanding Receipts", "asset_current", True, 17, 19),
    ("101404", "account_journal_payment_credit_account_id", "Outstanding Payments", "asset_current", True, 17, 19),
    ("101701", "transfer_account_id", "Liquidity Transfer", "asset_current", True, 17, 19),
    ("999999", "unaffected_earnings_account", "Undistributed Profits/Losses", "equity_unaffected", False, 17, 19),
)

# template, code, type, sequence, name before 19, name in 19 (empty: not there)
JOURNALS = (
    ("sale", "INV", "sale", 5, "Customer Invoices", "Sales"),
    ("purchase", "BILL", "purchase", 6, "Vendor Bills", "Purchases"),
    ("general", "MISC", "general", 9, "Miscellaneous Operations", "Miscellaneous Operations"),
    ("exch", "EXCH", "general", 10, "Exchange Difference", "Exchange Difference"),
    ("caba", "CABA", "general", 10, "Cash Basis Taxes", "Cash Basis Taxes"),
    ("bank", "BNK1", "bank", 7, "Bank", "Bank"),
    ("cash", "CSH1", "cash", 8, "Cash", ""),
)

PREFIXES = {"bank": "1014", "cash": "1015"}


def install(env: Env, company: Row) -> None:
    """Install the generic chart: accounts, taxes, journals, defaults. The company's currency becomes the template country's."""
    company_id = company["id"]
    inner = env.with_context(allowed_company_ids=[company_id], active_test=True).sudo()
    usa = env.ref("base.us")
    if not company["country_id"]:
        env.set("res.company", company, country_id=usa)
    if not company["account_fiscal_country_id"]:
        env.set("res.company", company, account_fiscal_country_id=usa)
    currency = env.row("res.country", company["account_fiscal_country_id"])["currency_id"] or env.ref("base.USD")
    env.set(
        "res.company",
        company,
        currency_id=currency,
        chart_template="generic_coa",
        bank_account_code_prefix="1014",
        cash_account_code_prefix="1015",
    )
    accounts = {}
    for code, template, name, kind, reconcile, since, until in ACCOUNTS:
        if not since <= min(env.version, 19) <= until:
            continue
        if env.version == 17 and template in ("tax_receivable", "tax_payable"):
            kind, reconcile = ("asset_current", False) if template == "tax_receivable" else ("liability_current", False)
        values = {"code": code, "name": name, "account_type": kind, "reconcile": reconcile}
        accounts[template] = inner.model("account.account").create(inner, [values])[0]
        _name(inner, company_id, template, "account.account", accounts[template])
    wanted = {
        "transfer_account_id": "transfer_account_id",
        "account_journal_suspense_account_id": "account_journal_suspense_account_id",
        "account_journal_payment_debit_account_id": "account_journal_payment_debit_account_id",
        "account_journal_payment_credit_account_id": "account_journal_payment_credit_account_id",
        "default_cash_difference_income_account_id": "cash_diff_income",
        "default_cash_difference_expense_account_id": "cash_diff_expense",
        "income_currency_exchange_account_id": "income_currency_exchange",
        "expense_currency_exchange_account_id": "expense_currency_exchange",
    }
    stored = env.model("res.company").stored
    env.set("res.company", company, **{column: accounts[template] for column, template in wanted.items() if column in stored})
    _taxes(inner, company, accounts)
    _journals(inner, company, accounts)


def _name(env: Env, company_id: int, template: str, model: str, row_id: int) -> None:
    env.db.xids.add(env, f"account.{company_id}_{template}", model, row_id, noupdate=True)


def _taxes(env: Env, company: Row, accounts: dict[str, int]) -> None:
    groups = {}
    for rate in ("15", "0") if env.version >= 19 else ("15",):
        groups[rate] = env.model("account.tax.group").create(env, [{"name": f"Tax {rate}%", "country_id": company["country_id"]}])[0]
        _name(env, company["id"], f"tax_group_{rate}", "account.tax.group", groups[rate])
    made = {}
    specs = [
        ("sale_tax_template", "15%", "sale", 15.0, "tax_received", "15"),
        ("purchase_tax_template", "15%", "purchase", 15.0, "tax_paid", "15"),
    ]
    if env.version >= 19:
        specs += [
            ("sale_export_tax_template", "0% Exports", "sale", 0.0, "", "0"),
            ("purchase_import_tax_template", "0% Imports", "purchase", 0.0, "", "0"),
        ]
    for template, name, use, amount, account, group in specs:
        split = [[0, 0, {"repartition_type": "base"}], [0, 0, {"repartition_type": "tax", "account_id": accounts.get(account, False)}]]
        values = {
            "name": name,
            "type_tax_use": use,
            "amount": amount,
            "tax_group_id": groups[group],
            "invoice_repartition_line_ids": split,
            "refund_repartition_line_ids": split,
        }
        made[template] = env.model("account.tax").create(env, [values])[0]
        _name(env, company["id"], template, "account.tax", made[template])
    env.set("res.company", company, account_sale_tax_id=made["sale_tax_template"], account_purchase_tax_id=made["purchase_tax_template"])


def _journals(env: Env, company: Row, accounts: dict[str, int]) -> None:
    defaults = {"sale": "income", "purchase": "expense"}
    for template, code, kind, sequence, old_name, new_name in JOURNALS:
        name = new_name if env.version >= 19 else old_name
        if not name:
            continue
        values: Row = {"name": name, "code": code, "type": kind, "sequence": sequence}
        values["show_on_dashboard"] = kind != "general" or env.version < 19
        if kind in defaults:
            values["default_account_id"] = accounts[defaults[kind]]
        journal = env.model("account.journal").create(env, [values])[0]
        _name(env, company["id"], template, "account.journal", journal)
        if template == "exch":
            env.set("res.company", company, currency_exchange_journal_id=journal)


def prepare_journal(env: Env, values: Row) -> Row:
    """Complete the values of a new journal: code, liquidity account, suspense, profit and loss accounts, sequences."""
    kind = values.get("type")
    company_id = values.get("company_id") or env.company_id
    company = env.row("res.company", company_id)
    if kind in ("sale", "purchase"):
        values.setdefault("refund_sequence", True)
    if kind and not values.get("code") and (kind in ("bank", "cash", "credit") or env.version >= 19):
        values["code"] = _free_journal_code(env, str(kind), company_id)
    if kind not in ("bank", "cash", "credit"):
        return values
    values.setdefault("payment_sequence", True)
    if not values.get("default_account_id"):
        prefix = company["cash_account_code_prefix"] if kind == "cash" else company["bank_account_code_prefix"]
        inner = env.with_context(allowed_company_ids=[company_id]).sudo()
        account = {
            "name": values.get("name"),
            "code": _free_account_code(env, prefix or PREFIXES.get(str(kind), "1014"), company_id),
            "account_type": "liability_credit_card" if kind == "credit" else "asset_cash",
        }
        if values.get("currency_id") and values["currency_id"] != company["currency_id"]:
            account["currency_id"] = values["currency_id"]
        values["default_account_id"] = inner.model("account.account").create(inner, [account])[0]
    values.setdefault("suspense_account_id", company["account_journal_suspense_account_id"])
    values.setdefault("profit_account_id", company["default_cash_difference_income_account_id"])
    values.setdefault("loss_account_id", company["default_cash_difference_expense_account_id"])
    return values


def _free_journal_code(env: Env, kind: str, company_id: int) -> str:
    stem = {"bank": "BNK", "cash": "CSH", "credit": "CCD", "sale": "INV", "purchase": "BILL"}.get(kind, "MISC")
    taken = {j["code"] for j in env.rows("account.journal").values() if j["company_id"] == company_id}
    candidates = [f"{stem}{n}" for n in range(1, 100)]
    if kind not in ("bank", "cash", "credit"):
        candidates.insert(0, stem)
    free = [c for c in candidates if c not in taken]
    if not free:
        raise UserError("Cannot generate an unused journal code. Please change the name for journal.")
    return free[0]


def _free_account_code(env: Env, prefix: str, company_id: int) -> str:
    taken = {a["code"] for a in env.rows("account.account").values() if company_id in companies_of(env, a)}
    width = 6 - len(prefix)
    number = 1
    while f"{prefix}{number:0{width}d}" in taken:
        number += 1
    return f"{prefix}{number:0{width}d}"


def companies_of(env: Env, account: Row) -> tuple[int, ...]:
    """Return the companies an account belongs to."""
    return (account["company_id"],) if env.version == 17 else tuple(account["company_ids"])


def add_payment_methods(env: Env, journal: Row) -> None:
    """Give a money journal its manual inbound and outbound method lines unless it came with lines."""
    if env.find("account.payment.method.line", "journal_id", journal["id"]):
        return
    for method in env.rows("account.payment.method").values():
        env.model("account.payment.method.line").create(env, [{"payment_method_id": method["id"], "journal_id": journal["id"]}])


def direction(env: Env, line: Row) -> str:
    """Return inbound or outbound for a payment method line."""
    return str(env.rows("account.payment.method")[line["payment_method_id"]]["payment_type"])


def journal_company(env: Env, line: Row) -> Any:
    """Return the company of a payment method line's journal."""
    return env.rows("account.journal")[line["journal_id"]]["company_id"] if line["journal_id"] else False


def prepare_tax(env: Env, values: Row) -> Row:
    """Complete the values of a new tax: group, country, a distribution of 100 % without account."""
    company_id = values.get("company_id") or env.company_id
    values["company_id"] = company_id
    company = env.row("res.company", company_id)
    if env.version >= 18:
        values.pop("price_include", None)  # ignored on create; price_include_override counts
    if not values.get("tax_group_id"):
        groups = sorted(env.find("account.tax.group", "company_id", company_id))
        values["tax_group_id"] = groups[0] if groups else False
    values.setdefault("country_id", company["account_fiscal_country_id"] or company["country_id"])
    for kind in ("invoice", "refund"):
        if not values.get(f"{kind}_repartition_line_ids") and values.get("amount_type") != "group":
            values[f"{kind}_repartition_line_ids"] = [[0, 0, {"repartition_type": "base"}], [0, 0, {"repartition_type": "tax"}]]
    return values


def default_account(env: Env, company_id: int, template: str) -> Any:
    """Return the account a company's chart uses for a purpose, or False without chart: by external id, else the first of its type."""
    known = env.db.xids.find(f"account.{company_id}_{template}")
    if known is not None:
        return known["res_id"]
    kinds = {"receivable": "asset_receivable", "payable": "liability_payable", "income": "income", "expense": "expense"}
    mine = [
        a for a in env.rows("account.account").values() if company_id in companies_of(env, a) and a["account_type"] == kinds.get(template)
    ]
    return min(mine, key=lambda a: a["code"])["id"] if mine else False


def outstanding_account(env: Env, company: Row, kind: str) -> Any:
    """Return the chart's outstanding receipts (inbound) or payments account."""
    template = f"account_journal_payment_{'debit' if kind == 'inbound' else 'credit'}_account_id"
    if env.version == 17 and company[template]:
        return company[template]
    known = env.db.xids.find(f"account.{company['id']}_{template}")
    return known["res_id"] if known is not None else False


def default_taxes(env: Env, column: str) -> list[int]:
    """Return the current companies' default taxes."""
    return [t for t in (env.row("res.company", c)[column] for c in env.company_ids) if t]


def balance_of(env: Env, account: Row) -> float:
    """Return the posted balance of an account in the visible companies."""
    rows = env.rows("account.move.line")
    moves = env.rows("account.move")
    mine = (rows[i] for i in env.find("account.move.line", "account_id", account["id"]))
    return round_half_up(
        sum(
            r["balance"] for r in mine if moves[r["move_id"]]["state"] == "posted" and moves[r["move_id"]]["company_id"] in env.company_ids
        ),
        2,
    )


def open_receivable(env: Env, partner: Row) -> float:
    """Return what a partner owes in the visible companies."""
    rows = env.rows("account.move.line")
    moves = env.rows("account.move")
    accounts = env.rows("account.account")
    total = 0.0
    for i in env.find("account.move.line", "partner_id", partner["id"]):
        line = rows[i]
        if (
            line["account_id"]
            and accounts[line["account_id"]]["account_type"] == "asset_receivable"
            and moves[line["move_id"]]["state"] == "posted"
        ):
            total += line["amount_residual"]
    return round_half_up(total, 2)


def has_entries(env: Env, company_id: int) -> bool:
    """Return whether a company has journal items."""
    moves = env.find("account.move", "company_id", company_id)
    return any(env.find("account.move.line", "move_id", m) for m in moves)
