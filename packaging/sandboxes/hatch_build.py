"""Puts into this wheel what the production wheel leaves out: one list, in the pyproject.toml of the repository."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[2]


class Apart(BuildHookInterface[Any]):
    """Finds the files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name every file that is left out there and is no test."""
        del version
        wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
        apart = GitIgnoreSpec.from_lines(wheel["exclude"])
        never = GitIgnoreSpec.from_lines(["tests/", "__pycache__/"])
        for path in sorted((ROOT / "src" / "counterfoil").rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and apart.match_file(name) and not never.match_file(name):
                build_data["force_include"][str(path)] = path.relative_to(ROOT / "src").as_posix()
