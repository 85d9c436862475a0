"""Checks on the declaration alone: nothing is started."""

from __future__ import annotations

import re

from pydantic import BaseModel

from counterfoil.kit.conformance.check import Check, CheckedPart, always, require
from counterfoil.kit.conformance.harness import Harness
from counterfoil.kit.parts import lacking

BATCH_SIZE_CEILING = 10_000
_SECRET_NAME = re.compile(r"(^|_)(secret|token|password|api_key|private_key)s?$")


async def is_complete(kind: type[Harness]) -> None:
    """Name, config and at least one half are there, each with the parts it cannot do without, and a sandbox."""
    connector = kind().connector
    require(re.fullmatch(r"[a-z][a-z0-9_]*", connector.name), f"the name {connector.name!r} must be a lower-case word")
    require(issubclass(connector.config, BaseModel), "config must be a pydantic model")
    missing = "; ".join(lacking(connector))
    require(not missing, missing)
    require(connector.sandbox is not None, "a sandbox is missing: nobody could try the connector")


async def deliveries_can_be_resolved(kind: type[Harness]) -> None:
    """Every kind of command says how an unknown outcome is settled, why that never acts twice, and how large a batch may be."""
    for command_kind, delivery in kind().connector.deliver.items():
        require(callable(delivery.send) and callable(delivery.resolve), f"{command_kind}: send and resolve must be functions")
        require(len(delivery.resolve_reason.strip()) >= 10, f"{command_kind}: resolve_reason must say why resolving never acts twice")
        require(
            1 <= delivery.batch_size_max <= BATCH_SIZE_CEILING,
            f"{command_kind}: batch_size_max must be within 1..{BATCH_SIZE_CEILING}, is {delivery.batch_size_max}",
        )


async def secrets_are_secret(kind: type[Harness]) -> None:
    """Settings named like secrets are SecretStr, so that printing settings shows nothing."""
    for name, info in kind().connector.config.model_fields.items():
        if _SECRET_NAME.search(name):
            require("Secret" in repr(info.annotation), f"setting {name!r} must be a SecretStr")


CHECKS = (
    Check("the_declaration_is_complete", CheckedPart.DECLARATION, is_complete, always),
    Check("every_delivery_can_be_resolved_and_is_bounded", CheckedPart.DECLARATION, deliveries_can_be_resolved, always),
    Check("settings_named_like_secrets_are_secret", CheckedPart.DECLARATION, secrets_are_secret, always),
)
