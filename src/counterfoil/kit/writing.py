"""How commands are delivered: what a connector sends, and how each write ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.records import Record
from counterfoil.kit.context import Context


class OutcomeStatus(StrEnum):
    """How one command of a batch ended; anything but ``done`` and ``refused`` is tried again or resolved."""

    DONE = "done"
    REFUSED = "refused"  # the target said no; becomes a case
    UNKNOWN = "unknown"  # it may or may not have taken effect
    RETRY = "retry"  # it certainly took no effect and may be sent again
    WAITING = "waiting"  # a prerequisite turned out to be missing in the target


@dataclass(frozen=True, slots=True)
class Outcome:
    """One command's end. ``external_id`` is the target's own id (``account.move/1136``), ``external_name`` what people call it.

    Of a refusal: ``about`` names the cause where the connector knows it (``rate/EUR``), so that all records that stand still for it are one
    case, whatever is said of each; ``remedy`` says what a person is to do, and ends with what makes the record go on.

    ``is_unavailable``: with ``retry`` and ``unknown``, the target as a whole could not be used (case class ``authentication_refused``: it
    refused the key), see :class:`counterfoil.kit.errors.TransientError`. ``missing``: with ``waiting``, which of its needs the target has
    no more; empty: any of them. Customers and products that are gone are wished anew.

    ``record``: with ``done`` of what comes back (``CommandWriter.echoes``), the record as the target has it, if that tells it otherwise.
    """

    command_id: str
    status: OutcomeStatus
    external_id: str = ""
    external_name: str = ""
    code: str = ""
    case_class: CaseClass | Literal[""] = ""
    message: str = ""
    retry_after_s: float | None = None
    is_unavailable: bool = False
    missing: tuple[str, ...] = ()
    about: str = ""
    remedy: str = ""
    record: Record | None = None


Send = Callable[[Context, Sequence[Command], Mapping[str, str]], Awaitable[tuple[Outcome, ...]]]
"""send(ctx, batch, bindings) -> one outcome per command. ``bindings`` maps every dependency key of the batch (needs) to the target's id."""


OUT_OF_SIGHT = "out of sight"
"""What :data:`Whereabouts` says of a record that is in the target where the connection's user may not see it."""


Whereabouts = Callable[[Context, Mapping[str, str]], Awaitable[Mapping[str, str]]]
"""whereabouts(ctx, {the target's id: our external key}) -> {the same id: the id it has now}: itself where it is, another where it was
merged into that one, ``OUT_OF_SIGHT`` where the user may not see it any more, empty where it is gone. Ids of kinds it cannot tell of are
left out. Cheap: existence only, nothing is read."""


@dataclass(frozen=True, slots=True)
class CommandWriter:
    """How one kind of command is delivered. ``resolve`` settles commands whose outcome is unknown: it must never act twice.

    Pass ``resolve=send`` only where sending again is safe by the target's own guarantee; say which in ``resolve_reason``.

    ``overwrites``: a write of this kind that got no answer may still be done in the target after a newer command on the same thing (see
    ``same_thing``) was, and undoes it then: it replaces values, or inserts again what the newer one removed. So the newest one that is
    done is sent once more when the older write can no longer come; ``send`` of every kind that writes on the same thing must bear that,
    with the same arguments, and be done again. Not needed where the target itself refuses or ignores a write that comes too late.

    ``echoes``: the fields of the written record that the connection's own source tells of afterwards. What comes back of them is known as
    the hub's own and ends there; empty: nothing comes back.
    """

    send: Send
    resolve: Send
    resolve_reason: str
    batch_size_max: int
    overwrites: bool = False
    echoes: tuple[str, ...] = ()
