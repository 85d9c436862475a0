"""A backfill is a query job: values as they are, jobs that take their time, fail or are gone, results page by page."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from counterfoil.connectors.salesforce import backfill, bulk, tables
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.core.kinds.company import Company
from counterfoil.kit.connector import Delivery, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import Response
from counterfoil.kit.sandbox import Fault

from .sandboxed import SOURCE, facts_of, key_of, opened, polled, states, walk

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AWKWARD = 'Blue "Harbor", Ltd.\nsecond line; Größe\r\nthird'


async def filled(ctx: Context, kind: str = "company", cursor: str = "") -> tuple[list[Delivery], Page]:
    """Return what a backfill brings."""
    return await walk(lambda after: SOURCE.backfill(ctx, kind, EPOCH, after), cursor)


def test_a_table_is_read_as_it_was_written_and_empty_is_no_value() -> None:
    rows = [{"Name": AWKWARD, "Phone": ""}, {"Name": "#N/A"}, {"Phone": "030 1"}]
    # What is to be emptied is said so; what is not said stays as it is.
    text = tables.written(["Name", "Phone"], rows).decode()
    assert text == 'Name,Phone\n"Blue ""Harbor"", Ltd.\nsecond line; Größe\r\nthird",#N/A\n#N/A,\n,030 1\n'
    assert tables.read(text.encode())[0] == {"Name": AWKWARD, "Phone": "#N/A"}
    assert tables.read(b'"Id","Phone"\n"001",""\n') == [{"Id": "001", "Phone": ""}]


@pytest.mark.parametrize("data", [b"", b'"Id","Name"\n"001"\n', b'"Id"\n"001', b"\xff\xfe", b'"Id"\n"a"b\n'])
def test_a_table_that_is_none_or_cut_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match="table"):
        tables.read(data)


async def test_a_job_gives_the_same_deliveries_as_a_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "ROWS_MAX", 2)
    sandbox = SalesforceSandbox(has_currencies=True)
    accounts = [sandbox.create("Account", Name=name, Phone=phone) for name, phone in ((AWKWARD, None), ("Green Hill", "030 1"), ("x", ""))]
    sandbox.create("Contact", LastName="Ohm", AccountId=accounts[0].id)
    async with opened(sandbox, first_poll_back_s=86_400) as ctx:
        found = [one for kind in SOURCE.backfill_kinds() for one in (await filled(ctx, kind))[0]]
        assert [one.dedupe_key for one in found] == [one.dedupe_key for one in (await polled(ctx))[0]]
        record = states(await facts_of(ctx, found))[key_of("company", accounts[0].id)]
        assert isinstance(record, Company)
        assert (record.name, record.phone) == (AWKWARD, "")


async def test_twelve_thousand_rows_are_six_calls() -> None:
    sandbox = SalesforceSandbox()
    with sandbox.world.acting(sandbox.world.person_id):
        for number in range(12_000):
            sandbox.create("Account", Name=f"Company {number}")
    async with opened(sandbox) as ctx:
        found, _ = await filled(ctx)
        assert len({one.shard_key for one in found}) == 12_000
        assert sandbox.limits.used == 6  # the fields, the job, its state, three pages


async def test_a_job_that_takes_its_time_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "LOOK_S", 0.0)
    sandbox = SalesforceSandbox()
    sandbox.create("Account", Name="Blue Harbor")
    sandbox.bulk.pace.is_held = True
    async with opened(sandbox) as ctx:
        cursor, cursors = "", set()
        for _ in range(5):
            page = await SOURCE.backfill(ctx, "company", EPOCH, cursor)
            cursor = page.cursor
            assert (page.deliveries, page.has_more, cursor in cursors) == ((), True, False)
            cursors.add(cursor)
        sandbox.bulk.pace.is_held = False
        found, _ = await filled(ctx, cursor=cursor)
        assert (len(found), len(sandbox.bulk.jobs)) == (1, 1)


async def test_a_job_that_failed_is_begun_anew_and_three_are_a_persons_to_look_at() -> None:
    sandbox = SalesforceSandbox()
    sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        sandbox.bulk.pace.fails = 2
        found, _ = await filled(ctx)
        assert (len(found), len(sandbox.bulk.jobs)) == (1, 3)
        sandbox.bulk.pace.fails = 3
        with pytest.raises(SetupError, match="Bulk Data Load Jobs") as failed:
            await filled(ctx)
        assert failed.value.code == "salesforce.job_failed"


async def test_a_job_that_is_gone_is_begun_anew() -> None:
    sandbox = SalesforceSandbox()
    sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        page = await SOURCE.backfill(ctx, "company", EPOCH, "")
        sandbox.bulk.jobs.clear()  # jobs are kept for seven days
        found, _ = await filled(ctx, cursor=page.cursor)
        assert len(found) == 1


async def test_a_job_that_is_gone_in_the_middle_of_its_results_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "ROWS_MAX", 2)
    sandbox = SalesforceSandbox()
    made = [sandbox.create("Account", Name=name) for name in ("Blue Harbor", "Green Hill", "Red Cliff")]
    async with opened(sandbox) as ctx:
        cursor = ""
        while not (page := await SOURCE.backfill(ctx, "company", EPOCH, cursor)).deliveries:
            cursor = page.cursor
        assert page.has_more
        sandbox.bulk.jobs.clear()  # jobs are kept for seven days, and the hub was away for longer
        found, _ = await filled(ctx, cursor=page.cursor)
        assert {one.shard_key for one in found} == {one.id for one in made}


async def test_a_page_that_is_not_whole_is_asked_for_again_and_none_of_it_is_kept() -> None:
    sandbox = SalesforceSandbox()
    sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        page = await SOURCE.backfill(ctx, "company", EPOCH, "")
        sandbox.bulk.jobs[next(iter(sandbox.bulk.jobs))].table.append(["torn"])
        with pytest.raises(TransientError) as torn:
            await SOURCE.backfill(ctx, "company", EPOCH, page.cursor)
        assert torn.value.code == "salesforce.answer_shape"


async def test_a_page_that_lacks_whole_rows_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def request(*_given: object, **_options: object) -> Response:
        return Response(200, {"Sforce-NumberOfRecords": "2"}, b'"Id"\n"001"\n', "GET /results")

    async with opened(SalesforceSandbox()) as ctx:
        monkeypatch.setattr(ctx.http, "request", request)
        with pytest.raises(TransientError, match="1 rows were read of 2"):
            await bulk.results(ctx, "750xx0000000001AAA", "", 10)


async def test_what_is_read_by_a_job_is_later_than_what_was_fetched_before_it_began() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        [fetched] = await SOURCE.fetch(ctx, [f"{sandbox.world.org_id}/company/{account.id}"])
        page = await SOURCE.backfill(ctx, "company", EPOCH, "")
        assert datetime.fromisoformat(json.loads(page.cursor)["read_at"]) > fetched.fetched_at  # the clock stands still


async def test_results_that_are_refused_for_now_are_read_after_all() -> None:
    sandbox = SalesforceSandbox()
    sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        for fault in ("drop_before", "truncate_after", "status"):
            sandbox.switch.faults.append(Fault(fault, path="^GET .*/results"))
            found, _ = await filled(ctx)
            assert len(found) == 1
        assert len(sandbox.switch.struck) == 3


async def test_a_cursor_of_somebody_elses_is_refused() -> None:
    async with opened(SalesforceSandbox()) as ctx:
        with pytest.raises(SetupError):
            await SOURCE.backfill(ctx, "company", EPOCH, "{")
        with pytest.raises(SetupError):
            await SOURCE.backfill(ctx, "invoice", EPOCH, "")
        assert await bulk.state_of(ctx, "750xx0000000000AAA") == bulk.GONE
