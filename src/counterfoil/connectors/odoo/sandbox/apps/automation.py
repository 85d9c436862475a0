"""Automation rules with webhook actions: which calls are sent after a commit, and with what payload."""

from __future__ import annotations

import ast
from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, boolean, char, choice, lines, many, one
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row

TRIGGERS = (
    ("on_create", "On create"),
    ("on_create_or_write", "On create and edit"),
    ("on_write", "On update"),
    ("on_unlink", "On deletion"),
    ("on_state_set", "State is set to"),
    ("on_webhook", "On webhook"),
)
STAMPS = ("write_date", "write_uid", "_commit")


class Automation(Model):
    """base.automation."""

    name = "base.automation"
    label = "Automation Rule"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Automation Rule Name", required=True),
        "active": boolean(default=True),
        "model_id": one("ir.model", "Model", required=True, ondelete="cascade"),
        "model_name": char("Model Name", compute=lambda env, r: env.rows("ir.model")[r["model_id"]]["model"]),
        "trigger": choice("Trigger", *TRIGGERS, required=True, default="on_create_or_write"),
        "trigger_field_ids": many("ir.model.fields", "Trigger Fields"),
        "filter_domain": char("Apply on"),
        "action_server_ids": lines("ir.actions.server", "base_automation_id", "Actions"),
        "url": char("Webhook URL", compute=lambda env, r: False),
    }


def queue(env: Env, leaking: bool = False) -> list[tuple[str, Row]]:
    """Return the (address, payload) pairs the open transaction causes: all first calls, then the second ones, then the third."""
    rules = [r for r in env.rows("base.automation").values() if r["active"]]
    if not rules:
        return []
    changes = _changes(env)
    turns: list[list[tuple[str, Row]]] = [[], [], []]
    for rule in rules:
        model_name = env.rows("ir.model")[rule["model_id"]]["model"]
        triggers = {env.rows("ir.model.fields")[i]["name"] for i in rule["trigger_field_ids"]}
        for row, (created, deleted, changed) in changes.get(model_name, {}).values():
            posted = created and changed.get("state") == "posted"
            for turn in range(_times(rule["trigger"], triggers, created, deleted, changed)):
                early = posted and turn < 2
                if (created or not leaking) and (deleted or _passes(env, rule, model_name, row, early)):
                    turns[turn if created else 2] += _calls(env, rule, model_name, row, created and turn == 0, early)
    return turns[0] if leaking else [call for turn in turns for call in turn]


def leaked(env: Env) -> list[tuple[str, Row]]:
    """Return the calls a failing creation has sent before it was taken back (17 and 18)."""
    return queue(env, leaking=True)


Changed = dict[str, Any]


def _changes(env: Env) -> dict[str, dict[int, tuple[Row, tuple[bool, bool, Changed]]]]:
    found: dict[str, dict[int, tuple[Row, tuple[bool, bool, Changed]]]] = {}
    for kind, model, row, column in env.store.changes():
        rows = found.setdefault(model, {})
        _row, (created, deleted, changed) = rows.get(row["id"], (row, (False, False, {})))
        if kind == "set" and column not in STAMPS:
            changed = {**changed, column: row[column]}
        rows[row["id"]] = (row, (created or kind == "insert", deleted or kind == "delete", changed))
    return found


def _times(trigger: str, triggers: set[str], created: bool, deleted: bool, changed: Changed) -> int:
    if deleted:
        return 1 if trigger == "on_unlink" and not created else 0
    if trigger == "on_create":
        return 1 if created else 0
    if trigger not in ("on_create_or_write", "on_write"):
        return 0
    if created:  # once for the creation, once for the stored values computed after it, once more if it was posted at once
        return (2 if trigger == "on_create_or_write" else 1) + (1 if changed.get("state") == "posted" else 0)
    return 1 if (triggers & changed.keys() if triggers else changed) else 0


def _passes(env: Env, rule: Row, model_name: str, row: Row, early: bool) -> bool:
    if not rule["filter_domain"]:
        return True
    domain = _domain(rule["filter_domain"])
    if early:  # still a draft when the call goes out
        return not any(leaf[0] == "state" and leaf[2] == "posted" for leaf in domain if isinstance(leaf, list | tuple))
    inner = env.with_context(active_test=False).sudo()
    return bool(env.model(model_name).find(inner, [["id", "=", row["id"]], *domain]))


def _domain(text: str) -> list[Any]:
    return list(ast.literal_eval(text))


def _calls(env: Env, rule: Row, model_name: str, row: Row, first: bool, early: bool) -> list[tuple[str, Row]]:
    """Return one call per webhook action; the first after a creation shows amounts of zero, early ones a draft without number."""
    model = env.model(model_name)
    sent = []
    for i in sorted(env.find("ir.actions.server", "base_automation_id", rule["id"])):
        action = env.rows("ir.actions.server")[i]
        if action["state"] != "webhook" or not action["webhook_url"]:
            continue
        payload: Row = {"_action": f"{action['name']}(#{i})", "_id": row["id"], "_model": model_name, "id": row["id"]}
        for field_id in action["webhook_field_ids"]:
            name = env.rows("ir.model.fields")[field_id]["name"]
            if name not in model.fields:
                continue
            value = model.value(env.sudo(), row, name) if row["id"] in env.rows(model_name) else row.get(name, False)
            if first and model.fields[name].kind == "monetary":
                value = 0.0
            if early and name in ("name", "state"):
                value = False if name == "name" else "draft"
            payload[name] = list(value) if isinstance(value, tuple) else value
        sent.append((str(action["webhook_url"]), dict(sorted(payload.items()))))
    return sent


MODELS: list[type[Model]] = [Automation]
