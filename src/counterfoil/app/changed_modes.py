"""A posting mode is changed from a declared day on, never just so: the hub remembers how each entity has booked, and refuses to start."""

from __future__ import annotations

from counterfoil.decide.rules_source import RulesSource
from counterfoil.kit.errors import SetupError
from counterfoil.store import modes
from counterfoil.store.pool import Conn


async def refuse_changed_modes(conn: Conn, rules: RulesSource) -> None:
    """Refuse to work with a posting mode that an entity did not always book in and that does not say since when it holds.

    Raises:
        SetupError: an entity's ``posting`` was changed without ``posting_from`` (``settings.posting_changed``).
    """
    booked = await modes.load(conn)
    for entity in rules.entities.values():
        others = sorted(mode for name, mode in booked if name == entity.name and mode != entity.posting_mode.value)
        mode = entity.posting_mode.value
        if others and entity.posting_mode_from is None:
            raise SetupError(
                f"[entities.{entity.name}] posting is {mode!r}, but {entity.name} has booked in mode {others[0]!r}; add posting_from,"
                f" the first accounting day of {mode!r}: earlier facts keep the other mode, so that nothing is booked twice",
                code="settings.posting_changed",
            )
