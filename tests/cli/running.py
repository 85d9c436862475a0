"""Commands run in this process, as a shell would call them. The program is put together once: that takes longer than most commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from counterfoil.cli.main import app


@cache
def command() -> Any:
    """Return the whole program; it knows nothing of earlier calls."""
    return get_command(app)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return what it printed for programs."""
        return json.loads(self.out)


def invoke(*arguments: str, env: Mapping[str, str] | None = None) -> Ended:
    """Run a command with these arguments; what it raises but to end is raised here."""
    code = 0
    with CliRunner().isolation(env=env) as (out, err, _):
        try:
            command().main(args=list(arguments), prog_name="counterfoil")
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
        return Ended(code, out.getvalue().decode(), err.getvalue().decode())
