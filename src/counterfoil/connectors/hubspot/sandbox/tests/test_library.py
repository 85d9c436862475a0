"""The official Python library works against the sandbox: records, searches, batches, merges, associations, privacy deletions.

Library: hubspot-api-client 12.0 (Apache-2.0), which speaks versions 3 and 4. It is synchronous, so it runs in a thread beside the server's
loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import hubspot  # type: ignore[import-untyped]
import pytest
from hubspot.crm import associations, companies, contacts, deals, properties, quotes  # type: ignore[import-untyped]
from hubspot.crm.associations.v4.exceptions import ApiException as AssociationsException  # type: ignore[import-untyped]
from hubspot.crm.companies.exceptions import ApiException  # type: ignore[import-untyped]
from hubspot.crm.properties.exceptions import ApiException as PropertiesException  # type: ignore[import-untyped]

from counterfoil.connectors.hubspot.sandbox import HubspotSandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[HubspotSandbox]:
    found = HubspotSandbox()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
def client(sandbox: HubspotSandbox) -> Any:
    return hubspot.HubSpot(access_token=sandbox.access_token, host=sandbox.url)


async def test_a_record_is_made_read_changed_searched_and_deleted(client: Any) -> None:
    def work() -> None:
        api = client.crm.companies
        given = companies.SimplePublicObjectInputForCreate(
            properties={"name": "Blue Harbor", "domain": "blueharbor.example"}, associations=[]
        )
        made = api.basic_api.create(simple_public_object_input_for_create=given)
        change = companies.SimplePublicObjectInput(properties={"phone": "030 1"})
        api.basic_api.update(company_id=made.id, simple_public_object_input=change)
        read = api.basic_api.get_by_id(company_id=made.id, properties=["name", "phone", "country"])
        assert {name: read.properties[name] for name in ("name", "phone", "country")} == {
            "name": "Blue Harbor", "phone": "030 1", "country": None,
        }  # fmt: skip
        assert read.updated_at > read.created_at
        one = {"propertyName": "domain", "operator": "EQ", "value": "BLUEHARBOR.example"}
        search = companies.PublicObjectSearchRequest(filter_groups=[{"filters": [one]}], properties=["name"], limit=10)
        assert [row.id for row in api.search_api.do_search(public_object_search_request=search).results] == [made.id]
        api.basic_api.archive(company_id=made.id)
        assert api.basic_api.get_page(archived=True).results[0].id == made.id
        with pytest.raises(ApiException) as gone:
            api.basic_api.get_by_id(company_id=made.id)
        assert gone.value.status == 404

    await asyncio.to_thread(work)


async def test_batches_tell_what_they_could_not_do(client: Any) -> None:
    def work() -> None:
        api = client.crm.contacts
        rows = [
            contacts.SimplePublicObjectBatchInputForCreate(properties={"email": f"p{number}@x.example"}, associations=[])
            for number in range(3)
        ]
        made = api.batch_api.create(batch_input_simple_public_object_batch_input_for_create={"inputs": rows})
        ids = [row.id for row in made.results]
        asked = {"properties": ["email"], "propertiesWithHistory": [], "inputs": [{"id": id} for id in (*ids, "99999")]}
        read = api.batch_api.read(batch_read_input_simple_public_object_id=asked)
        assert ([row.id for row in read.results], read.num_errors, read.errors[0].category) == (ids, 1, "OBJECT_NOT_FOUND")
        assert [row.id for row in api.get_all()] == ids

    await asyncio.to_thread(work)


async def test_an_upsert_makes_or_changes_by_a_unique_value_and_refuses_each_input_by_its_trace(
    client: Any, sandbox: HubspotSandbox
) -> None:
    known = sandbox.create("contacts", email="p0@x.example")
    sandbox.rule("contacts", "firstname", "[A-Za-z]+", "INVALID_ALPHA")

    def work() -> None:
        rows = [
            contacts.SimplePublicObjectBatchInputUpsert(
                id=f"p{number}@x.example", id_property="email", object_write_trace_id=f"t{number}", properties={"firstname": name}
            )
            for number, name in enumerate(("Mira", "Noor", "4711"))
        ]
        several = contacts.BatchInputSimplePublicObjectBatchInputUpsert(inputs=rows)
        found = client.crm.contacts.batch_api.upsert(batch_input_simple_public_object_batch_input_upsert=several)
        assert [(row.object_write_trace_id, row.new) for row in found.results] == [("t0", False), ("t1", True)]
        assert ([one.context["objectWriteTraceId"] for one in found.errors], found.num_errors) == ([["t2"]], 1)
        assert found.errors[0].errors[0].context == {"propertyName": ["firstname"]}
        for row in rows:
            row.object_write_trace_id = None
            row.properties = {"firstname": "4711" if row.id == "p1@x.example" else "Olga"}
        with pytest.raises(contacts.ApiException) as whole:
            client.crm.contacts.batch_api.upsert(batch_input_simple_public_object_batch_input_upsert=several)
        assert (whole.value.status, '"name\\": \\"firstname' in whole.value.body) == (400, True)

    await asyncio.to_thread(work)
    assert known.properties["firstname"] == "Mira"


async def test_a_merge_leads_from_the_old_numbers_to_the_survivor(client: Any, sandbox: HubspotSandbox) -> None:
    first, second = sandbox.create("companies", name="Blue Harbor"), sandbox.create("companies", name="Harbor, Blue")

    def work() -> None:
        given = companies.PublicMergeInput(primary_object_id=first.id, object_id_to_merge=second.id)
        merged = client.crm.companies.basic_api.merge(public_merge_input=given)
        for old in (first.id, second.id):
            assert client.crm.companies.basic_api.get_by_id(company_id=old).id == merged.id
        read = client.crm.companies.basic_api.get_by_id(company_id=merged.id, properties=["hs_merged_object_ids"])
        assert read.properties["hs_merged_object_ids"] == f"{first.id};{second.id}"

    await asyncio.to_thread(work)


async def test_records_are_associated_and_read_together(client: Any, sandbox: HubspotSandbox) -> None:
    company, item = sandbox.create("companies", name="Blue Harbor"), sandbox.create("line_items", name="Seat", quantity="1", price="5")

    def work() -> None:
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}]
        given = deals.SimplePublicObjectInputForCreate(
            properties={"dealname": "1 seat", "dealstage": "closedwon"}, associations=[{"to": {"id": company.id}, "types": types}]
        )
        deal = client.crm.deals.basic_api.create(simple_public_object_input_for_create=given)
        client.crm.associations.v4.basic_api.create_default(
            from_object_type="deals", from_object_id=deal.id, to_object_type="line_items", to_object_id=item.id
        )
        asked = associations.v4.BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": deal.id}])
        found = client.crm.associations.v4.batch_api.get_page(
            from_object_type="deals", to_object_type="companies", batch_input_public_fetch_associations_batch_request=asked
        )
        (end,) = found.results[0].to
        assert (end.to_object_id, [one.type_id for one in end.association_types]) == (company.id, [5, 341])
        read = client.crm.deals.basic_api.get_by_id(deal_id=deal.id, associations=["line_items"], properties=["hs_is_closed_won"])
        assert ([row.id for row in read.associations["line_items"].results], read.properties["hs_is_closed_won"]) == ([item.id], "true")

    await asyncio.to_thread(work)


async def test_associations_bear_labels_that_are_made_put_read_and_refused(client: Any, sandbox: HubspotSandbox) -> None:
    first, second = sandbox.create("companies", name="Blue Harbor"), sandbox.create("companies", name="Green Hill")
    deal = sandbox.create("deals", dealname="100 seats")
    sandbox.associate(deal, first, second)

    def work() -> None:
        api, schema = client.crm.associations.v4, client.crm.associations.v4.schema.definitions_api
        request = associations.v4.schema.PublicAssociationDefinitionCreateRequest(
            label="Billing", name="billing", inverse_label="Billed for"
        )
        made = schema.create("deals", "companies", public_association_definition_create_request=request)
        ours, theirs = made.results
        assert [(one.category, one.label) for one in (ours, theirs)] == [("USER_DEFINED", "Billing"), ("USER_DEFINED", "Billed for")]
        listed = {one.type_id: one.label for one in schema.get_all("deals", "companies").results}
        assert listed == {5: "Primary", 341: None, ours.type_id: "Billing"}
        spec = [
            associations.v4.AssociationSpec("USER_DEFINED", ours.type_id),
            associations.v4.AssociationSpec("HUBSPOT_DEFINED", 5),
        ]
        put = api.basic_api.create("deals", deal.id, "companies", second.id, association_spec=spec)
        assert (put.from_object_id, put.to_object_id, put.labels) == (deal.id, second.id, ["Billing"])
        asked = associations.v4.BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": deal.id}])
        found = api.batch_api.get_page("deals", "companies", batch_input_public_fetch_associations_batch_request=asked)
        ends = {end.to_object_id: [one.label for one in end.association_types] for end in found.results[0].to}
        assert ends == {first.id: [None], second.id: ["Primary", None, "Billing"]}
        wrong = [associations.v4.AssociationSpec("USER_DEFINED", 9_999)]
        with pytest.raises(AssociationsException) as refused:
            api.basic_api.create("deals", deal.id, "companies", second.id, association_spec=wrong)
        assert refused.value.status == 400

    await asyncio.to_thread(work)


async def test_quotes_are_made_with_what_they_offer_searched_and_read(client: Any, sandbox: HubspotSandbox) -> None:
    deal = sandbox.create("deals", dealname="100 seats")

    def work() -> None:
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 64}]
        request = quotes.SimplePublicObjectInputForCreate(
            properties={"hs_title": "Offer", "hs_status": "PENDING_APPROVAL", "hs_expiration_date": "2026-03-31"},
            associations=[{"to": {"id": deal.id}, "types": types}],
        )
        api = client.crm.quotes
        made = api.basic_api.create(simple_public_object_input_for_create=request)
        changed = quotes.SimplePublicObjectInput(properties={"hs_status": "APPROVED"})
        api.basic_api.update(quote_id=made.id, simple_public_object_input=changed)
        filters = [{"propertyName": "hs_status", "operator": "EQ", "value": "APPROVED"}]
        asked = quotes.PublicObjectSearchRequest(filter_groups=[{"filters": filters}], properties=["hs_title"], limit=10)
        assert [row.id for row in api.search_api.do_search(public_object_search_request=asked).results] == [made.id]
        read = api.basic_api.get_by_id(quote_id=made.id, properties=["hs_status", "hs_expiration_date"], associations=["deals"])
        assert (read.properties["hs_status"], [row.id for row in read.associations["deals"].results]) == ("APPROVED", [deal.id])

    await asyncio.to_thread(work)


async def test_properties_are_made_listed_and_refused_and_raw_calls_of_dated_paths_tell_the_same(
    client: Any, sandbox: HubspotSandbox
) -> None:
    def work() -> None:
        api = client.crm.properties
        group = properties.PropertyGroupCreate(name="billing", label="Billing", display_order=-1)
        assert api.groups_api.create(object_type="companies", property_group_create=group).name == "billing"
        one = properties.PropertyCreate(name="open_amount", label="Open", type="number", field_type="number", group_name="billing")
        made = api.core_api.create(object_type="companies", property_create=one)
        assert (made.name, made.type, made.field_type, made.group_name, made.archived) == (
            "open_amount", "number", "number", "billing", False,
        )  # fmt: skip
        with pytest.raises(PropertiesException) as again:
            api.core_api.create(object_type="companies", property_create=one)
        assert again.value.status == 409
        lost = properties.PropertyCreate(name="lost", label="Lost", type="string", field_type="text", group_name="nowhere")
        more = properties.PropertyCreate(name="billed_on", label="Billed on", type="date", field_type="date", group_name="billing")
        several = api.batch_api.create(
            object_type="companies", batch_input_property_create=properties.BatchInputPropertyCreate(inputs=[more, lost])
        )
        assert ([found.name for found in several.results], several.num_errors) == (["billed_on"], 1)
        known = {found.name: found.type for found in api.core_api.get_all(object_type="companies").results}
        assert (known["open_amount"], known["billed_on"], known["name"]) == ("number", "date", "string")
        asked = {"base_url": sandbox.url, "path": "/crm/properties/2026-03/companies"}
        raw = client.api_request(asked).json()["results"]
        assert {found["name"]: found["type"] for found in raw} == known
        refused = client.api_request({**asked, "method": "POST", "body": {**raw[-1], "name": "Not A Name"}})
        assert (refused.status_code, refused.json()["category"]) == (400, "VALIDATION_ERROR")
        gone = client.api_request({**asked, "path": "/crm/properties/2019-01/companies"})
        assert gone.status_code == 404

    await asyncio.to_thread(work)


async def test_an_erased_contact_is_nowhere(client: Any, sandbox: HubspotSandbox) -> None:
    mira = sandbox.create("contacts", firstname="Mira", email="mira@x.example")

    def work() -> None:
        given = contacts.PublicGdprDeleteInput(object_id="mira@x.example", id_property="email")
        client.crm.contacts.basic_api.purge(public_gdpr_delete_input=given)
        for archived in (False, True):
            assert client.crm.contacts.basic_api.get_page(archived=archived).results == []

    await asyncio.to_thread(work)
    assert [(one["subscriptionType"], one["objectId"]) for one in sandbox.events[-2:]] == [
        ("contact.privacyDeletion", int(mira.id)), ("contact.deletion", int(mira.id)),
    ]  # fmt: skip


async def test_a_wrong_token_and_a_missing_scope_are_refused_as_by_hubspot(sandbox: HubspotSandbox, client: Any) -> None:
    def work() -> None:
        with pytest.raises(ApiException) as wrong:
            hubspot.HubSpot(access_token="another", host=sandbox.url).crm.companies.basic_api.get_page()
        assert wrong.value.status == 401
        sandbox.scopes.discard("crm.objects.companies.read")
        with pytest.raises(ApiException) as missing:
            client.crm.companies.basic_api.get_page()
        assert (missing.value.status, "MISSING_SCOPES" in missing.value.body) == (403, True)

    await asyncio.to_thread(work)
