"""A copy of the package for tests that change it: copied where they do, linked where they do not, with what was compiled already."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import counterfoil

PACKAGE = Path(counterfoil.__path__[0])
CHANGED = "core"


def copy_package(folder: Path, without: Collection[str] = ()) -> Path:
    """Make a copy in a folder and return it: ``core`` may be changed, connectors may be added; ``without``: those it does not have."""
    copy = folder / "counterfoil"
    (copy / "connectors").mkdir(parents=True)
    shutil.copytree(PACKAGE / CHANGED, copy / CHANGED)
    for path in PACKAGE.iterdir():
        if path.name not in (CHANGED, "connectors", "__pycache__"):
            (copy / path.name).symlink_to(path)
    for path in (PACKAGE / "connectors").iterdir():
        if path.name not in (*without, "__pycache__"):
            (copy / "connectors" / path.name).symlink_to(path)
    return copy
