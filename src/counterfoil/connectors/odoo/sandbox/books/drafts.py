"""Drafts: what a new document or line is filled with, and what is refused at creation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from counterfoil.connectors.odoo.sandbox.books import amounts, chart, locks, sequences
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import AccessError, UserError, ValidationError, missing
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values

if TYPE_CHECKING:
    from counterfoil.connectors.odoo.sandbox.orm.model import Model

AMOUNT_KEYS = ("debit", "credit", "balance", "amount_currency")


def check_creation(model: Model, values: Values) -> None:
    """Refuse unknown fields and documents created as posted."""
    for name in values:
        model.field(name)
    if values.get("state") == "posted":
        raise UserError("You cannot create a move already in the posted state. Please create a draft move and post it after.")


def complete(env: Env, values: Values) -> Values:
    """Fill journal, company, currency, dates, terms and salesperson of a new document."""
    kind = values.get("move_type") or env.context.get("default_move_type") or "entry"
    values["move_type"] = kind
    journal = _journal(env, kind, values)
    values.update(journal_id=journal["id"], company_id=journal["company_id"])
    company = env.rows("res.company")[journal["company_id"]]
    if not values.get("currency_id"):
        values["currency_id"] = journal["currency_id"] or company["currency_id"]
    if not values.get("date"):
        values["date"] = values.get("invoice_date") or env.today
        if kind.startswith("in_"):
            values["date"] = locks.shifted(env, False, "", values["date"], [])
    if env.version >= 20:
        values["document_tax_mode"] = values.get("document_tax_mode") or company["account_price_include"]
    if kind == "entry":
        values["invoice_date_due"] = values.get("invoice_date_due") or env.today
        return values
    if not values.get("invoice_payment_term_id") and "invoice_payment_term_id" not in values and values.get("partner_id"):
        inner = env.with_context(allowed_company_ids=[company["id"]]).sudo()
        partner = env.rows("res.partner").get(values["partner_id"])
        if partner is not None and kind.startswith("out_"):
            values["invoice_payment_term_id"] = env.model("res.partner").value(inner, partner, "property_payment_term_id")
    if env.version == 17 and not values.get("invoice_date_due"):
        values.pop("invoice_date_due", None)
    values.setdefault("invoice_date_due", env.today)
    if kind.startswith("out_"):
        values.setdefault("invoice_user_id", env.uid)
        values.setdefault("partner_shipping_id", values.get("partner_id") or False)
    return values


def _journal(env: Env, kind: str, values: Values) -> Row:
    rows = env.rows("account.journal")
    if values.get("journal_id"):
        journal = rows.get(int(values["journal_id"]))
        if journal is None:
            raise missing("account.journal", [int(values["journal_id"])], env.uid)
        if not env.su and journal["company_id"] not in env.company_ids:
            operation = "create" if env.version >= 19 else "read"
            raise AccessError(
                f"Uh-oh! Looks like you have stumbled upon some top-secret records.\n\nSorry, {env.user_name()} doesn't have"
                f" '{operation}' access to:\n"
                "- Journal Item (account.move.line)\n\nIf you really, really need access, perhaps you can win over your friendly"
                " administrator with a"
                " batch of freshly baked cookies."
            )
        _check_journal(kind, journal)
        return journal
    wanted = {"out": "sale", "in_": "purchase"}.get(kind[:3], "general")
    company = values.get("company_id") or env.company_id
    mine = [rows[i] for i in env.find("account.journal", "company_id", company) if rows[i]["type"] == wanted and rows[i]["active"]]
    if not mine:
        name = env.rows("res.company")[company]["name"]
        raise UserError(f'No journal could be found in company "{name}" for any of those types: {wanted}')
    return min(mine, key=lambda j: (j["sequence"], j["type"], j["code"]))


def _check_journal(kind: str, journal: Row) -> None:
    """Refuse documents in a journal of another kind."""
    if kind.startswith("out_") and journal["type"] != "sale":
        raise ValidationError("Cannot create a sale document in a non sale journal")
    if kind.startswith("in_") and journal["type"] != "purchase":
        raise ValidationError("Cannot create a purchase document in a non purchase journal")


def complete_line(env: Env, values: Values) -> Values:
    """Fill a new line: currency, account, taxes, name, price, and whichever amounts were not given."""
    move = env.row("account.move", int(values["move_id"]))
    kind = values.get("display_type") or "product"
    values["display_type"] = kind
    if kind in amounts.TEXT_TYPES:
        return {**values, "currency_id": move["currency_id"], "quantity": 0.0, "tax_ids": []}
    values["currency_id"] = values.get("currency_id") or move["currency_id"]
    product = env.rows("product.product").get(values.get("product_id") or 0)
    if amounts.is_invoice(move) and kind == "product":
        _product_values(env, move, values, product)
    elif not values.get("partner_id") and "partner_id" not in values:
        values["partner_id"] = move["partner_id"]
    if not values.get("account_id") and kind == "product":
        values["account_id"] = _default_account(env, move, product)
    if not values.get("account_id") and kind != "tax":
        raise ValidationError("The operation cannot be completed: Missing required account on accountable line.")
    if amounts.is_invoice(move) and kind == "product" and "tax_ids" not in values:
        values["tax_ids"] = _default_taxes(env, move, values, product)
    values.update(_new_amounts(env, move, values))
    return values


def _product_values(env: Env, move: Row, values: Values, product: Row | None) -> None:
    if product is not None:
        template = env.rows("product.template")[product["product_tmpl_id"]]
        values.setdefault("product_uom_id", template["uom_id"])
        if "price_unit" not in values:
            values["price_unit"] = template["list_price"] * amounts.move_rate(env, move)
        if not values.get("name"):
            values["name"] = env.model("product.product").display_name(env, product)
    if "price_unit" not in values:
        given = values.get("amount_currency") or values.get("balance") or (values.get("debit") or 0.0) - (values.get("credit") or 0.0)
        if given:
            values["price_unit"] = amounts.sign(move) * given / (values.get("quantity") or 1.0)
    values["partner_id"] = move["partner_id"]


def _default_account(env: Env, move: Row, product: Row | None) -> Any:
    inner = env.with_context(allowed_company_ids=[move["company_id"]]).sudo()
    if product is not None and amounts.is_invoice(move):
        side = "income" if amounts.is_sale(move) else "expense"
        template = env.rows("product.template")[product["product_tmpl_id"]]
        own = env.model("product.template").value(inner, template, f"property_account_{side}_id")
        if own:
            return own
        category = env.rows("product.category").get(template["categ_id"] or 0)
        if category is not None:
            found = env.model("product.category").value(inner, category, f"property_account_{side}_categ_id")
            if found:
                return found
    habit = _habitual_account(env, move) if amounts.is_invoice(move) else False
    return habit or env.rows("account.journal")[move["journal_id"]]["default_account_id"]


def _habitual_account(env: Env, move: Row) -> Any:
    """Return the account most lines of this partner went to (income for what brings money, expense for the rest), or False."""
    group = "expense" if move["move_type"] in amounts.OUTBOUND else "income"
    accounts, moves, rows = env.rows("account.account"), env.rows("account.move"), env.rows("account.move.line")
    counts: dict[int, int] = {}
    for i in env.find("account.move.line", "partner_id", move["partner_id"]) if move["partner_id"] else ():
        account = accounts.get(rows[i]["account_id"] or 0)
        if (
            account is not None
            and moves[rows[i]["move_id"]]["company_id"] == move["company_id"]
            and account["account_type"].startswith(group)
        ):
            counts[account["id"]] = counts.get(account["id"], 0) + 1
    return max(counts, key=lambda a: counts[a]) if counts else False


def _default_taxes(env: Env, move: Row, values: Values, product: Row | None) -> list[int]:
    rows = env.rows("account.tax")
    use = "sale" if amounts.is_sale(move) else "purchase"
    if product is not None:
        template = env.rows("product.template")[product["product_tmpl_id"]]
        ids = template["taxes_id" if use == "sale" else "supplier_taxes_id"]
    else:
        ids = env.rows("account.account")[values["account_id"]]["tax_ids"]
    return [i for i in ids if i in rows and rows[i]["company_id"] == move["company_id"] and rows[i]["type_tax_use"] == use]


def _new_amounts(env: Env, move: Row, values: Values) -> Values:
    own = amounts.company_currency(env, move["company_id"])
    rate = amounts.move_rate(env, {**move, "currency_id": values["currency_id"], "move_type": move["move_type"]})
    return _balanced(env, values, own, int(values["currency_id"]), rate, {})


def _balanced(env: Env, values: Values, own: int, currency: int, rate: float, held: Values) -> Values:
    given = {k: float(values[k] or 0.0) for k in AMOUNT_KEYS if k in values and values[k] is not None}
    own_digits, digits = amounts.digits(env, own), amounts.digits(env, currency)
    if "balance" in given and ("debit" not in given and "credit" not in given):
        balance = given["balance"]
    elif "debit" in given or "credit" in given:
        balance = given.get("debit", 0.0) - given.get("credit", 0.0)
    elif "amount_currency" in given:
        balance = given["amount_currency"] / (rate or 1.0)
    else:
        return {}
    balance = round_half_up(balance, own_digits)
    if "amount_currency" in given and currency != own:
        foreign = round_half_up(given["amount_currency"], digits)
    elif currency == own:
        foreign = balance
    else:
        foreign = held.get("amount_currency", 0.0) if held and "amount_currency" not in given else round_half_up(balance * rate, digits)
        if not held:
            foreign = round_half_up(balance * rate, digits)
    return {"balance": balance, "amount_currency": foreign, "debit": max(balance, 0.0), "credit": max(-balance, 0.0)}


def amounts_written(env: Env, line: Row, values: Values) -> Values:
    """Return the full set of amounts after some were written on a line."""
    if not any(k in values for k in AMOUNT_KEYS):
        return {}
    move = env.rows("account.move")[line["move_id"]]
    own = amounts.company_currency(env, move["company_id"])
    currency = int(values.get("currency_id") or line["currency_id"])
    rate = amounts.move_rate(env, {**move, "currency_id": currency})
    return _balanced(env, values, own, currency, rate, line)


def check_line_company(env: Env, values: Values) -> None:
    """Refuse an account or tax of another company: an access error where the caller may not see it, else an inconsistency."""
    move = env.row("account.move", int(values["move_id"]))
    account = env.rows("account.account").get(int(values.get("account_id") or 0))
    if account is not None and move["company_id"] not in chart.companies_of(env, account):
        raise _crossing_line(env, move, values, f"“Account” (account_id: '{account['name']}')")
    taxes = env.rows("account.tax")
    for i in _linked_ids(values.get("tax_ids")):
        tax = taxes.get(i)
        if tax is None or tax["company_id"] == move["company_id"]:
            continue
        if not env.su and tax["company_id"] not in env.company_ids:
            refusal = env.model("account.tax").hidden(env, [tax], "read")
            prefix = "Failed to write field account.move.line.tax_ids\n" if env.version >= 19 else ""
            raise AccessError(prefix + refusal.message)
        raise _crossing_line(env, move, values, f"“Taxes” (tax_ids: '{tax['name']}')")


def _linked_ids(value: Any) -> list[int]:
    found: list[int] = []
    for command in value or []:
        if isinstance(command, int):
            found.append(command)
        elif command[0] == 6:
            found += command[2]
        elif command[0] == 4:
            found.append(command[1])
    return found


def check_partner_company(env: Env, move: Row) -> None:
    """Refuse a partner that is another company's alone."""
    partner = env.rows("res.partner").get(int(move["partner_id"] or 0))
    inside = env.with_context(allowed_company_ids=[move["company_id"]])
    if partner is None or env.model("res.partner").visible(inside, partner):
        return
    fields = ["“Partner” (partner_id", "“Delivery Address” (partner_shipping_id"]
    if env.version >= 18:
        fields.insert(1, "“Commercial Entity” (commercial_partner_id")
    name = env.model("account.move").display_name(env, move)
    raise _crossing(env, move, name, [f"{field}: '{partner['name']}')" for field in fields])


def _crossing_line(env: Env, move: Row, values: Values, what: str) -> UserError:
    name = str(values.get("name") or "")
    return _crossing(env, move, f"/ {name}" if env.version == 17 else name, [what])


def _crossing(env: Env, move: Row, name: str, used: list[str]) -> UserError:
    company = env.rows("res.company")[move["company_id"]]["name"]
    head, link, tail = "Incompatible companies on records:", "and", ""
    if env.version >= 19:
        head, link = "Uh-oh! You’ve got some company inconsistencies here:", "while"
        tail = "\nTo avoid a mess, no company crossover is allowed!"
    whole = head + "".join(f"\n- “{name}” belongs to company “{company}” {link} {one} belongs to another company." for one in used) + tail
    return UserError(whole.replace("“", "'").replace("”", "'") if env.version == 17 else whole)


def provisional_name(env: Env, move: Row) -> None:
    """Give a draft the number Odoo 17 shows: the first one of a series that has none yet, else a slash."""
    if sequences.is_named(move):
        take_name(env, move)
        return
    name = sequences.next_name(env, move)
    if move["name"] == "/" or sequences.split(name)[1] != 1:
        env.set("account.move", move, name="/")
        return
    env.set("account.move", move, name=name)
    take_name(env, move)


def take_name(env: Env, move: Row) -> None:
    """Let a given name into its series."""
    if not sequences.is_named(move):
        env.set("account.move", move, sequence_prefix="", sequence_number=0)
        return
    prefix, number = sequences.split(move["name"])
    env.set("account.move", move, sequence_prefix=prefix, sequence_number=number)
    env.db.numbers.add(env, move)


def remember_marks(env: Env, moves: list[Row]) -> None:
    """Keep import marks (``I...``) as they were written; anything else is recomputed by matching."""
    for move in moves:
        for i in env.find("account.move.line", "move_id", move["id"]):
            line = env.rows("account.move.line")[i]
            if line["matching_number"] == "":
                env.set("account.move.line", line, matching_number=False)


def copied(env: Env, move: Row, values: Values) -> Values:
    """Return the values of a draft with the same own lines."""
    values.update(date=False if amounts.is_invoice(move) else move["date"], ref=False)
    model = env.model("account.move.line")
    lines = [env.rows(model.name)[i] for i in sorted(env.find(model.name, "move_id", move["id"]))]
    name = "invoice_line_ids" if amounts.is_invoice(move) else "line_ids"
    kept = [ln for ln in lines if ln["display_type"] not in ("tax", "payment_term")] if amounts.is_invoice(move) else lines
    drop = (*AMOUNT_KEYS, "price_subtotal", "price_total", "tax_base_amount") if amounts.is_invoice(move) else ("debit", "credit")
    values[name] = [
        [0, 0, {**{k: v for k, v in model.copied(env, ln).items() if k not in ("move_id", *drop)}, "name": ln["name"]}] for ln in kept
    ]
    return values
