"""From rows of the outbox to canonical commands."""

from __future__ import annotations

from counterfoil.core.commands import command_kind
from counterfoil.core.language.commands import Command
from counterfoil.kit.codec import decode_arguments
from counterfoil.store.outbox import CommandRow


def command_of(row: CommandRow) -> Command:
    """Return the canonical command of an outbox row."""
    kind = command_kind(row.kind)
    return Command(
        id=row.id,
        kind=kind,
        target=row.target,
        entity=row.entity,
        subject=row.subject,
        external_key=row.external_key,
        arguments=decode_arguments(kind, row.arguments),
        needs=row.needs,
        produces=row.produces,
        order_key=row.order_key,
        not_before=row.not_before,
        rules_version=row.rules_version,
        content=row.content,
    )
