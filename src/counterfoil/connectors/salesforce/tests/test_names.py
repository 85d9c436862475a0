"""Names of things: ids of 15 and 18 characters, and domains as somebody typed them."""

from __future__ import annotations

import pytest

from counterfoil.connectors.salesforce.links import known_as
from counterfoil.connectors.salesforce.normalize.records import domain_of
from counterfoil.connectors.salesforce.refs import locate, to_18
from counterfoil.core.language.ids import ObjectRef

from .sandboxed import ORG


def test_an_id_of_15_characters_and_the_same_of_18_are_one() -> None:
    # https://help.salesforce.com/s/articleView?id=000385585; the first two are those of the vendor's samples.
    assert [to_18(one) for one in ("0015000000Gv7qJ", "005xx000001SwiU", "001A0000006Vm9r")] == [
        "0015000000Gv7qJAAR", "005xx000001SwiUAAS", "001A0000006Vm9rIAC",
    ]  # fmt: skip
    assert to_18("0015000000Gv7qJAAR") == "0015000000Gv7qJAAR"
    short, long = (locate(ObjectRef("company", f"salesforce:{org}.{id}")) for org, id in
                   ((ORG[:15], "0015000000Gv7qJ"), (ORG, "0015000000Gv7qJAAR")))  # fmt: skip
    assert short == long == f"{ORG}/company/0015000000Gv7qJAAR"


def test_an_id_pasted_from_a_page_is_known_whether_of_15_or_18_characters() -> None:
    given = {"org_id": "00D5000000Gv7qJ"}
    known = "salesforce:00D5000000Gv7qJEAR.0015000000Gv7qJAAR"
    assert [known_as(given, id) for id in ("0015000000Gv7qJ", "0015000000Gv7qJAAR")] == [known, known]
    assert [known_as(given, id) for id in ("Blue Harbor", "", "in_1")] == ["", "", ""]
    assert known_as({}, "0015000000Gv7qJ") == ""


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.BlueHarbor.example/about?x=1", "blueharbor.example"),
        ("blueharbor.example", "blueharbor.example"),
        ("http://blueharbor.example:8080", "blueharbor.example"),
        ("n/a", ""),
        ("see our page", ""),
        ("https://[", ""),
        ("", ""),
    ],
)
def test_a_domain_is_the_host_of_what_somebody_typed_as_website(website: str, domain: str) -> None:
    assert domain_of(website) == domain
