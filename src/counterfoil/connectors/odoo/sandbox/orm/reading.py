"""Searching and reading: what the read-only methods of every model answer."""

from __future__ import annotations

import itertools
import re
from typing import Any

from counterfoil.connectors.odoo.sandbox.orm import grouping
from counterfoil.connectors.odoo.sandbox.orm.core import Core, model_method, record_method
from counterfoil.connectors.odoo.sandbox.orm.domains import Search, mentions, parse
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import AccessError, PythonError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field
from counterfoil.connectors.odoo.sandbox.orm.store import Row

_ATTRIBUTES = ("type", "string", "required", "readonly", "store", "searchable", "sortable", "name")


class Reading(Core):
    """The reading half of a model."""

    # -- finding ------------------------------------------------------------------------------------------------------------------

    def visible(self, env: Env, row: Row) -> bool:
        """Return whether the company rule lets this call see a row."""
        if not self.company_field or env.su or self.company_field not in self.stored:
            return True
        held = row[self.company_field]
        allowed = env.lineage_ids if self.is_of_branches else env.company_ids
        if isinstance(held, tuple):
            return not held or any(c in allowed for c in held)
        return not held or held in allowed

    def find(self, env: Env, domain: Any, order: str | None = None, limit: int | None = None, offset: int = 0) -> list[Row]:
        """Return matching rows in order."""
        node = parse(domain, env.version)
        rows = Search(env, self).rows(node)
        if "active" in self.stored and env.context.get("active_test", True) and not mentions(node, "active"):
            rows = [row for row in rows if row["active"]]
        if self.company_field and not env.su:
            rows = [row for row in rows if self.visible(env, row)]
        rows = self.sorted(env, rows, order or self.order)
        end = None if not limit else offset + limit
        return rows[offset:end] if offset or end is not None else rows

    def sorted(self, env: Env, rows: list[Row], order: str) -> list[Row]:
        """Return rows by an order clause (``write_date desc, id``). Raises ValueError for an unknown field."""
        terms = [t.strip() for t in order.split(",") if t.strip()]
        for term in reversed(terms):
            words = term.split()
            if not re.fullmatch(r"\w+", words[0]):
                raise PythonError(f'Invalid "order" specified ({order}).')
            name, downward = words[0], len(words) > 1 and words[1].lower() == "desc"
            if name == "id":
                if len(terms) > 1 or downward or any(a["id"] > b["id"] for a, b in itertools.pairwise(rows)):
                    rows = sorted(rows, key=lambda row: row["id"], reverse=downward)
                continue
            self.field(name, "order")
            rows = sorted(rows, key=lambda row: self._sort_key(env, row, name), reverse=downward)
        return rows

    def _sort_key(self, env: Env, row: Row, name: str) -> tuple[bool, Any]:
        held = self.value(env, row, name)
        declared = self.fields[name]
        if declared.kind == "many2one" and held:
            return (False, env.model(declared.relation).display_name(env, env.rows(declared.relation)[held]))
        if declared.kind in ("boolean", "integer", "float", "monetary"):
            return (False, held or 0)
        empty = held is False or held is None
        return (empty, "" if empty else held)

    @model_method
    def search(self, env: Env, domain: Any, offset: int = 0, limit: int | None = None, order: str | None = None) -> list[int]:
        """Return ids."""
        return [row["id"] for row in self.find(env, domain, order, limit, offset)]

    @model_method
    def search_count(self, env: Env, domain: Any, limit: int | None = None) -> int:
        """Return how many match."""
        return len(self.find(env, domain, "id", limit))

    @model_method
    def search_read(
        self,
        env: Env,
        domain: Any = None,
        fields: list[str] | None = None,
        offset: int = 0,
        limit: int | None = None,
        order: str | None = None,
        load: str | None = "_classic_read",
    ) -> list[Row]:
        """Search, then read."""
        return self.show(env, self.find(env, domain or [], order, limit, offset), fields, load)

    # -- reading ------------------------------------------------------------------------------------------------------------------

    @record_method
    def read(self, env: Env, ids: list[int], fields: list[str] | None = None, load: str | None = "_classic_read") -> list[Row]:
        """Read records; ids that do not exist are left out."""
        rows = env.rows(self.name)
        found = [rows[i] for i in ids if i in rows]
        self.check_visible(env, found)
        return self.show(env, found, fields, load)

    def check_visible(self, env: Env, rows: list[Row], operation: str = "read") -> None:
        """Raise AccessError when the company rule hides a row."""
        hidden = [row for row in rows if not self.visible(env, row)]
        if hidden:
            raise self.hidden(env, hidden, operation)

    def hidden(self, env: Env, rows: list[Row], operation: str) -> AccessError:
        """Return the refusal of the company rule."""
        companies = {c for row in rows for c in self._companies_of(env, row)}
        names = ", ".join(env.rows("res.company")[c]["name"] for c in sorted(companies))
        text = (
            f"Uh-oh! Looks like you have stumbled upon some top-secret records.\n\nSorry, {env.user_name()} doesn't have '{operation}'"
            " access to:\n"
            f"- {self.label} ({self.name})\n\nIf you really, really need access, perhaps you can win over your friendly administrator"
            " with a batch of"
            " freshly baked cookies."
        )
        if env.version >= 18:
            text += (
                f"\n\nThis seems to be a multi-company issue, you might be able to access the record by switching to the company: {names}."
            )
        return AccessError(text)

    def _companies_of(self, env: Env, row: Row) -> list[int]:
        held = row.get(self.company_field) if self.company_field in self.stored else self.value(env, row, "company_id")
        return list(held) if isinstance(held, tuple) else [held] if held else []

    def show(self, env: Env, rows: list[Row], names: list[str] | None, load: str | None = "_classic_read") -> list[Row]:
        """Return rows in wire shape: many2one as pairs (bare ids with an empty ``load``), instants cut to the second."""
        wanted = [self.field(n, "on") for n in names] if names else list(self.fields.values())
        pairs = load == "_classic_read"
        plain = all(f.name in self.stored and not f.company_dependent for f in wanted)
        answers = []
        for row in rows:
            answer: Row = {"id": row["id"]}
            for declared in wanted:
                held = row[declared.name] if plain else self.value(env, row, declared.name)
                answer[declared.name] = self.wire(env, declared, held, pairs)
            answers.append(answer)
        return answers

    def wire(self, env: Env, declared: Field, held: Any, pairs: bool = True) -> Any:
        """Return one value as it goes over the wire."""
        kind = declared.kind
        if kind == "many2one":
            if not held:
                return False
            if not pairs:
                return held
            other = env.rows(declared.relation).get(held)
            return [held, env.model(declared.relation).display_name(env, other)] if other is not None else False
        if kind == "datetime":
            return held[:19] if held else held
        if kind == "many2many":
            return self._linked(env, declared, held)
        return held

    @staticmethod
    def _linked(env: Env, declared: Field, held: Any) -> list[int]:
        rows = env.rows(declared.relation)
        ids = [i for i in held if i in rows]
        if "active" in env.model(declared.relation).stored and env.context.get("active_test", True):
            ids = [i for i in ids if rows[i]["active"]]
        return ids

    @model_method
    def name_search(
        self, env: Env, name: str = "", domain: Any = None, operator: str = "ilike", limit: int | None = 100, args: Any = None
    ) -> Any:
        """Return [id, display name] pairs whose name matches."""
        found = self.name_find(env, name, list(domain or args or []), operator, limit)
        return [[row["id"], self.display_name(env, row)] for row in found]

    def name_find(self, env: Env, name: str, domain: list[Any], operator: str = "ilike", limit: int | None = None) -> list[Row]:
        """Return the rows a name search finds."""
        if name and self.rec_name in self.fields:
            domain = [*domain, [self.rec_name, operator, name]]
        return self.find(env, domain, None, limit)

    # -- describing ---------------------------------------------------------------------------------------------------------------

    @model_method
    def fields_get(self, env: Env, allfields: list[str] | None = None, attributes: list[str] | None = None) -> dict[str, Row]:
        """Describe the fields; unknown names are left out."""
        answer = {}
        for name, declared in self.fields.items():
            if allfields and name not in allfields:
                continue
            described = self._describe(env, declared)
            answer[name] = {k: v for k, v in described.items() if not attributes or k in attributes}
        return answer

    def _describe(self, env: Env, declared: Field) -> Row:
        stored = declared.name in self.stored or declared.kind == "one2many"
        described: Row = {
            "type": declared.kind,
            "string": declared.label,
            "name": declared.name,
            "required": declared.required,
            "readonly": declared.readonly,
            "store": stored and not declared.company_dependent,
            "searchable": True,
            "sortable": stored and declared.kind != "one2many",
            "company_dependent": declared.company_dependent,
        }
        if declared.kind == "float":
            digits = self.digits(env, declared)
            described["digits"] = False if digits is None else [16, digits]
        if declared.relation:
            described["relation"] = declared.relation
        if declared.inverse:
            described["relation_field"] = declared.inverse
        if declared.kind == "selection":
            described["selection"] = [list(pair) for pair in self.options(env, declared)]
        return described

    @model_method
    def default_get(self, env: Env, fields: list[str] | None = None, fields_list: list[str] | None = None) -> Row:
        """Return the defaults of the named fields."""
        names = fields or fields_list or []
        found = {n: self.default(env, n) for n in names if n in self.defaults or f"default_{n}" in env.context}
        return {n: self.wire(env, self.fields[n], v, pairs=False) for n, v in found.items()}

    def default(self, env: Env, name: str) -> Any:
        """Return one default: the context's, or the declared one."""
        if f"default_{name}" in env.context:
            return env.context[f"default_{name}"]
        declared = self.defaults.get(name)
        return declared(env) if callable(declared) else declared

    @record_method
    def export_data(self, env: Env, ids: list[int], fields_to_export: list[str]) -> Row:
        """Return the values of column paths (``id`` is the external id, made when missing)."""
        rows = [env.row(self.name, i) for i in ids]
        return {"datas": [[self._export(env, row, path) for path in fields_to_export] for row in rows]}

    def _export(self, env: Env, row: Row, path: str) -> Any:
        first, _, rest = path.replace(".id", "/.id").replace("//", "/").lstrip("/").partition("/")
        if first == ".id":
            return str(row["id"])
        if first == "id":
            return env.db.xids.name_of(env, self.name, row["id"])
        declared = self.field(first)
        held = self.value(env, row, first)
        if declared.relation:
            ids = held if isinstance(held, list | tuple) else ([held] if held else [])
            other = env.model(declared.relation)
            assert isinstance(other, Reading)  # noqa: S101 - every model reads
            shown = [str(other._export(env, env.rows(other.name)[i], rest or "display_name")) for i in ids]
            return ",".join(shown)
        shown_value = self.wire(env, declared, held)
        return "" if shown_value is False and declared.kind != "boolean" else shown_value

    @model_method
    def web_search_read(
        self,
        env: Env,
        domain: Any,
        specification: Row,
        offset: int = 0,
        limit: int | None = None,
        order: str | None = None,
        count_limit: int | None = None,
    ) -> Row:
        """Return {length, records} with nested fields as the specification asks."""
        rows = self.find(env, domain, order)
        page = rows[offset : offset + limit] if limit else rows[offset:]
        return {
            "length": len(rows) if count_limit is None else min(len(rows), count_limit),
            "records": self._nested(env, page, specification),
        }

    @record_method
    def web_read(self, env: Env, ids: list[int], specification: Row) -> list[Row]:
        """Read records with nested fields."""
        return self._nested(env, [env.row(self.name, i) for i in ids], specification)

    def _nested(self, env: Env, rows: list[Row], specification: Row) -> list[Row]:
        answers = []
        for row in rows:
            answer: Row = {"id": row["id"]}
            for name, wish in specification.items():
                declared = self.field(name)
                held = self.wire(env, declared, self.value(env, row, name), pairs=False)
                inner = (wish or {}).get("fields")
                if declared.relation and inner is not None:
                    other = env.model(declared.relation)
                    ids = held if isinstance(held, list) else ([held] if held else [])
                    shown = other._nested(env, [env.rows(other.name)[i] for i in ids], inner)
                    held = shown if isinstance(held, list) else (shown[0] if shown else False)
                answer[name] = held
            answers.append(answer)
        return answers

    @model_method
    def formatted_read_group(
        self,
        env: Env,
        domain: Any,
        groupby: list[str] | None = None,
        aggregates: list[str] | None = None,
        having: Any = None,
        offset: int = 0,
        limit: int | None = None,
        order: str | None = None,
    ) -> list[Row]:
        """Return groups with aggregates (19)."""
        rows = self.find(env, domain, "id")
        groups = grouping.formatted(env, self, rows, list(groupby or []), list(aggregates or []))
        return groups[offset : offset + limit] if limit else groups[offset:]

    @model_method
    def read_group(
        self,
        env: Env,
        domain: Any,
        fields: list[str],
        groupby: str | list[str],
        offset: int = 0,
        limit: int | None = None,
        orderby: str | bool = False,
        lazy: bool = True,
    ) -> list[Row]:
        """Return groups in the older shape."""
        keys = [groupby] if isinstance(groupby, str) else list(groupby)
        rows = self.find(env, domain, "id")
        groups = grouping.classic(env, self, rows, fields, keys[:1] if lazy else keys, list(domain))
        return groups[offset : offset + limit] if limit else groups[offset:]
