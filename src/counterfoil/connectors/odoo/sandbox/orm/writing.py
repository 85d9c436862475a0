"""Creating, writing, deleting and copying records, with hooks for the models that do more."""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.odoo.sandbox.orm.core import model_method, record_method
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import PythonError, ValidationError, missing
from counterfoil.connectors.odoo.sandbox.orm.fields import Field
from counterfoil.connectors.odoo.sandbox.orm.reading import Reading
from counterfoil.connectors.odoo.sandbox.orm.store import Row

Values = dict[str, Any]


class Writing(Reading):
    """The writing half of a model."""

    # -- hooks --------------------------------------------------------------------------------------------------------------------

    def prepare(self, env: Env, values: Values) -> Values:
        """Complete the values of a record about to be created (computed defaults). May raise."""
        return values

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Run after creation, lines included. May raise."""

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Check and complete values about to be written. May raise."""
        return values

    def written(self, env: Env, rows: list[Row], values: Values) -> None:
        """Run after a write, lines included. May raise."""

    def unlinking(self, env: Env, rows: list[Row]) -> None:
        """Run before deletion. May raise."""

    # -- creating -----------------------------------------------------------------------------------------------------------------

    @model_method
    def create(self, env: Env, vals_list: Any) -> list[int]:
        """Create records from one dict or a list of dicts; return their ids."""
        values_list = [dict(v) for v in ([vals_list] if isinstance(vals_list, dict) else vals_list)]
        rows = [self.insert(env, values) for values in values_list]
        self.created(env, rows, values_list)
        return [row["id"] for row in rows]

    def insert(self, env: Env, values: Values) -> Row:
        """Create one record with its lines, without the after-creation hook."""
        for name in values:
            if name not in self.fields:
                self.field(name)
        values = self.prepare(env, values)
        row = dict(self.blank)
        for name in self.defaults:
            if name not in values and name in self.stored:
                row[name] = self.entry(env, self.fields[name], self.default(env, name), row[name])
        for key, value in env.context.items():
            if key.startswith("default_") and key[8:] in self.stored and key[8:] not in values and key[8:] not in self.defaults:
                row[key[8:]] = self.entry(env, self.fields[key[8:]], value, row[key[8:]])
        later: list[tuple[Field, Any]] = []
        for name, value in values.items():
            declared = self.fields[name]
            if declared.kind == "one2many":
                later.append((declared, value))
            elif name in self.stored:
                row[name] = self.entry(env, declared, value, row[name])
        row.update(create_date=env.now, write_date=env.now, create_uid=env.uid, write_uid=env.uid, _commit=None)
        row.pop("id", None)
        self.check_required(row)
        env.store.insert(self.name, row)
        for declared, value in later:
            self.command_lines(env, row, declared, value)
        return row

    def check_required(self, row: Row) -> None:
        """Raise Odoo's answer to a NOT NULL violation."""
        for name in self.required:
            if row[name] is False and self.fields[name].kind != "boolean":
                raise ValidationError(self.mandatory(name))

    def mandatory(self, name: str) -> str:
        """Return the version's text for a NOT NULL violation."""
        label = self.fields[name].label
        if self.version >= 19:
            return (
                f"The operation cannot be completed: Missing required value for the field '{label}' ({name}).\nModel: '{self.label}'"
                f" ({self.name})\n"
                "- create/update: a mandatory field is not set\n- delete: another model requires the record being deleted, you can"
                " archive it instead\n"
            )
        return (
            "The operation cannot be completed:\n- Create/update: a mandatory field is not set.\n- Delete: another model requires the"
            " record being"
            f" deleted. If possible, archive it instead.\n\nModel: {self.label} ({self.name})\nField: {label} ({name})\n"
        )

    def entry(self, env: Env, declared: Field, value: Any, held: Any) -> Any:
        """Return what is stored for a written value, given what is held now."""
        if declared.company_dependent:
            cleaned = self.clean(env, declared, value)
            return {**held, env.company_id: cleaned}
        if declared.kind == "many2many":
            return self.command_links(env, declared, value, held)
        return self.clean(env, declared, value)

    def command_links(self, env: Env, declared: Field, value: Any, held: tuple[int, ...]) -> tuple[int, ...]:
        """Return the ids of a many2many after commands."""
        if not value:
            return () if value is False or value is None else held
        ids = list(held)
        other = env.model(declared.relation)
        if isinstance(value, list | tuple) and value and all(isinstance(v, int) for v in value) and not isinstance(value[0], bool):
            value = [[6, 0, list(value)]]
        for command in value:
            code = command[0]
            if code == 6:
                ids = list(command[2])
            elif code == 5:
                ids = []
            elif code == 4:
                ids = ids if command[1] in ids else [*ids, command[1]]
            elif code in (2, 3):
                ids = [i for i in ids if i != command[1]]
            elif code == 0:
                ids += other.create(env, [command[2]])
            elif code == 1:
                other.write(env, [command[1]], command[2])
        unknown = [i for i in ids if i not in env.rows(declared.relation)]
        if unknown:
            raise missing(declared.relation, unknown, env.uid)
        return tuple(dict.fromkeys(ids))

    def command_lines(self, env: Env, row: Row, declared: Field, value: Any) -> None:
        """Carry out the commands of a one2many."""
        other = env.model(declared.relation)
        fresh = []
        xids = []
        for command in value or []:
            code = command[0]
            if code == 0:
                fresh.append({**command[2], declared.inverse: row["id"]})
                xids.append(command[1] if isinstance(command[1], str) else "")
            elif code == 1:
                other.write(env, [command[1]], command[2])
            elif code == 2 or (code == 3 and other.fields[declared.inverse].required):
                other.unlink(env, [command[1]])
            elif code == 3:
                other.write(env, [command[1]], {declared.inverse: False})
            elif code == 4:
                other.write(env, [command[1]], {declared.inverse: row["id"]})
            elif code == 5:
                other.unlink(env, self.children(env, declared, row))
            elif code == 6:
                gone = [i for i in self.children(env, declared, row) if i not in command[2]]
                other.unlink(env, gone)
        if fresh:
            self.name_lines(env, other.name, xids, other.create(env, fresh))

    @staticmethod
    def name_lines(env: Env, model: str, xids: list[str], ids: list[int]) -> None:
        """Give created lines the external ids a load brought for them."""
        for xid, row_id in zip(xids, ids, strict=True):
            if xid:
                env.db.xids.add(env, xid if "." in xid else f"__import__.{xid}", model, row_id, bool(env.context.get("noupdate", False)))

    # -- writing ------------------------------------------------------------------------------------------------------------------

    @record_method
    def write(self, env: Env, ids: list[int], vals: Values) -> bool:
        """Write the same values on all records."""
        for name in vals:
            self.field(name)
        rows = self.existing(env, ids)
        self.check_visible(env, rows)
        values = self.writing(env, rows, dict(vals))
        for row in rows:
            self.assign(env, row, values)
        self.written(env, rows, values)
        return True

    def existing(self, env: Env, ids: list[int]) -> list[Row]:
        """Return the rows. Raises MissingError naming the absent ones."""
        rows = env.rows(self.name)
        absent = [i for i in ids if i not in rows]
        if absent:
            raise missing(self.name, absent, env.uid)
        return [rows[i] for i in ids]

    def assign(self, env: Env, row: Row, values: Values) -> None:
        """Set values on one row and carry out line commands; stamps the row."""
        for name, value in values.items():
            declared = self.fields[name]
            if declared.kind == "one2many":
                self.command_lines(env, row, declared, value)
            elif name in self.stored:
                env.store.set(self.name, row, name, self.entry(env, declared, value, row[name]))
                if name in self.required:
                    self.check_required(row)
        env.stamp(self.name, row)

    # -- deleting -----------------------------------------------------------------------------------------------------------------

    @record_method
    def unlink(self, env: Env, ids: list[int]) -> bool:
        """Delete records with their lines and external ids."""
        table = env.rows(self.name)
        rows = [table[i] for i in ids if i in table]
        if len(rows) < len(ids) and ids:
            raise missing(self.name, [i for i in ids if i not in table], env.uid)
        self.check_visible(env, rows, "unlink")
        self.unlinking(env, rows)
        for row in rows:
            if row["id"] in table:
                self.remove(env, row)
        return True

    def remove(self, env: Env, row: Row) -> None:
        """Delete one row: lines cascade, other references are emptied or refuse."""
        for other in env.registry.values():
            for name in other.indexes:
                declared = other.fields[name]
                if declared.relation != self.name:
                    continue
                for i in env.find(other.name, name, row["id"]):
                    self._unreference(env, other, env.rows(other.name)[i], declared, row)
        env.db.xids.forget(env, self.name, row["id"])
        env.store.delete(self.name, row["id"])

    def _unreference(self, env: Env, other: Any, holder: Row, declared: Field, row: Row) -> None:
        if declared.kind == "many2many":
            env.set(other.name, holder, **{declared.name: tuple(i for i in holder[declared.name] if i != row["id"])})
        elif declared.ondelete == "cascade":
            other.remove(env, holder)
        elif declared.ondelete == "restrict" or declared.required:
            raise other.referenced(declared)
        else:
            env.set(other.name, holder, **{declared.name: False})

    # -- copying ------------------------------------------------------------------------------------------------------------------

    @record_method
    def copy(self, env: Env, ids: list[int], default: Values | None = None) -> list[int]:
        """Duplicate records with their lines."""
        return [self.create(env, [{**self.copied(env, row), **(default or {})}])[0] for row in self.existing(env, ids)]

    def copied(self, env: Env, row: Row) -> Values:
        """Return the values a copy starts from."""
        values: Values = {}
        for name, declared in self.fields.items():
            if not declared.copied or declared.compute is not None or declared.company_dependent:
                continue
            if declared.kind == "many2many":
                values[name] = [[6, 0, list(row[name])]]
            elif name in self.stored:
                values[name] = row[name]
        if self.rec_name == "name" and isinstance(values.get("name"), str):
            values["name"] = f"{values['name']} (copy)"
        return values

    def ensure_one(self, ids: list[int]) -> int:
        """Return the only id. Raises ValueError as the server does for several."""
        if len(ids) != 1:
            listed = ", ".join(str(i) for i in ids)
            raise PythonError(f"Expected singleton: {self.name}({listed})")
        return ids[0]
