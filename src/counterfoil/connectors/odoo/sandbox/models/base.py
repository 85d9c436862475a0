"""Models of the base module: currencies, countries, languages, users, groups, external ids, and the catalogue of models and modules."""

from __future__ import annotations

from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.orm.core import model_method, record_method
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import MissingError, UserError, ValidationError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, boolean, char, choice, float_, integer, lines, many, one, text
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values


class Country(Model):
    """res.country."""

    name = "res.country"
    label = "Country"
    order = "name, id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Country Name", required=True),
        "code": char("Country Code", required=True, index=True),
        "currency_id": one("res.currency", "Currency"),
        "state_ids": lines("res.country.state", "country_id", "States"),
    }

    def name_find(self, env: Env, name: str, domain: list[Any], operator: str = "ilike", limit: int | None = None) -> list[Row]:
        """Find by code or name."""
        by_code = self.find(env, [*domain, ["code", "=", name.upper()]]) if name and len(name) == 2 else []
        return by_code or super().name_find(env, name, domain, operator, limit)


class State(Model):
    """res.country.state."""

    name = "res.country.state"
    label = "Country state"
    order = "code, id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("State Name", required=True),
        "code": char("State Code", required=True),
        "country_id": one("res.country", "Country", required=True),
    }

    def display_name(self, env: Env, row: Row) -> str:
        """Return the name with the country's code."""
        return f"{row['name']} ({env.rows('res.country')[row['country_id']]['code']})"


class Lang(Model):
    """res.lang."""

    name = "res.lang"
    label = "Languages"
    declared: ClassVar[dict[str, Field]] = {
        "name": char(required=True),
        "code": char("Locale Code", required=True, index=True),
        "active": boolean(default=True),
    }


class Group(Model):
    """res.groups."""

    name = "res.groups"
    label = "Access Groups"
    declared: ClassVar[dict[str, Field]] = {
        "name": char(required=True),
        "full_name": char("Group Name", compute=lambda env, row: row["name"]),
        "users": many("res.users", "Users", until=18, compute=lambda env, row: _members(env, row)),
        "user_ids": many("res.users", "Users", since=19, compute=lambda env, row: _members(env, row)),
    }


def _members(env: Env, group: Row) -> list[int]:
    return [u["id"] for u in env.rows("res.users").values() if group["id"] in u[env.db.groups_field]]


class User(Model):
    """res.users."""

    name = "res.users"
    label = "User"
    order = "id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Name", required=True),
        "login": char("Login", required=True, index=True),
        "email": char("Email"),
        "password": char("Password", compute=lambda env, row: False, readonly=False),
        "active": boolean(default=True),
        "lang": char("Language", default="en_US"),
        "tz": char("Timezone"),
        "share": boolean("Share User"),
        "partner_id": one("res.partner", "Related Partner"),
        "company_id": one("res.company", "Company", required=True, default=lambda env: env.company_id),
        "company_ids": many("res.company", "Companies", default=lambda env: [env.company_id]),
        "groups_id": many("res.groups", "Groups", until=18),
        "group_ids": many("res.groups", "Groups", since=19),
        "all_group_ids": many("res.groups", "All Groups", since=19, compute=lambda env, row: row["group_ids"]),
    }

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Give every user a partner; take the password."""
        for row, values in zip(rows, values_list, strict=True):
            if any(i != row["id"] for i in env.find(self.name, "login", row["login"])):
                raise ValidationError("The operation cannot be completed: You can not have two users with the same login!")
            if values.get("password"):
                env.db.passwords[row["login"]] = str(values["password"])
        for row in rows:
            if not row["partner_id"]:
                partner = env.model("res.partner").create(env, [{"name": row["name"], "email": row["email"]}])[0]
                env.set(self.name, row, partner_id=partner)

    def written(self, env: Env, rows: list[Row], values: Values) -> None:
        """Take a new password."""
        for row in rows:
            if values.get("password"):
                env.db.passwords[row["login"]] = str(values["password"])

    @record_method
    def has_group(self, env: Env, ids: list[int], group_ext_id: str) -> bool:
        """Return whether the user is in a group named by external id."""
        known = env.db.xids.find(group_ext_id)
        return known is not None and known["res_id"] in env.row(self.name, self.ensure_one(ids))[env.db.groups_field]

    @model_method
    def context_get(self, env: Env) -> Row:
        """Return the user's own context."""
        return {"lang": env.user["lang"], "tz": env.user["tz"], "uid": env.uid}


class ModelData(Model):
    """ir.model.data: external ids, unique by (module, name)."""

    name = "ir.model.data"
    label = "Model Data"
    order = "module, model, name"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("External Identifier", required=True, index=True),
        "module": char("Module", required=True, default="", index=True),
        "model": char("Model Name", required=True, index=True),
        "res_id": integer("Record ID", index=True),
        "noupdate": boolean("Non Updatable"),
        "complete_name": char("Complete ID", index=True),
        "reference": char(compute=lambda env, row: f"{row['model']},{row['res_id']}"),
    }

    def create(self, env: Env, vals_list: Any) -> list[int]:
        """Insert through the one place that keeps names unique."""
        ids = []
        for values in [vals_list] if isinstance(vals_list, dict) else vals_list:
            xid = f"{values.get('module', '')}.{values['name']}"
            env.db.xids.add(env, xid, values["model"], int(values.get("res_id") or 0), bool(values.get("noupdate")))
            found = env.db.xids.find(xid)
            ids.append(found["id"] if found else 0)
        return ids

    def written(self, env: Env, rows: list[Row], values: Values) -> None:
        """Keep the complete name in step."""
        for row in rows:
            env.set(self.name, row, complete_name=f"{row['module']}.{row['name']}")

    @model_method
    def check_object_reference(self, env: Env, module: str, xml_id: str, raise_on_access_error: bool = False) -> list[Any]:
        """Return [model, id] of an external id."""
        found = env.db.xids.find(f"{module}.{xml_id}")
        if found is None:
            raise MissingError(f"External ID not found in the system: {module}.{xml_id}")
        return [found["model"], found["res_id"]]


class IrModel(Model):
    """ir.model: one record per model."""

    name = "ir.model"
    label = "Models"
    order = "model"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Model Description", required=True),
        "model": char("Model", required=True, index=True),
        "field_id": lines("ir.model.fields", "model_id", "Fields"),
    }


class IrModelFields(Model):
    """ir.model.fields: one record per field."""

    name = "ir.model.fields"
    label = "Fields"
    order = "name, id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Field Name", required=True, index=True),
        "model": char("Model Name", required=True, index=True),
        "model_id": one("ir.model", "Model", required=True),
        "field_description": char("Field Label"),
        "ttype": char("Field Type"),
        "relation": char("Related Model"),
        "required": boolean(),
        "readonly": boolean(),
        "store": boolean("Stored"),
    }


class Module(Model):
    """ir.module.module: the installed modules."""

    name = "ir.module.module"
    label = "Module"
    order = "name"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Technical Name", required=True, index=True),
        "state": choice("Status", ("uninstalled", "Not Installed"), ("installed", "Installed"), ("to install", "To be installed")),
        "shortdesc": char("Module Name"),
        "installed_version": char(
            "Latest Version", compute=lambda env, row: f"{env.version}.0.1.0" if row["state"] == "installed" else False
        ),
        "latest_version": char(
            "Installed Version", compute=lambda env, row: f"{env.version}.0.1.0" if row["state"] == "installed" else False
        ),
    }

    @record_method
    def button_immediate_install(self, env: Env, ids: list[int]) -> Row:
        """Install modules; needs settings rights."""
        if not env.su and not env.has_group("base.group_system"):
            raise UserError("Only administrators can install modules.")
        for row in self.existing(env, ids):
            env.set(self.name, row, state="installed")
        return {"type": "ir.actions.client", "tag": "reload", "params": {}}


class Precision(Model):
    """decimal.precision."""

    name = "decimal.precision"
    label = "Decimal Precision"
    declared: ClassVar[dict[str, Field]] = {"name": char("Usage", required=True), "digits": integer("Digits", required=True, default=2)}


class Uom(Model):
    """uom.uom."""

    name = "uom.uom"
    label = "Product Unit of Measure"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Unit Name", required=True),
        "active": boolean(default=True),
        "factor": float_("Absolute Quantity", default=1.0),
    }


class ServerAction(Model):
    """ir.actions.server: only the webhook kind acts."""

    name = "ir.actions.server"
    label = "Server Action"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Name"),
        "model_id": one("ir.model", "Model", required=True, ondelete="cascade"),
        "state": choice(
            "Type",
            ("object_write", "Update Record"),
            ("object_create", "Create Record"),
            ("code", "Execute Code"),
            ("webhook", "Send Webhook Notification"),
            ("multi", "Multi Actions"),
            default="object_write",
        ),
        "usage": choice(
            "Usage", ("ir_actions_server", "Server Action"), ("base_automation", "Automation Rule"), default="ir_actions_server"
        ),
        "webhook_url": char("Webhook URL"),
        "webhook_field_ids": many("ir.model.fields", "Webhook Fields"),
        "base_automation_id": one("base.automation", "Automation Rule", ondelete="cascade"),
        "code": text("Python Code"),
    }

    def prepare(self, env: Env, values: Values) -> Values:
        """Name it as the version does when no name was given (17/18 always do for webhooks)."""
        if values.get("state") == "webhook" and (env.version < 19 or not values.get("name")):
            values["name"] = "Send Webhook Notification"
        return values


MODELS: list[type[Model]] = [
    Country,
    State,
    Lang,
    Group,
    User,
    ModelData,
    IrModel,
    IrModelFields,
    Module,
    Precision,
    Uom,
    ServerAction,
]
