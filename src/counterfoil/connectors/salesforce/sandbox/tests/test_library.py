"""The library most people use works against the simulator: sessions, records, upserts, queries, collections, deletions, limits.

Library: simple-salesforce 1.12.10 (Apache-2.0). It is synchronous, so it runs in a thread beside the server's loop.
"""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce import Salesforce  # type: ignore[attr-defined]
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.connectors.salesforce.sandbox.checking import Rule

VERSION = "67.0"


def opened(sandbox: SalesforceSandbox, session: requests.Session) -> Any:
    return Salesforce(
        consumer_key=sandbox.client_id, consumer_secret=sandbox.client_secret, domain="acme.my", session=session, version=VERSION
    )


def code_of(refused: pytest.ExceptionInfo[Any]) -> str:
    """Return the vendor's code of a refusal."""
    return str(refused.value.content[0]["errorCode"])


async def test_a_record_is_made_read_changed_found_and_deleted(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    def work() -> None:
        org = opened(sandbox, session)
        made = org.Account.create({"Name": "Blue Harbor", "Website": "https://blueharbor.example"})
        assert (made["success"], len(made["id"]), made["id"][:3]) == (True, 18, "001")
        org.Account.update(made["id"][:15], {"Phone": "030 1"})  # 15 characters are the same id
        read = org.Account.get(made["id"])
        assert (read["Name"], read["Phone"], read["BillingCountry"]) == ("Blue Harbor", "030 1", None)
        found = org.query("SELECT Id, Name FROM Account WHERE Name = 'blue harbor' AND Phone != null")
        assert [row["Id"] for row in found["records"]] == [made["id"]]
        org.Account.delete(made["id"])
        with pytest.raises(SalesforceResourceNotFound):
            org.Account.get(made["id"])
        assert org.query("SELECT Id FROM Account")["totalSize"] == 0
        gone = org.query("SELECT Id, IsDeleted FROM Account", include_deleted=True)["records"]
        assert [row["IsDeleted"] for row in gone] == [True]
        start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
        assert [row["id"] for row in org.Account.deleted(start, end)["deletedRecords"]] == [made["id"]]

    await asyncio.to_thread(work)


async def test_an_upsert_makes_one_record_and_says_which_are_several(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    sandbox.add_field("Account", "Hub_Id__c", external=True)

    def work() -> None:
        org = opened(sandbox, session)
        for name, status in (("Globex GmbH", 201), ("Globex AG", 200)):
            assert org.Account.upsert("Hub_Id__c/cus_0001", {"Name": name}) == status
        [row] = org.query("SELECT Name, Hub_Id__c FROM Account")["records"]
        assert (row["Name"], row["Hub_Id__c"]) == ("Globex AG", "cus_0001")
        org.Account.create({"Name": "Globex again", "Hub_Id__c": "cus_0001"})
        with pytest.raises(SalesforceMoreThanOneRecord) as several:
            org.Account.upsert("Hub_Id__c/cus_0001", {"Name": "Globex"})
        assert len(several.value.content) == 2

    await asyncio.to_thread(work)


async def test_a_long_query_is_read_page_by_page_in_its_order(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    accounts = [sandbox.create("Account", Name=f"Company {number:03d}") for number in range(450)]
    sandbox.rest.page_size = 200

    def work() -> None:
        rows = opened(sandbox, session).query_all("SELECT Id, Name FROM Account ORDER BY SystemModstamp, Id")["records"]
        assert [row["Id"] for row in rows] == [one.id for one in accounts]
        [half] = opened(sandbox, session).query("SELECT Id FROM Account ORDER BY Name DESC LIMIT 1")["records"]
        assert half["Id"] == accounts[-1].id

    await asyncio.to_thread(work)


async def test_a_deal_is_read_with_its_lines_and_its_account(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    account = sandbox.create("Account", Name="Blue Harbor")
    seat = sandbox.create("Product2", Name="Seat", ProductCode="SEAT")
    deal = sandbox.create("Opportunity", Name="Seats", AccountId=account.id, StageName="Closed Won", CloseDate="2026-01-31")
    for count in (100, 10):
        sandbox.create("OpportunityLineItem", OpportunityId=deal.id, Quantity=count, UnitPrice=12.5, Product2Id=seat.id, Discount=10.0)
    lines = "(SELECT Quantity, TotalPrice, ProductCode, Product2.Name FROM OpportunityLineItems ORDER BY Quantity)"

    def work() -> None:
        asked = f"SELECT Amount, IsWon, CurrencyIsoCode, Account.Name, {lines} FROM Opportunity WHERE Id IN ('{deal.id[:15]}')"
        [row] = opened(sandbox, session).query(asked)["records"]
        assert (row["Amount"], row["IsWon"], row["CurrencyIsoCode"], row["Account"]["Name"]) == (1237.5, True, "USD", "Blue Harbor")
        seen = [(one["Quantity"], one["TotalPrice"], one["ProductCode"], one["Product2"]["Name"]) for one in
                row["OpportunityLineItems"]["records"]]  # fmt: skip
        assert seen == [(10.0, 112.5, "SEAT", "Seat"), (100.0, 1125.0, "SEAT", "Seat")]

    await asyncio.to_thread(work)


async def test_a_merge_leads_from_the_loser_to_the_winner_and_moves_what_belongs_to_it(
    sandbox: SalesforceSandbox, session: requests.Session
) -> None:
    winner, loser = sandbox.create("Account", Name="Blue Harbor"), sandbox.create("Account", Name="Blue Harbour", Phone="030 1")
    mira = sandbox.create("Contact", LastName="Sand", AccountId=loser.id)
    sandbox.merge(winner, loser)

    def work() -> None:
        org = opened(sandbox, session)
        rows = org.query("SELECT Id, IsDeleted, MasterRecordId, Phone FROM Account ORDER BY Id", include_deleted=True)["records"]
        assert [(row["IsDeleted"], row["MasterRecordId"], row["Phone"]) for row in rows] == [
            (False, None, "030 1"), (True, winner.id, "030 1"),
        ]  # fmt: skip
        assert org.Contact.get(mira.id)["AccountId"] == winner.id

    await asyncio.to_thread(work)


async def test_collections_and_composites_tell_what_became_of_each(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    sandbox.world.rules.append(Rule("Account", "Industry", "empty", 0, "Say which industry"))

    def work() -> None:
        org = opened(sandbox, session)
        kind = {"attributes": {"type": "Account"}}
        rows = [{**kind, "Name": "Blue Harbor", "Industry": "Ports"}, {**kind, "Name": "Green Hill"}, {**kind, "Industry": "Ports"}]
        made = org.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": rows})
        assert [one["success"] for one in made] == [True, False, False]
        assert [one["errors"][0]["statusCode"] for one in made[1:]] == ["FIELD_CUSTOM_VALIDATION_EXCEPTION", "REQUIRED_FIELD_MISSING"]
        whole = org.restful("composite/sobjects", method="POST", json={"allOrNone": True, "records": rows})
        assert whole[0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
        assert org.query("SELECT COUNT() FROM Account")["totalSize"] == 1
        parts = [
            {"method": "POST", "url": f"/services/data/v{VERSION}/sobjects/Account", "referenceId": "acc", "body": rows[0]},
            {"method": "POST", "url": f"/services/data/v{VERSION}/sobjects/Contact", "referenceId": "con",
             "body": {"LastName": "Sand", "AccountId": "@{acc.id}"}},
            {"method": "GET", "url": f"/services/data/v{VERSION}/sobjects/Contact/003xx0000000000AAA", "referenceId": "gone"},
        ]  # fmt: skip
        answer = org.restful("composite", method="POST", json={"allOrNone": False, "compositeRequest": parts})["compositeResponse"]
        assert [one["httpStatusCode"] for one in answer] == [201, 201, 404]
        halted = org.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": parts})["compositeResponse"]
        assert [one["httpStatusCode"] for one in halted] == [400, 400, 404]
        assert org.query("SELECT COUNT() FROM Contact")["totalSize"] == 1

    await asyncio.to_thread(work)


async def test_a_key_of_another_app_and_a_wrong_secret_are_refused(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def work() -> None:
        with pytest.raises(SalesforceAuthenticationFailed):
            Salesforce(consumer_key=sandbox.client_id, consumer_secret="another", domain="acme.my", session=session, version=VERSION)
        given: dict[str, Any] = {"username": sandbox.username, "consumer_key": sandbox.client_id, "privatekey": private, "session": session}
        with pytest.raises(SalesforceAuthenticationFailed):
            Salesforce(**given, version=VERSION)
        sandbox.sessions.public_key = public
        assert Salesforce(**given, version=VERSION).query("SELECT Id FROM Account")["totalSize"] == 0

    await asyncio.to_thread(work)


async def test_calls_are_counted_and_refused_beyond_the_days_limit(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    def work() -> None:
        org = opened(sandbox, session)
        org.query("SELECT Id FROM Account")
        assert tuple(org.api_usage["api-usage"]) == (1, 100_000)
        sandbox.limits.is_enforced, sandbox.limits.daily = True, 1
        with pytest.raises(SalesforceRefusedRequest) as refused:
            org.query("SELECT Id FROM Account")
        assert code_of(refused) == "REQUEST_LIMIT_EXCEEDED"

    await asyncio.to_thread(work)


async def test_a_locked_record_refuses_as_often_as_it_is_held(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    account = sandbox.create("Account", Name="Blue Harbor")
    mira = sandbox.create("Contact", LastName="Sand", AccountId=account.id)
    sandbox.world.locks[account.id] = 2

    def work() -> None:
        org = opened(sandbox, session)
        for kind, id in ((org.Account, account.id), (org.Contact, mira.id)):
            with pytest.raises(SalesforceMalformedRequest) as locked:
                kind.update(id, {"Phone": "1"})
            assert code_of(locked) == "UNABLE_TO_LOCK_ROW"
        assert org.Account.update(account.id, {"Phone": "1"}) == 204

    await asyncio.to_thread(work)


async def test_what_is_asked_wrongly_is_refused_by_the_vendors_codes(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    def work() -> None:
        org = opened(sandbox, session)
        for query, code in (
            ("SELECT Nothing__c FROM Account", "INVALID_FIELD"),
            ("SELECT Id FROM Accounts", "INVALID_TYPE"),
            ("SELECT Id Account", "MALFORMED_QUERY"),
            ("SELECT Id FROM Account WHERE SystemModstamp > '2026'", "INVALID_FIELD"),
        ):
            with pytest.raises(SalesforceMalformedRequest) as refused:
                org.query(query)
            assert code_of(refused) == code, query

    await asyncio.to_thread(work)


AWKWARD = 'Blue "Harbor", Ltd.\nsecond line; Größe\ttab'


async def test_a_query_job_gives_every_value_as_it_is(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    accounts = [sandbox.create("Account", Name=name, Phone=phone) for name, phone in ((AWKWARD, None), ("Green Hill", "030 1"))]
    sandbox.bulk.pace.results_max = 1  # each row is a page

    def work() -> None:
        pages = list(opened(sandbox, session).bulk2.Account.query("SELECT Id, Name, Phone, IsDeleted FROM Account ORDER BY Id", wait=0.01))
        tables = [list(csv.reader(io.StringIO(page, newline=""))) for page in pages]
        assert [rows[0] for rows in tables] == [["Id", "Name", "Phone", "IsDeleted"]] * 2
        assert [rows[1] for rows in tables] == [[accounts[0].id, AWKWARD, "", "false"], [accounts[1].id, "Green Hill", "030 1", "false"]]

    await asyncio.to_thread(work)


async def test_a_load_tells_of_each_record_what_became_of_it(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    sandbox.add_field("Account", "Hub_Id__c", external=True)
    known = sandbox.create("Account", Name="Globex", Hub_Id__c="cus_0001", Phone="030 1")

    def work() -> None:
        org = opened(sandbox, session)
        rows = [
            {"Hub_Id__c": "cus_0001", "Name": AWKWARD, "Phone": "#N/A"},  # is emptied
            {"Hub_Id__c": "cus_0002", "Name": "", "Phone": "2"},  # lacks what is required
            {"Hub_Id__c": "cus_0003", "Name": "Initech", "Phone": ""},
        ]
        [done] = org.bulk2.Account.upsert(records=rows, external_id_field="Hub_Id__c", wait=0.01)
        assert (done["numberRecordsProcessed"], done["numberRecordsFailed"]) == (3, 1)
        good = list(csv.DictReader(io.StringIO(org.bulk2.Account.get_successful_records(done["job_id"]), newline="")))
        assert [(row["sf__Created"], row["Hub_Id__c"]) for row in good] == [("false", "cus_0001"), ("true", "cus_0003")]
        [bad] = csv.DictReader(io.StringIO(org.bulk2.Account.get_failed_records(done["job_id"]), newline=""))
        assert (bad["sf__Error"], bad["Hub_Id__c"]) == ("REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --", "cus_0002")
        assert len(org.bulk2.Account.get_unprocessed_records(done["job_id"]).splitlines()) == 1

    await asyncio.to_thread(work)
    assert (known.values["Name"], known.values["Phone"]) == (AWKWARD, None)


async def test_an_empty_cell_of_a_load_leaves_what_is_there(sandbox: SalesforceSandbox, session: requests.Session) -> None:
    known = sandbox.create("Account", Name="Globex", Phone="030 1")

    def work() -> None:
        opened(sandbox, session).bulk2.Account.update(records=[{"Id": known.id, "Phone": "", "Industry": "Ports"}], wait=0.01)

    await asyncio.to_thread(work)
    assert (known.values["Phone"], known.values["Industry"]) == ("030 1", "Ports")
