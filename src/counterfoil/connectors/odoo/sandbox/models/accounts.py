"""Models of bookkeeping configuration: accounts, journals, taxes, terms, fiscal positions, payment methods."""

from __future__ import annotations

from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.books import chart
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError, ValidationError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, boolean, char, choice, float_, integer, lines, many, one, text
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values

ACCOUNT_TYPES = (
    ("asset_receivable", "Receivable"),
    ("asset_cash", "Bank and Cash"),
    ("asset_current", "Current Assets"),
    ("asset_non_current", "Non-current Assets"),
    ("asset_prepayments", "Prepayments"),
    ("asset_fixed", "Fixed Assets"),
    ("liability_payable", "Payable"),
    ("liability_credit_card", "Credit Card"),
    ("liability_current", "Current Liabilities"),
    ("liability_non_current", "Non-current Liabilities"),
    ("equity", "Equity"),
    ("equity_unaffected", "Current Year Earnings"),
    ("income", "Income"),
    ("income_other", "Other Income"),
    ("expense", "Expenses"),
    ("expense_other", "Other Expenses"),
    ("expense_depreciation", "Depreciation"),
    ("expense_direct_cost", "Cost of Revenue"),
    ("off_balance", "Off-Balance Sheet"),
)
JOURNAL_TYPES = (
    ("sale", "Sales"),
    ("purchase", "Purchase"),
    ("cash", "Cash"),
    ("bank", "Bank"),
    ("credit", "Credit Card"),
    ("general", "Miscellaneous"),
)


def account_companies(env: Env, row: Row) -> tuple[int, ...]:
    """Return the companies an account belongs to, whatever the version keeps."""
    return (row["company_id"],) if env.version == 17 else tuple(row["company_ids"])


class Account(Model):
    """account.account."""

    name = "account.account"
    is_of_branches = True
    label = "Account"
    order = "code, id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Account Name", required=True, index=True),
        "code": char("Code", index=True),
        "code_store": char("Code Store", since=18, compute=lambda env, row: row["code"]),
        "account_type": choice("Type", *ACCOUNT_TYPES, required=True),
        "internal_group": char("Internal Group", compute=lambda env, row: row["account_type"].split("_")[0]),
        "reconcile": boolean("Allow Reconciliation"),
        "currency_id": one("res.currency", "Account Currency"),
        "company_id": one("res.company", "Company", until=17, required=True, default=lambda env: env.company_id),
        "company_ids": many("res.company", "Companies", since=18, default=lambda env: [env.company_id], index=True),
        "company_currency_id": one("res.currency", "Company Currency", compute=lambda env, row: env.company["currency_id"]),
        "deprecated": boolean(until=18),
        "active": boolean(since=19, default=True),
        "non_trade": boolean("Non Trade"),
        "tax_ids": many("account.tax", "Default Taxes"),
        "tag_ids": many("account.account.tag", "Tags"),
        "note": text("Internal Notes"),
        "current_balance": float_("Current Balance", compute=lambda env, row: chart.balance_of(env, row)),
    }

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.company_field = "company_id" if version == 17 else "company_ids"

    def display_name(self, env: Env, row: Row) -> str:
        """Return code and name; another company's account shows without code from 18 on."""
        foreign = env.version >= 18 and env.company_id not in row["company_ids"]
        return str(row["name"]) if foreign or not row["code"] else f"{row['code']} {row['name']}"

    def name_find(self, env: Env, name: str, domain: list[Any], operator: str = "ilike", limit: int | None = None) -> list[Row]:
        """Find by code or name."""
        if not name:
            return self.find(env, domain, None, limit)
        code = ["code", "=like", f"{name.split(' ')[0]}%"]
        return self.find(env, [*domain, "|", code, ["name", operator, name]], None, limit)

    def prepare(self, env: Env, values: Values) -> Values:
        """Infer a missing type from the account before it; receivable and payable accounts are always reconcilable."""
        if not values.get("account_type") and values.get("code"):
            mine = [a for a in env.rows(self.name).values() if env.company_id in account_companies(env, a) and a["code"] <= values["code"]]
            values["account_type"] = max(mine, key=lambda a: str(a["code"]))["account_type"] if mine else "asset_current"
        kind = values.get("account_type")
        if kind in ("asset_receivable", "liability_payable"):
            values["reconcile"] = True
        return values

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Refuse a code used twice in a company."""
        for row in rows:
            self._check_code(env, row)

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Refuse taking reconciliation from receivables."""
        if values.get("reconcile") is False:
            for row in rows:
                if row["account_type"] in ("asset_receivable", "liability_payable"):
                    raise ValidationError(
                        "You cannot have a receivable/payable account that is not reconcilable. (account code: " + str(row["code"]) + ")"
                    )
        return values

    def written(self, env: Env, rows: list[Row], values: Values) -> None:
        """Refuse a code used twice in a company."""
        if "code" in values:
            for row in rows:
                self._check_code(env, row)

    def _check_code(self, env: Env, row: Row) -> None:
        if not row["code"]:
            raise ValidationError(
                self.mandatory("code") if env.version == 17 else "The code must be set for every company to which this account belongs."
            )
        mine = set(account_companies(env, row))
        twins = [env.rows(self.name)[i] for i in env.find(self.name, "code", row["code"])]
        if any(t["id"] != row["id"] and mine & set(account_companies(env, t)) for t in twins):
            if env.version == 17:
                company = env.rows("res.company")[row["company_id"]]["name"]
                raise ValidationError(f"The code of the account must be unique per company!\n- {row['code']} in {company}")
            raise ValidationError(f"Account codes must be unique. You can't create accounts with these duplicate codes: {row['code']}")

    def unlinking(self, env: Env, rows: list[Row]) -> None:
        """Refuse deleting an account with entries."""
        if any(env.find("account.move.line", "account_id", row["id"]) for row in rows):
            raise UserError("You cannot perform this action on an account that contains journal items.")


class AccountTag(Model):
    """account.account.tag."""

    name = "account.account.tag"
    label = "Account Tag"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Tag Name", required=True),
        "applicability": choice(
            "Applicability", ("accounts", "Accounts"), ("taxes", "Taxes"), ("products", "Products"), default="accounts"
        ),
        "active": boolean(default=True),
    }


class Journal(Model):
    """account.journal: a bank or cash journal makes its own liquidity account and payment method lines."""

    name = "account.journal"
    label = "Journal"
    order = "sequence, type, code"
    company_field = "company_id"
    is_of_branches = True
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Journal Name", required=True),
        "code": char("Sequence Prefix", required=True, index=True),
        "active": boolean(default=True),
        "type": choice("Type", *JOURNAL_TYPES, required=True),
        "company_id": one("res.company", "Company", required=True, default=lambda env: env.company_id),
        "currency_id": one("res.currency", "Currency"),
        "default_account_id": one("account.account", "Default Account"),
        "suspense_account_id": one("account.account", "Suspense Account"),
        "profit_account_id": one("account.account", "Profit Account"),
        "loss_account_id": one("account.account", "Loss Account"),
        "sequence": integer("Sequence", default=10),
        "refund_sequence": boolean("Dedicated Credit Note Sequence"),
        "payment_sequence": boolean("Dedicated Payment Sequence"),
        "restrict_mode_hash_table": boolean("Secure Posted Entries with Hash"),
        "show_on_dashboard": boolean("Show journal on dashboard", default=True),
        "inbound_payment_method_line_ids": lines(
            "account.payment.method.line",
            "journal_id",
            "Inbound Payment Methods",
            only=lambda env, row: chart.direction(env, row) == "inbound",
        ),
        "outbound_payment_method_line_ids": lines(
            "account.payment.method.line",
            "journal_id",
            "Outbound Payment Methods",
            only=lambda env, row: chart.direction(env, row) == "outbound",
        ),
    }

    def __init__(self, version: int) -> None:
        super().__init__(version)
        if version < 19:
            self.fields["code"].label = "Short Code"

    def display_name(self, env: Env, row: Row) -> str:
        """Return the name, with the currency when it is not the company's."""
        own = env.rows("res.company")[row["company_id"]]["currency_id"]
        if row["currency_id"] and row["currency_id"] != own:
            return f"{row['name']} ({env.rows('res.currency')[row['currency_id']]['name']})"
        return str(row["name"])

    def name_find(self, env: Env, name: str, domain: list[Any], operator: str = "ilike", limit: int | None = None) -> list[Row]:
        """Find by code or name."""
        if not name:
            return self.find(env, domain, None, limit)
        return self.find(env, [*domain, "|", ["code", operator, name], ["name", operator, name]], None, limit)

    def prepare(self, env: Env, values: Values) -> Values:
        """Fill what depends on the type: code, accounts, sequences."""
        return chart.prepare_journal(env, values)

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Refuse a code used twice in a company; give money journals their payment methods."""
        for row in rows:
            self._check_code(env, row)
            if row["type"] in ("bank", "cash", "credit"):
                chart.add_payment_methods(env, row)

    def written(self, env: Env, rows: list[Row], values: Values) -> None:
        """Refuse a code used twice in a company."""
        for row in rows:
            self._check_code(env, row)

    def _check_code(self, env: Env, row: Row) -> None:
        twins = [env.rows(self.name)[i] for i in env.find(self.name, "code", row["code"])]
        if any(t["id"] != row["id"] and t["company_id"] == row["company_id"] for t in twins):
            raise ValidationError("The operation cannot be completed: Journal codes must be unique per company.")


class PaymentMethod(Model):
    """account.payment.method."""

    name = "account.payment.method"
    label = "Payment Methods"
    declared: ClassVar[dict[str, Field]] = {
        "name": char(required=True),
        "code": char(required=True),
        "payment_type": choice("Payment Type", ("inbound", "Inbound"), ("outbound", "Outbound"), required=True),
    }


class PaymentMethodLine(Model):
    """account.payment.method.line."""

    name = "account.payment.method.line"
    label = "Payment Methods"
    order = "sequence, id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Name"),
        "sequence": integer(default=10),
        "payment_method_id": one("account.payment.method", "Payment Method", required=True),
        "payment_account_id": one("account.account", "Outstanding Account"),
        "journal_id": one("account.journal", "Journal", ondelete="cascade"),
        "code": char(compute=lambda env, row: env.rows("account.payment.method")[row["payment_method_id"]]["code"]),
        "payment_type": char("Payment Type", compute=lambda env, row: chart.direction(env, row)),
        "company_id": one("res.company", "Company", compute=lambda env, row: chart.journal_company(env, row)),
    }

    def display_name(self, env: Env, row: Row) -> str:
        """Return the name with its journal's."""
        shown = str(row["name"] or env.rows("account.payment.method")[row["payment_method_id"]]["name"])
        return f"{shown} ({env.rows('account.journal')[row['journal_id']]['name']})" if row["journal_id"] and env.version >= 18 else shown

    def prepare(self, env: Env, values: Values) -> Values:
        """Take the method's name."""
        if not values.get("name") and values.get("payment_method_id"):
            values["name"] = env.row("account.payment.method", values["payment_method_id"])["name"]
        return values


MODELS: list[type[Model]] = [Account, AccountTag, Journal, PaymentMethod, PaymentMethodLine]
