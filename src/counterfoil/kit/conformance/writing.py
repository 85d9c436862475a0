"""Checks on a target: every command exactly once, whatever happens to the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from counterfoil.core.commands.books import BookCommand
from counterfoil.core.language.commands import Command
from counterfoil.kit.conformance.check import Check, CheckedPart, ConformanceError, has_target, lists, require
from counterfoil.kit.conformance.harness import Harness, opened
from counterfoil.kit.connector import Connector, Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.kit.requirements import Requirements
from counterfoil.kit.sandbox import Fault
from counterfoil.kit.writing import Outcome, OutcomeStatus, Send

ROUNDS_MAX = 8
WRITES_MAX = 40
PAGES_MAX = 100
_MATCHES = (BookCommand.ALLOCATE, BookCommand.UNMATCH)  # the target may make them itself, without a key of ours
_FINAL = (OutcomeStatus.DONE, OutcomeStatus.REFUSED)


def batch_key_of(harness: Harness, settings: Any, command: Command) -> str:
    """Return the partition a command is sent in."""
    batch_key = harness.connector.batch_key
    return command.kind.value if batch_key is None else batch_key(settings, command)


async def findings_of(connector: Connector, ctx: Context, requirements: Requirements) -> tuple[Finding, ...]:
    """Return what the target's own check finds: that of its books, or of any other target."""
    if connector.books is not None:
        return await connector.books.check(ctx, requirements)
    return () if connector.target_check is None else await connector.target_check(ctx)


async def every_kind_is_tried(kind: type[Harness]) -> None:
    """The harness has a command of every kind the connector delivers, and each has a batch key that never changes."""
    async with opened(kind) as (harness, ctx):
        tried = {command.kind for command in harness.commands()}
        declared = set(harness.connector.deliver)
        require(tried == declared, f"declared {sorted(declared)}, but the harness tries {sorted(tried)}")
        for command in harness.commands():
            key = batch_key_of(harness, ctx.settings, command)
            require(isinstance(key, str) and key, f"{command.id}: the batch key is empty")
            require(batch_key_of(harness, ctx.settings, command) == key, f"{command.id}: the batch key changes")


async def target_is_checked(kind: type[Harness]) -> None:
    """A target that lacks nothing has no errors in its check, and tells its version."""
    async with opened(kind) as (harness, ctx):
        connector = harness.connector
        findings = await findings_of(connector, ctx, harness.requirements())
        errors = [f.message for f in findings if f.severity is Severity.ERROR]
        require(not errors, f"the sandbox satisfies the requirements, but the check says {errors}")
        if connector.books is not None:
            require((await connector.books.state(ctx)).version, "the books' state has no version")


async def delivers_once(kind: type[Harness]) -> None:
    """Each command is done with one outcome and has one counterpart; delivered again it is the same one."""
    async with opened(kind) as (harness, ctx):
        first = await _deliver_all(harness, ctx)
        again = await _deliver_all(harness, ctx)
        for command in harness.commands():
            require(
                first[command.id].external_id == again[command.id].external_id,
                f"{command.kind}: delivered twice it is {first[command.id].external_id}, then {again[command.id].external_id}",
            )
        await _require_one_each(harness, ctx, "delivered twice")


async def what_it_holds_is_listed(kind: type[Harness]) -> None:
    """The target lists every document and master record under its external key, with the id the outcome named; or says it cannot."""
    async with opened(kind) as (harness, ctx):
        target = harness.connector.lists
        if target is None:
            raise ConformanceError("the connector lists nothing")
        outcomes = await _deliver_all(harness, ctx)
        listed: dict[str, set[str]] = {}
        cursor = ""
        for _ in range(PAGES_MAX):
            page = await target.known(ctx, cursor)
            for key, external_id in page.records:
                listed.setdefault(key, set()).add(external_id)
            cursor = page.cursor
            if not page.has_more:
                break
        require(not page.has_more, f"the list of what the target holds has not ended after {PAGES_MAX} pages")
        for command in harness.commands() if page.is_listed else ():
            if command.kind not in _MATCHES:
                found, named = listed.get(command.external_key, set()), outcomes[command.id].external_id
                require(named in found, f"{command.kind} {command.external_key} is {named}, but listed as {sorted(found)}")


async def resolving_acts_at_most_once(kind: type[Harness]) -> None:
    """Resolved before it was ever sent, a command is left alone or done; resolved again, and after it was done, nothing is added."""
    async with opened(kind) as (harness, ctx):
        bindings = dict(harness.bindings())
        for batch in _batches(harness, ctx.settings):
            resolve = harness.connector.deliver[batch[0].kind].resolve
            before = {command.id: await harness.count(ctx, command) for command in batch}
            found: dict[str, Outcome] = {}
            for _ in range(2):
                found = await _ask(resolve, ctx, batch, bindings)
                for command in batch:
                    await _require_honest(harness, ctx, command, found[command.id], before[command.id])
            absent = [command for command in batch if found[command.id].status is not OutcomeStatus.DONE]
            found |= await _settle(harness, ctx, absent, bindings) if absent else {}
            for _ in range(2):
                again = await _ask(resolve, ctx, batch, bindings)
                for command in batch:
                    require(
                        again[command.id].status is OutcomeStatus.DONE and again[command.id].external_id == found[command.id].external_id,
                        f"{command.kind} {command.id} was done as {found[command.id]}; resolved after that it is {again[command.id]}",
                    )
            bindings |= {command.produces: found[command.id].external_id for command in batch if command.produces}
        await _require_one_each(harness, ctx, "resolved again and again")


async def _require_honest(harness: Harness, ctx: Context, command: Command, outcome: Outcome, before: int) -> None:
    """Of a write that never arrived: what is said to be absent is absent, and nothing stays in doubt that can be looked up."""
    named = f"{command.kind} {command.id}, resolved without ever having been sent,"
    require(outcome.status in (OutcomeStatus.DONE, OutcomeStatus.RETRY), f"{named} ended {outcome}")
    if outcome.status is OutcomeStatus.RETRY:
        now = await harness.count(ctx, command)
        require(now == before, f"{named} is said to be absent, but is in the target {now} times instead of {before}")


async def a_bad_record_fails_alone(kind: type[Harness]) -> None:
    """In one batch with good commands, only the bad one is refused, with code and words."""
    async with opened(kind) as (harness, ctx):
        bad = harness.refusable()
        if bad is None:
            return
        good = next(c for c in harness.commands() if c.kind == bad.kind)
        outcomes = await _settle(harness, ctx, [good, bad], dict(harness.bindings()))
        require(outcomes[good.id].status is OutcomeStatus.DONE, f"a good command next to a bad one ended {outcomes[good.id]}")
        refused = outcomes[bad.id]
        require(refused.status is OutcomeStatus.REFUSED, f"the target must refuse this command, but it ended {refused}")
        require(refused.code and refused.message and refused.case_class, f"a refusal needs code, class and words: {refused}")


async def lost_answers_double_nothing(kind: type[Harness]) -> None:
    """Whichever answer to a write is lost, cut or replaced by an error after it took effect, resolving ends with exactly one."""
    await _through_faults(kind, ("drop_after", "truncate_after", "status_after"))


async def lost_requests_lose_nothing(kind: type[Harness]) -> None:
    """Whichever write is lost on its way or refused for now, it is done in the end, exactly once."""
    await _through_faults(kind, ("drop_before", "status"))


async def _through_faults(kind: type[Harness], faults: Sequence[str]) -> None:
    for fault in faults:
        for position in range(WRITES_MAX):
            async with opened(kind) as (harness, ctx):
                switch = harness.switch()
                if switch is None:
                    return
                switch.faults.append(Fault(fault, path=harness.write_path, skip=position))
                await _deliver_all(harness, ctx)
                if not switch.struck:
                    break
                await _require_one_each(harness, ctx, f"{fault} at write {position + 1} ({switch.struck[0][1]})")


async def _deliver_all(harness: Harness, ctx: Context) -> dict[str, Outcome]:
    """Deliver the harness's commands as delivery does: batches of one kind and key, unknown outcomes resolved; all must be done."""
    bindings = dict(harness.bindings())
    outcomes: dict[str, Outcome] = {}
    for batch in _batches(harness, ctx.settings):
        outcomes |= await _settle(harness, ctx, batch, bindings)
        for command in batch:
            outcome = outcomes[command.id]
            require(outcome.status is OutcomeStatus.DONE, f"{command.kind} {command.id} ended {outcome}")
            require(outcome.external_id or not command.produces, f"{command.kind} {command.id} is done without the target's id")
            if command.produces:
                bindings[command.produces] = outcome.external_id
    return outcomes


def _batches(harness: Harness, settings: Any) -> Iterator[list[Command]]:
    for (kind, _key), group in groupby(harness.commands(), key=lambda c: (c.kind, batch_key_of(harness, settings, c))):
        commands = list(group)
        size = harness.connector.deliver[kind].batch_size_max
        for start in range(0, len(commands), size):
            yield commands[start : start + size]


async def _settle(harness: Harness, ctx: Context, batch: Sequence[Command], bindings: dict[str, str]) -> dict[str, Outcome]:
    """Send a batch; then resolve what is unknown and send again what certainly had no effect, a bounded number of rounds."""
    delivery = harness.connector.deliver[batch[0].kind]
    outcomes = await _ask(delivery.send, ctx, batch, bindings)
    for _ in range(ROUNDS_MAX):
        unknown = [c for c in batch if outcomes[c.id].status is OutcomeStatus.UNKNOWN]
        if unknown:
            outcomes |= await _ask(delivery.resolve, ctx, unknown, bindings)
        again = [c for c in batch if outcomes[c.id].status in (OutcomeStatus.RETRY, OutcomeStatus.WAITING)]
        if again:
            outcomes |= await _ask(delivery.send, ctx, again, bindings)
        if all(outcomes[c.id].status in _FINAL for c in batch):
            break
    return outcomes


async def _ask(send: Send, ctx: Context, batch: Sequence[Command], bindings: dict[str, str]) -> dict[str, Outcome]:
    """Return one outcome per command; a TransientError stands for all of them."""
    needed: dict[str, str] = {key: bindings[key] for command in batch for key in command.needs if key in bindings}
    try:
        given = await send(ctx, batch, needed)
    except TransientError as error:
        status = OutcomeStatus.UNKNOWN if error.is_outcome_unknown else OutcomeStatus.RETRY
        return {command.id: Outcome(command.id, status, code=error.code, message=str(error)) for command in batch}
    require(
        sorted(o.command_id for o in given) == sorted(c.id for c in batch),
        f"{len(batch)} commands of {batch[0].kind} got outcomes for {[o.command_id for o in given]}",
    )
    return {outcome.command_id: outcome for outcome in given}


async def _require_one_each(harness: Harness, ctx: Context, when: str) -> None:
    for command in harness.commands():
        found = await harness.count(ctx, command)
        require(found == 1, f"{when}: {command.kind} {command.external_key} is in the target {found} times")


def _can_refuse(harness: Harness) -> bool:
    return has_target(harness) and harness.refusable() is not None


def _can_fail(harness: Harness) -> bool:
    return has_target(harness) and harness.switch() is not None


CHECKS = (
    Check("every_kind_of_command_is_tried", CheckedPart.WRITES, every_kind_is_tried, has_target),
    Check("a_complete_target_passes_its_check", CheckedPart.WRITES, target_is_checked, has_target),
    Check("every_command_is_delivered_exactly_once", CheckedPart.WRITES, delivers_once, has_target),
    Check("what_the_target_holds_is_listed", CheckedPart.WRITES, what_it_holds_is_listed, lists),
    Check("resolving_acts_at_most_once", CheckedPart.WRITES, resolving_acts_at_most_once, has_target),
    Check("one_bad_record_fails_alone", CheckedPart.WRITES, a_bad_record_fails_alone, _can_refuse),
    Check("answers_lost_after_a_write_double_nothing", CheckedPart.PROVEN, lost_answers_double_nothing, _can_fail),
    Check("requests_lost_before_a_write_lose_nothing", CheckedPart.PROVEN, lost_requests_lose_nothing, _can_fail),
)
