"""account.move.line: journal items, and the partial and full reconciliations between them."""

from __future__ import annotations

from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.books import amounts, drafts, entry_of_payment, posting, reconcile, residuals, sync
from counterfoil.connectors.odoo.sandbox.models.move_fields import LINE
from counterfoil.connectors.odoo.sandbox.orm.core import record_method
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, day, lines, monetary, one
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values

AMOUNTS = ("debit", "credit", "balance", "amount_currency")


class Line(Model):
    """account.move.line."""

    documents = True
    name = "account.move.line"
    label = "Journal Item"
    order = "date desc, move_name desc, id"
    company_field = "company_id"
    declared: ClassVar[dict[str, Field]] = LINE

    def visible(self, env: Env, row: Row) -> bool:
        """A line is as visible as its move."""
        return env.su or env.rows("account.move")[row["move_id"]]["company_id"] in env.company_ids

    def display_name(self, env: Env, row: Row) -> str:
        """Return the move's number, reference and the label."""
        move = env.rows("account.move")[row["move_id"]]
        shown = [str(move["name"])] if move["name"] and move["name"] != "/" else []
        shown += [f"({move['ref']})"] if move["ref"] else []
        label = row["name"] if env.version == 17 or row["display_type"] != "payment_term" else False
        shown += [str(label)] if label and label != "/" and (env.version == 17 or label != move["name"]) else []
        return " ".join(shown) or str(label or "")

    def create(self, env: Env, vals_list: Any) -> list[int]:
        """Create lines; their moves follow."""
        values_list = [vals_list] if isinstance(vals_list, dict) else list(vals_list)
        moves = [v["move_id"] for v in values_list if v.get("move_id")]
        with sync.batch(env, moves):
            ids = []
            for values in values_list:
                if values.get("move_id"):
                    drafts.check_line_company(env, values)
                ids.append(self.insert(env, values)["id"])
        entry_of_payment.follow_lines(env, moves)
        return ids

    def prepare(self, env: Env, values: Values) -> Values:
        """Fill account, currency, taxes, name and amounts."""
        return drafts.complete_line(env, values)

    def write(self, env: Env, ids: list[int], vals: Values) -> bool:
        """Change lines; their moves follow, and count as written with them."""
        for name in vals:
            self.field(name)
        rows = self.existing(env, ids)
        with sync.batch(env, [row["move_id"] for row in rows]):
            self.check_visible(env, rows)
            values = self.writing(env, rows, dict(vals))
            for row in rows:
                self.assign(env, row, {**values, **drafts.amounts_written(env, row, vals)})
            self.written(env, rows, values)
            for move_id in dict.fromkeys(row["move_id"] for row in rows):
                env.stamp("account.move", env.rows("account.move")[move_id])
        entry_of_payment.follow_lines(env, [row["move_id"] for row in rows])
        return True

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Refuse amounts, accounts and partners of locked or matched lines."""
        for row in rows:
            move = env.rows("account.move")[row["move_id"]]
            touched = {n for n in (*AMOUNTS, "account_id") if n in values and values[n] != row[n]}
            if move["state"] == "posted" and touched:
                posting.refuse_locked(env, move)
                if row["matching_number"] and not str(row["matching_number"]).startswith("I"):
                    raise UserError(
                        "You cannot do this modification on a reconciled journal entry. You can just change some non legal fields or"
                        " you must"
                        f" unreconcile first.\nJournal Entry (id): {move['name']} ({move['id']})"
                    )
        return values

    def written(self, env: Env, rows: list[Row], values: Values) -> None:
        """Keep marks apart from matching numbers."""
        if "matching_number" in values:
            drafts.remember_marks(env, [env.rows("account.move")[row["move_id"]] for row in rows])

    def unlink(self, env: Env, ids: list[int]) -> bool:
        """Delete lines; their moves follow."""
        rows = self.existing(env, ids)
        for row in rows:
            move = env.rows("account.move")[row["move_id"]]
            if move["state"] == "posted":
                posting.refuse_deletion(env, move)
        reconcile.unmatch(env, ids)
        with sync.batch(env, [row["move_id"] for row in rows]):
            for row in rows:
                if row["id"] in env.rows(self.name):
                    self.remove(env, row)
        return True

    @record_method
    def reconcile(self, env: Env, ids: list[int]) -> None:
        """Match lines of one account, oldest due date first."""
        self.existing(env, ids)
        reconcile.reconcile(env, ids)

    @record_method
    def remove_move_reconcile(self, env: Env, ids: list[int]) -> None:
        """Undo all matches of lines."""
        self.existing(env, ids)
        reconcile.unmatch(env, ids)


class Partial(Model):
    """account.partial.reconcile: created without any check, as on the server."""

    name = "account.partial.reconcile"
    label = "Partial Reconcile"
    declared: ClassVar[dict[str, Field]] = {
        "debit_move_id": one("account.move.line", "Debit Move", required=True, ondelete="cascade"),
        "credit_move_id": one("account.move.line", "Credit Move", required=True, ondelete="cascade"),
        "full_reconcile_id": one("account.full.reconcile", "Full Reconcile", copied=False),
        "exchange_move_id": one("account.move", "Exchange Move"),
        "amount": monetary("Amount"),
        "debit_amount_currency": monetary("Debit Amount Currency"),
        "credit_amount_currency": monetary("Credit Amount Currency"),
        "debit_currency_id": one(
            "res.currency", "Currency of the debit journal item.", compute=lambda env, r: _line(env, r, "debit", "currency_id")
        ),
        "credit_currency_id": one(
            "res.currency", "Currency of the credit journal item.", compute=lambda env, r: _line(env, r, "credit", "currency_id")
        ),
        "company_id": one("res.company", "Company", compute=lambda env, r: _move(env, r, "debit")["company_id"]),
        "company_currency_id": one(
            "res.currency", "Company Currency", compute=lambda env, r: amounts.company_currency(env, _move(env, r, "debit")["company_id"])
        ),
        "max_date": day(
            "Max Date of Matched Lines", compute=lambda env, r: max(_move(env, r, "debit")["date"], _move(env, r, "credit")["date"])
        ),
    }

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Let residuals, matching numbers and payment states follow."""
        reconcile.follow(env, [i for row in rows for i in (row["debit_move_id"], row["credit_move_id"])])

    def unlink(self, env: Env, ids: list[int]) -> bool:
        """Delete matches; full reconciliations and exchange entries built on them go, too."""
        reconcile.drop(env, self.existing(env, ids))
        return True


def _line(env: Env, partial: Row, side: str, name: str) -> Any:
    return env.rows("account.move.line")[partial[f"{side}_move_id"]][name]


def _move(env: Env, partial: Row, side: str) -> Row:
    return env.rows("account.move")[_line(env, partial, side, "move_id")]


class Full(Model):
    """account.full.reconcile: a closed group of matches."""

    name = "account.full.reconcile"
    label = "Full Reconcile"
    declared: ClassVar[dict[str, Field]] = {
        "partial_reconcile_ids": lines("account.partial.reconcile", "full_reconcile_id", "Reconciliation Parts"),
        "reconciled_line_ids": lines("account.move.line", "full_reconcile_id", "Matched Journal Items"),
        "exchange_move_id": one("account.move", "Exchange Move", until=17),
    }

    def create(self, env: Env, vals_list: Any) -> list[int]:
        """Close groups: the parts and lines named, numbered with this record's id."""
        ids = []
        for values in [vals_list] if isinstance(vals_list, dict) else vals_list:
            for name in values:
                self.field(name)
            row = self.insert(env, {})
            for column, model in (("partial_reconcile_ids", "account.partial.reconcile"), ("reconciled_line_ids", "account.move.line")):
                for i in _linked(values.get(column)):
                    env.set(model, env.row(model, i), full_reconcile_id=row["id"])
            residuals.refresh_matching(env, _linked(values.get("reconciled_line_ids")))
            ids.append(row["id"])
        return ids


def _linked(commands: Any) -> list[int]:
    found: list[int] = []
    for command in commands or []:
        found += command[2] if command[0] == 6 else [command[1]] if command[0] == 4 else []
    return found


MODELS: list[type[Model]] = [Line, Partial, Full]
