"""What HubSpot does not take of a batch: each record ends by itself, and its words say who is to do what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.connectors.hubspot import CONNECTOR
from counterfoil.connectors.hubspot.refusals import InvalidValue, faults_of, problems_of, refused
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.wire import BatchError, ErrorDetail
from counterfoil.core.commands.crm import CrmCommand, Standing
from counterfoil.kit.errors import TransientError
from counterfoil.kit.sandbox import Fault
from counterfoil.kit.writing import OutcomeStatus

from .sandboxed import opened, status_command

SHOW = CONNECTOR.deliver[CrmCommand.SHOW_STATUS]
OPEN = "counterfoil_open"


def updates(sandbox: HubspotSandbox) -> list[int]:
    """Return how many records each batch that changes some from now on holds."""
    seen: list[int] = []
    plain = sandbox.crm.batch

    def batch(name: str, what: str, body: Any, query: Any) -> tuple[int, Any]:
        seen.extend([len(body["inputs"])] if what == "update" else [])
        return plain(name, what, body, query)

    sandbox.crm.batch = batch  # type: ignore[method-assign]
    return seen


@pytest.mark.parametrize(("is_split", "calls"), [(True, [5]), (False, [5, 3, 2, 1, 1, 1, 2])])
async def test_a_rule_that_refuses_one_record_stops_that_one_whether_the_answer_is_split_or_the_whole_batch_refused(
    is_split: bool, calls: list[int]
) -> None:
    sandbox = HubspotSandbox()
    companies = [sandbox.create("companies", name=f"Company {number}") for number in range(5)]
    async with opened(sandbox) as ctx:
        await SHOW.send(ctx, [status_command(one.id, 0) for one in companies], {})
        sandbox.crm.is_split_by_trace = is_split
        sandbox.rule("companies", OPEN, r"\d{1,2}\.\d\d", "INVALID_LENGTH")
        amounts = {one.id: 12_000 if one is companies[1] else 500 for one in companies}
        seen = updates(sandbox)
        outcomes = await SHOW.send(ctx, [status_command(id, amount) for id, amount in amounts.items()], {})
    assert [one.status for one in outcomes] == [OutcomeStatus.DONE, OutcomeStatus.REFUSED, *[OutcomeStatus.DONE] * 3]
    assert [one.properties[OPEN] for one in companies] == ["5.00", "0.00", "5.00", "5.00", "5.00"]
    assert seen == calls
    wrong = outcomes[1]
    assert (wrong.code, wrong.about) == ("hubspot.rule_refuses", "companies/counterfoil_open:INVALID_LENGTH")
    assert wrong.message == (
        f"company {companies[1].id} does not take the status: a rule of its property Open balance (counterfoil_open) refuses the value"
        " (INVALID_LENGTH)"
    )
    assert "Settings, Properties" in wrong.remedy
    assert wrong.remedy.endswith("then retry this case.")
    assert "120" not in wrong.message + wrong.remedy  # no value: whose it is, HubSpot's words do not say


async def test_an_option_that_was_taken_away_is_one_case_for_all_and_says_which_property_lacks_it() -> None:
    sandbox = HubspotSandbox()
    companies = [sandbox.create("companies", name=f"Company {number}") for number in range(3)]
    async with opened(sandbox) as ctx:
        await SHOW.send(ctx, [status_command(one.id, 0) for one in companies], {})
        sandbox.world.properties.own["companies"]["counterfoil_standing"]["options"].pop(1)  # "overdue"
        late = [status_command(one.id, 100, standing=Standing.OVERDUE) for one in companies[:2]]
        outcomes = await SHOW.send(ctx, [*late, status_command(companies[2].id, 100)], {})
    assert [one.code for one in outcomes] == ["hubspot.option_missing", "hubspot.option_missing", ""]
    assert len({one.about for one in outcomes[:2]}) == 1
    assert "Billing standing (counterfoil_standing)" in outcomes[0].remedy


async def test_an_answer_after_a_write_that_cannot_be_read_leaves_the_outcome_unknown_and_what_is_there_decides() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await SHOW.send(ctx, [status_command(company.id, 0)], {})
        plain = sandbox.crm.batched
        sandbox.crm.batched = lambda *given: (plain(*given)[0], {"errors": "some"})  # type: ignore[method-assign]
        sandbox.crm.batch = _only_updates(sandbox, plain)  # type: ignore[method-assign]
        with pytest.raises(TransientError) as lost:
            await SHOW.send(ctx, [status_command(company.id, 100)], {})
        assert lost.value.is_outcome_unknown
        sandbox.crm.batched = plain  # type: ignore[method-assign]
        [seen] = await SHOW.resolve(ctx, [status_command(company.id, 100)], {})
    assert seen.status is OutcomeStatus.DONE


def _only_updates(sandbox: HubspotSandbox, plain: Any) -> Any:
    """Return batches of which only those that change something answer in another shape."""
    batch, strange = sandbox.crm.batch, sandbox.crm.batched

    def served(name: str, what: str, body: Any, query: Any) -> tuple[int, Any]:
        sandbox.crm.batched = strange if what == "update" else plain  # type: ignore[method-assign]
        return batch(name, what, body, query)

    return served


async def test_where_one_half_of_a_refused_batch_gets_no_answer_what_is_there_tells_what_was_done() -> None:
    sandbox = HubspotSandbox()
    companies = [sandbox.create("companies", name=f"Company {number}") for number in range(4)]
    async with opened(sandbox) as ctx:
        await SHOW.send(ctx, [status_command(one.id, 0) for one in companies], {})
        sandbox.crm.is_split_by_trace = False
        sandbox.rule("companies", OPEN, r"\d{1,2}\.\d\d")
        ctx.http.retry = type(ctx.http.retry)(tries_max=1)
        commands = [status_command(one.id, 12_000 if one is companies[3] else 500) for one in companies]
        # The whole is refused, the first half is written, and of the second no answer comes.
        sandbox.switch.faults.append(Fault("drop_before", path="POST .*/batch/update", times=1, skip=2))
        with pytest.raises(TransientError) as lost:
            await SHOW.send(ctx, commands, {})
        assert lost.value.is_outcome_unknown
        seen = await SHOW.resolve(ctx, commands, {})
        assert [one.status for one in seen] == [OutcomeStatus.DONE] * 2 + [OutcomeStatus.RETRY] * 2
        again = await SHOW.send(ctx, commands[2:], {})
    assert [one.status for one in again] == [OutcomeStatus.DONE, OutcomeStatus.REFUSED]


def test_a_refusal_is_read_in_both_shapes_in_which_hubspot_tells_it() -> None:
    # The message is that of HubSpot's announcement of validation rules (see the module), with two properties.
    message = (
        'Property values were not valid: [{"isValid":false,"message":"Enter only letters","error":"INVALID_ALPHA","name":"firstname"},'
        '{"isValid":false,"message":"Enter only letters","error":"INVALID_ALPHA","name":"lastname"}]'
    )
    assert faults_of(BatchError("VALIDATION_ERROR", message)) == (
        InvalidValue("INVALID_ALPHA", "firstname"),
        InvalidValue("INVALID_ALPHA", "lastname"),
    )
    details = (
        ErrorDetail("INVALID_OPTION", context={"propertyName": ["counterfoil_standing"]}),
        ErrorDetail("INVALID_OPTION", context={"propertyName": "counterfoil_standing"}),
        ErrorDetail("INVALID_NUMBER", in_="counterfoil_open", context="{missingScopes=[a]}"),
        ErrorDetail("mira@blueharbor.example", in_="Mira Blue"),
    )
    assert faults_of(BatchError(errors=details, message="of [Mira")) == (
        InvalidValue("INVALID_OPTION", "counterfoil_standing"), InvalidValue("INVALID_NUMBER", "counterfoil_open"), InvalidValue("", ""),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("category", "fault", "code", "is_again"),
    [
        ("VALIDATION_ERROR", InvalidValue("INVALID_ALPHA", "counterfoil_open"), "hubspot.rule_refuses", False),
        ("VALIDATION_ERROR", InvalidValue("", "name"), "hubspot.rule_refuses", False),
        ("VALIDATION_ERROR", InvalidValue("INVALID_OPTION", "counterfoil_standing"), "hubspot.option_missing", False),
        ("VALIDATION_ERROR", InvalidValue("PROPERTY_DOESNT_EXIST", "counterfoil_open"), "hubspot.property_unknown", True),
        ("VALIDATION_ERROR", InvalidValue("", ""), "hubspot.values_refused", False),
        ("CONFLICT", InvalidValue("", ""), "hubspot.values_refused", False),
        ("RATE_LIMITS", InvalidValue("", ""), "hubspot.not_now", True),
    ],
)
def test_a_refusal_says_whether_it_is_of_a_rule_an_option_a_definition_or_the_moment(
    category: str, fault: InvalidValue, code: str, is_again: bool
) -> None:
    found = refused("company", "101", category, (fault,))
    assert (found.code, found.is_to_be_tried_again, "company 101" in found.message) == (code, is_again, True)
    assert bool(found.remedy) is not is_again


@given(st.data())
def test_every_record_an_error_names_is_refused_for_it_and_an_error_that_names_none_may_be_of_any_other(data: st.DataObject) -> None:
    sent: dict[str, object] = {str(number): {} for number in range(8)}
    named = data.draw(st.lists(st.sets(st.sampled_from([*sent, "99"])), max_size=4))
    has_rest = data.draw(st.booleans())
    keys = ("ids", "objectWriteTraceId")
    errors = [BatchError("CONFLICT", context={keys[place % 2]: tuple(ids)}) for place, ids in enumerate(named) if ids & sent.keys()]
    found = problems_of("company", [*errors, *([BatchError("VALIDATION_ERROR")] if has_rest else [])], sent)
    told = {id for ids in named for id in ids} & sent.keys()
    assert {id for id, one in found.items() if "CONFLICT" in one.message} == told
    assert found.keys() == (sent.keys() if has_rest else told)
