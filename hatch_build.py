"""What the build collects from the connectors' folders: each connector's requirements become an extra of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).parent
CONNECTORS = ROOT / "src" / "counterfoil" / "connectors"


def requirements(path: Path) -> list[str]:
    """Return the requirements of a file, without its comments."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def extras(version: str) -> dict[str, list[str]]:
    """Return every extra: ``sandboxes``, and one for each connector with requirements of its own."""
    found = {path.parent.name: requirements(path) for path in sorted(CONNECTORS.glob("*/requirements.txt"))}
    return {"sandboxes": [f"counterfoil-sandboxes=={version}"], **found}


class Extras(MetadataHookInterface):
    """Fills in ``optional-dependencies``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the extras to the metadata."""
        metadata["optional-dependencies"] = extras(metadata["version"])
