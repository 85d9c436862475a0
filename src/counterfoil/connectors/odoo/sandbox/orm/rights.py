"""Access rights: which groups may read, create, write and delete which models."""

from __future__ import annotations

from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import AccessError
from counterfoil.connectors.odoo.sandbox.orm.model import Model

INVOICE = ("account.group_account_invoice",)
BOOKKEEPER = ("account.group_account_user", "account.group_account_manager")
MANAGER = ("account.group_account_manager",)
SYSTEM = ("base.group_system",)
ACCESS_RIGHTS = ("base.group_erp_manager",)
BASIC = ("account.group_account_basic", "account.group_account_user")
SALES = ("sales_team.group_sale_salesman", "sales_team.group_sale_manager")
EVERYBODY = ("base.group_user",)

# model -> (groups that may read, groups that may write)
RIGHTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "res.partner": (EVERYBODY, ("base.group_partner_manager",)),
    "res.company": (EVERYBODY, ACCESS_RIGHTS),
    "res.currency": (EVERYBODY, (*SYSTEM, *MANAGER)),
    "res.currency.rate": (EVERYBODY, (*SYSTEM, *MANAGER)),
    "res.country": (EVERYBODY, ("base.group_partner_manager",)),
    "res.country.state": (EVERYBODY, ("base.group_partner_manager",)),
    "res.lang": (EVERYBODY, SYSTEM),
    "res.users": (EVERYBODY, ACCESS_RIGHTS),
    "res.groups": (EVERYBODY, ACCESS_RIGHTS),
    "ir.model.data": (ACCESS_RIGHTS, SYSTEM),
    "ir.model": (ACCESS_RIGHTS, SYSTEM),
    "ir.model.fields": (ACCESS_RIGHTS, SYSTEM),
    "ir.module.module": (EVERYBODY, SYSTEM),
    "ir.actions.server": (SYSTEM, SYSTEM),
    "base.automation": (SYSTEM, SYSTEM),
    "decimal.precision": (EVERYBODY, SYSTEM),
    "uom.uom": (EVERYBODY, SYSTEM),
    "product.template": (EVERYBODY, ("product.group_product_manager",)),
    "product.product": (EVERYBODY, ("product.group_product_manager",)),
    "product.category": (EVERYBODY, ("product.group_product_manager",)),
    "account.account": (EVERYBODY, MANAGER),
    "account.account.tag": (EVERYBODY, MANAGER),
    "account.journal": (EVERYBODY, MANAGER),
    "account.tax": (EVERYBODY, MANAGER),
    "account.tax.group": (EVERYBODY, MANAGER),
    "account.tax.repartition.line": (EVERYBODY, MANAGER),
    "account.payment.term": (EVERYBODY, MANAGER),
    "account.payment.term.line": (EVERYBODY, MANAGER),
    "account.fiscal.position": (EVERYBODY, MANAGER),
    "account.payment.method": (EVERYBODY, MANAGER),
    "account.payment.method.line": (EVERYBODY, MANAGER),
    "account.chart.template": (MANAGER, MANAGER),
    "account.bank.statement.line": ((*INVOICE, *BASIC), BASIC),
    "base.partner.merge.automatic.wizard": (("base.group_partner_manager",), ("base.group_partner_manager",)),
    "sale.order": ((*SALES, *INVOICE), SALES),
    "sale.order.line": ((*SALES, *INVOICE), SALES),
    "sale.advance.payment.inv": (SALES, SALES),
}
OPERATIONS = {"read": "access", "write": "modify", "create": "create", "unlink": "delete"}


def allowed(env: Env, model: str, operation: str) -> bool:
    """Return whether the user's groups allow an operation on a model."""
    if env.su:
        return True
    reading, writing = RIGHTS.get(model, (INVOICE, INVOICE))
    return any(env.has_group(g) for g in (reading if operation == "read" else writing))


def check(env: Env, model: Model, operation: str) -> None:
    """Raise Odoo's AccessError where the user may not."""
    if allowed(env, model.name, operation):
        return
    reading, writing = RIGHTS.get(model.name, (INVOICE, INVOICE))
    groups = "\n".join(f"\t- {_title(env, g)}" for g in (reading if operation == "read" else writing))
    raise AccessError(
        f"You are not allowed to {OPERATIONS[operation]} '{model.label}' ({model.name}) records.\n\nThis operation is allowed for the following"
        f" groups:\n{groups}\n\nContact your administrator to request access if necessary."
    )


def _title(env: Env, xid: str) -> str:
    found = env.db.xids.find(xid)
    return str(env.rows("res.groups")[found["res_id"]]["name"]) if found is not None else xid
