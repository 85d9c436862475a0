"""Merging partners: everything that names the losers, external ids included, names the winner afterwards; the losers are deleted."""

from __future__ import annotations

from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.orm.core import record_method
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, choice, many, one
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row


def merge(env: Env, winner: int, losers: list[int]) -> None:
    """Merge partners into one."""
    for loser in losers:
        _repoint(env, loser, winner)
        _complete(env, env.rows("res.partner")[winner], env.rows("res.partner")[loser])
        env.db.xids.repoint(env, "res.partner", loser, winner)
        env.store.delete("res.partner", loser)


def _complete(env: Env, winner: Row, loser: Row) -> None:
    """Let the winner take what only the loser has."""
    for name, field in env.model("res.partner").stored.items():
        if field.copied and not field.company_dependent and not winner[name] and loser[name] and name not in ("parent_id", "active"):
            env.set("res.partner", winner, **{name: loser[name]})


def _repoint(env: Env, old: int, new: int) -> None:
    for model in env.registry.values():
        for name in model.indexes:
            if model.fields[name].relation != "res.partner":
                continue
            for i in env.find(model.name, name, old):
                row = env.rows(model.name)[i]
                held = row[name]
                value: Any = tuple(dict.fromkeys(new if p == old else p for p in held)) if isinstance(held, tuple) else new
                if model.name == "res.partner" and i == new:
                    value = False
                env.store.set(model.name, row, name, value)


class MergeWizard(Model):
    """base.partner.merge.automatic.wizard."""

    name = "base.partner.merge.automatic.wizard"
    label = "Merge Partner Wizard"
    transient = True
    declared: ClassVar[dict[str, Field]] = {
        "state": choice("State", ("option", "Option"), ("selection", "Selection"), ("finished", "Finished"), default="option"),
        "dst_partner_id": one("res.partner", "Destination Contact"),
        "partner_ids": many("res.partner", "Contacts"),
    }

    @record_method
    def action_merge(self, env: Env, ids: list[int]) -> Row:
        """Merge the contacts; non-administrators at most three at a time."""
        row = env.row(self.name, self.ensure_one(ids))
        partners = list(row["partner_ids"])
        if len(partners) > 3 and not env.su and not env.has_group("base.group_system"):
            raise UserError(
                "For safety reasons, you cannot merge more than 3 contacts together. You can re-open the wizard several times if needed."
            )
        winner = row["dst_partner_id"] or (partners[0] if partners else 0)
        merge(env, winner, [p for p in partners if p != winner])
        env.set(self.name, row, state="finished", partner_ids=())
        return {"type": "ir.actions.act_window", "res_model": self.name, "res_id": row["id"], "view_mode": "form", "target": "new"}


MODELS: list[type[Model]] = [MergeWizard]
