"""Access rights: which groups may read, create, write and delete which models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import AccessError

if TYPE_CHECKING:
    from counterfoil.connectors.odoo.sandbox.orm.model import Model

INVOICE = ("account.group_account_invoice",)
MANAGER = ("account.group_account_manager",)
SYSTEM = ("base.group_system",)
FINANCE = ("account.group_account_manager", "base.group_system")
ACCESS_RIGHTS = ("base.group_erp_manager",)
BASIC = ("account.group_account_basic",)
BASIC_17 = ("account.group_account_user",)
SALES = ("sales_team.group_sale_manager", "sales_team.group_sale_salesman")
CONTACTS = ("base.group_partner_manager",)
CONTACTS_TOO = ("base.group_partner_manager", "sales_team.group_sale_manager")
PRODUCTS = ("product.group_product_manager", "account.group_account_manager", "sales_team.group_sale_manager")
EVERYBODY = ("base.group_user",)

# model -> (groups that may read, groups that may write)
RIGHTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "res.partner": (EVERYBODY, CONTACTS_TOO),
    "res.company": (EVERYBODY, ACCESS_RIGHTS),
    "res.currency": (EVERYBODY, FINANCE),
    "res.currency.rate": (EVERYBODY, FINANCE),
    "res.country": (EVERYBODY, CONTACTS),
    "res.country.state": (EVERYBODY, CONTACTS),
    "res.lang": (EVERYBODY, SYSTEM),
    "res.users": (EVERYBODY, ACCESS_RIGHTS),
    "res.groups": (EVERYBODY, ACCESS_RIGHTS),
    "ir.model.data": (ACCESS_RIGHTS, SYSTEM),
    "ir.model": (ACCESS_RIGHTS, SYSTEM),
    "ir.model.fields": (ACCESS_RIGHTS, SYSTEM),
    "ir.module.module": (EVERYBODY, SYSTEM),
    "ir.actions.server": (SYSTEM, SYSTEM),
    "base.automation": (SYSTEM, SYSTEM),
    "decimal.precision": (SYSTEM, SYSTEM),
    "uom.uom": (EVERYBODY, SYSTEM),
    "product.template": (EVERYBODY, PRODUCTS),
    "product.product": (EVERYBODY, PRODUCTS),
    "product.category": (EVERYBODY, PRODUCTS),
    **{
        f"account.{name}": (EVERYBODY, MANAGER)
        for name in (
            "account",
            "account.tag",
            "journal",
            "tax",
            "tax.group",
            "tax.repartition.line",
            "payment.term",
            "payment.term.line",
            "fiscal.position",
            "payment.method",
            "payment.method.line",
        )
    },
    "account.chart.template": (MANAGER, MANAGER),
    "account.bank.statement.line": ((*INVOICE, *BASIC), BASIC),
    "base.partner.merge.automatic.wizard": (CONTACTS, CONTACTS),
    "sale.order": ((*SALES, *INVOICE), SALES),
    "sale.order.line": ((*SALES, *INVOICE), SALES),
    "sale.advance.payment.inv": (SALES, SALES),
}
SELF_WRITABLE = frozenset({"name", "email", "lang", "tz", "password", "company_id"})
OPERATIONS = {"read": "access", "write": "modify", "create": "create", "unlink": "delete"}


def groups_for(env: Env, model: str, operation: str) -> tuple[str, ...]:
    """Return the groups that may do an operation on a model, as the version names them."""
    reading, writing = RIGHTS.get(model, (INVOICE, INVOICE))
    groups = reading if operation == "read" else writing
    if model == "account.bank.statement.line" and env.version == 17:
        groups = (*INVOICE, *BASIC_17) if operation == "read" else BASIC_17
    if model == "res.partner" and operation == "unlink":
        groups = CONTACTS
    if groups == PRODUCTS and env.version != 18:
        groups = PRODUCTS[:1] if env.version >= 19 else ("base.group_system", *PRODUCTS[1:])
    return groups


def allowed(env: Env, model: str, operation: str) -> bool:
    """Return whether the user's groups allow an operation on a model."""
    return env.su or any(env.has_group(g) for g in groups_for(env, model, operation))


def check(env: Env, model: Model, operation: str) -> None:
    """Raise Odoo's AccessError where the user may not."""
    if allowed(env, model.name, operation):
        return
    titles = sorted(_title(env, g) for g in groups_for(env, model.name, operation))
    groups = "\n".join(f"\t- {title}" for title in titles)
    raise AccessError(
        f"You are not allowed to {OPERATIONS[operation]} '{model.label}' ({model.name}) records.\n\nThis operation is allowed for the"
        " following"
        f" groups:\n{groups}\n\nContact your administrator to request access if necessary."
    )


def owns(env: Env, model: str, ids: list[int], names: set[str]) -> bool:
    """Return whether the call writes only what users may change of themselves."""
    return model == "res.users" and ids == [env.uid] and names <= SELF_WRITABLE


def _title(env: Env, xid: str) -> str:
    found = env.db.xids.find(xid)
    return str(env.rows("res.groups")[found["res_id"]]["name"]) if found is not None else xid
