"""account.chart.template: loading a chart of accounts into a company."""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.odoo.sandbox.books import chart
from counterfoil.connectors.odoo.sandbox.orm.core import record_method
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import PythonError
from counterfoil.connectors.odoo.sandbox.orm.model import Model


class ChartTemplate(Model):
    """account.chart.template: has no records."""

    name = "account.chart.template"
    label = "Account Chart Template"

    @record_method
    def try_loading(
        self,
        env: Env,
        ids: list[int],
        template_code: Any = False,
        company: Any = False,
        install_demo: bool = False,
        force_create: bool = True,
    ) -> None:
        """Install the generic chart in a company that has none; the company's currency becomes the template country's."""
        row = env.row("res.company", int(company)) if company else env.company
        if template_code not in (False, "generic_coa"):
            raise PythonError(str(template_code), "KeyError")
        if not template_code or row["chart_template"]:
            return
        chart.install(env, row)


MODELS: list[type[Model]] = [ChartTemplate]
