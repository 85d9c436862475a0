"""The vendor's interface file, compiled by gRPC's tools, reads the simulator's stream: events in Avro, replay ids, flow, refusals."""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import fastavro
import grpc
import pytest
from google.protobuf import descriptor_pb2  # type: ignore[import-untyped]
from grpc import aio

from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox

FOLDER = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Compile the interface file, and return its messages and its stub."""
    target = tmp_path_factory.mktemp("stub")
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{FOLDER}", f"--python_out={target}", f"--grpc_python_out={target}"]
    subprocess.run([*command, str(FOLDER / "pubsub_api.proto")], check=True)
    sys.path.insert(0, str(target))
    try:
        return importlib.import_module("pubsub_api_pb2"), importlib.import_module("pubsub_api_pb2_grpc")
    finally:
        sys.path.remove(str(target))


def test_the_description_kept_is_what_the_interface_file_compiles_to(tmp_path: Path) -> None:
    out = tmp_path / "out.desc"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{FOLDER}", f"--descriptor_set_out={out}", str(FOLDER / "pubsub_api.proto")]
    subprocess.run(command, check=True)
    made, kept = (descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()) for path in (out, FOLDER / "pubsub_api.desc"))
    assert made == kept


class Caller:
    """A subscriber by the vendor's stub."""

    def __init__(self, sandbox: SalesforceSandbox, compiled: tuple[Any, Any], channel: Any, token: str) -> None:
        self.messages, stubs = compiled
        self.stub = stubs.PubSubStub(channel)
        self.metadata = (("accesstoken", token), ("instanceurl", sandbox.url), ("tenantid", sandbox.world.org_id))

    async def read(self, count: int, topic: str = "/data/ChangeEvents", **more: Any) -> list[Any]:
        """Return so many events, asked for one at a time."""

        async def asking() -> AsyncIterator[Any]:
            yield self.messages.FetchRequest(topic_name=topic, num_requested=1, **more)
            for _ in range(count):
                await asyncio.sleep(0.01)
                yield self.messages.FetchRequest(topic_name=topic, num_requested=1)
            await asyncio.sleep(5)

        found: list[Any] = []
        async for answer in self.stub.Subscribe(asking(), metadata=self.metadata):
            found += answer.events
            if len(found) >= count:
                break
        return found

    async def decoded(self, event: Any) -> Any:
        """Return an event's payload."""
        info = await self.stub.GetSchema(self.messages.SchemaRequest(schema_id=event.event.schema_id), metadata=self.metadata)
        assert info.schema_id == event.event.schema_id
        return fastavro.schemaless_reader(io.BytesIO(event.event.payload), fastavro.parse_schema(json.loads(info.schema_json)), None)


@pytest.fixture
async def caller(sandbox: SalesforceSandbox, compiled: tuple[Any, Any]) -> AsyncIterator[Caller]:
    form = {"grant_type": "client_credentials", "client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    async with aiohttp.ClientSession() as session, session.post(sandbox.url + "/services/oauth2/token", data=form) as answer:
        token = (await answer.json())["access_token"]
    assert sandbox.pubsub is not None
    async with aio.insecure_channel(sandbox.pubsub.address) as channel:
        yield Caller(sandbox, compiled, channel, token)


async def test_changes_are_told_in_their_order_with_what_changed(sandbox: SalesforceSandbox, caller: Caller) -> None:
    account = sandbox.create("Account", Name="Blue Harbor", BillingCity="Hamburg", Phone="1")
    sandbox.update(account, Phone=None, BillingCountry="Germany")
    sandbox.delete(account)
    first, second, third = await caller.read(3, replay_preset=caller.messages.EARLIEST)
    made, changed, gone = [await caller.decoded(one) for one in (first, second, third)]
    head = made["ChangeEventHeader"]
    assert (head["entityName"], head["recordIds"], head["changeType"]) == ("Account", [account.id], "CREATE")
    assert (made["Name"], made["BillingAddress"]["City"], made["Phone"]) == ("Blue Harbor", "Hamburg", "1")
    head = changed["ChangeEventHeader"]
    assert (head["changeType"], changed["Phone"], changed["BillingAddress"]["Country"], changed["Name"]) == (
        "UPDATE",
        None,
        "Germany",
        None,
    )
    # A bit for each field by its place in the schema; BillingAddress is the second of them (place 1), Country its fifth part.
    fields = [one["name"] for one in sandbox.bus.schemas[second.event.schema_id]["fields"]]
    own = sum(1 << fields.index(name) for name in ("Phone", "LastModifiedDate", "LastModifiedById"))
    assert head["changedFields"] == [f"0x{own:X}", "1-0x10"]
    assert head["nulledFields"] == [f"0x{1 << fields.index('Phone'):X}"]
    assert gone["ChangeEventHeader"]["changeType"] == "DELETE"
    again = await caller.read(1, replay_preset=caller.messages.CUSTOM, replay_id=second.replay_id)
    assert [one.replay_id for one in again] == [third.replay_id]


async def test_what_one_transaction_did_alike_to_several_records_is_one_event(sandbox: SalesforceSandbox, caller: Caller) -> None:
    accounts = [sandbox.create("Account", Name=f"Company {number}") for number in range(3)]
    with sandbox.world.acting(sandbox.world.person_id):
        for one in accounts:
            sandbox.update(one, Industry="Ports")
    [*_, last] = await caller.read(4, replay_preset=caller.messages.EARLIEST)
    assert (await caller.decoded(last))["ChangeEventHeader"]["recordIds"] == [one.id for one in accounts]


@pytest.mark.parametrize("how", ["too old", "never given", "of another length"])
async def test_a_replay_id_that_is_not_kept_is_refused_by_the_vendors_code(sandbox: SalesforceSandbox, caller: Caller, how: str) -> None:
    sandbox.create("Account", Name="Blue Harbor")
    sandbox.create("Account", Name="Green Hill")
    first = (await caller.read(1, replay_preset=caller.messages.EARLIEST))[0].replay_id
    sandbox.world.advance(73 * 3_600 if how == "too old" else 0)
    given = {"too old": first, "never given": (10**9).to_bytes(10, "big"), "of another length": b"1"}[how]
    with pytest.raises(aio.AioRpcError) as refused:
        await caller.read(1, replay_preset=caller.messages.CUSTOM, replay_id=given)
    told = dict(refused.value.trailing_metadata() or ())
    assert (refused.value.code(), told["error-code"]) == (
        grpc.StatusCode.INVALID_ARGUMENT, "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted",
    )  # fmt: skip


async def test_a_platform_event_is_told_on_its_topic(sandbox: SalesforceSandbox, caller: Caller) -> None:
    sandbox.bus.define("Order_Confirmed__e", Opportunity_Id__c="string")
    sandbox.bus.publish("Order_Confirmed__e", {"Opportunity_Id__c": "0065000000Gv7qNAAR"})
    [event] = await caller.read(1, "/event/Order_Confirmed__e", replay_preset=caller.messages.EARLIEST)
    assert (await caller.decoded(event))["Opportunity_Id__c"] == "0065000000Gv7qNAAR"
    info = await caller.stub.GetTopic(caller.messages.TopicRequest(topic_name="/event/Order_Confirmed__e"), metadata=caller.metadata)
    assert (info.can_subscribe, info.tenant_guid) == (True, sandbox.world.org_id)


async def test_a_stream_ends_with_its_session_and_strangers_and_unknown_topics_are_refused(
    sandbox: SalesforceSandbox, caller: Caller
) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await caller.read(1, "/data/Nothing")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    reading = asyncio.create_task(caller.read(1))
    await asyncio.sleep(0.1)
    sandbox.sessions.end_all()
    sandbox.create("Account", Name="Blue Harbor")
    with pytest.raises(aio.AioRpcError) as ended:
        await reading
    assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_more_than_a_hundred_at_once_are_not_given(caller: Caller) -> None:
    async def asking() -> AsyncIterator[Any]:
        yield caller.messages.FetchRequest(topic_name="/data/ChangeEvents", num_requested=101)
        await asyncio.sleep(5)

    with pytest.raises(aio.AioRpcError) as refused:
        async for _ in caller.stub.Subscribe(asking(), metadata=caller.metadata):
            pass
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
