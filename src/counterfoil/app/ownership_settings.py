"""`[[ownership]]`: whose word counts where several sources tell of one thing; wrong declarations with their line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from counterfoil.app.settings_words import located
from counterfoil.core.identity.ownership import Owner, mistakes


class OwnershipSettings(BaseModel):
    """A connection whose word counts, for some fields of a kind of record or for the whole kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    connection: str
    fields: tuple[str, ...] = ()

    def owner(self) -> Owner:
        """Return it as rules have it."""
        return Owner(self.kind, self.connection, self.fields)


def wrong_ownership(name: str, text: str, declared: Sequence[OwnershipSettings], connections: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with `[[ownership]]`: a line for each mistake."""
    for position, one in enumerate(declared):
        if one.connection not in connections:
            yield located(name, text, ("ownership", position, "connection"), f"connection {one.connection!r} is not under [connections]")
    for mistake in mistakes([one.owner() for one in declared]):
        yield located(name, text, ("ownership", mistake.position, mistake.setting), mistake.message)
