"""`counterfoil identity`: people merge customers and take it back, at the terminal."""

from __future__ import annotations

import json

import pytest

from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.kit.codec import encode
from counterfoil.store import audit, matches, objects
from counterfoil.store.matches import MatchPair
from counterfoil.store.objects import ObjectRow

from .conftest import Program
from .seeds import NOW, armed, cipher_of, in_database

ONE, OTHER = "customer/stripe:cus_1", "customer/stripe:cus_2"


@pytest.fixture
def two(program: Program, database: str) -> Program:
    """Return the program of a hub with two customers."""
    program.run("status")  # makes the key
    cipher = cipher_of(program.folder)
    rows = [
        ObjectRow(CUSTOMER.ref(id), "stripe_de", 1, 1, b"d", NOW, NOW, encode(Customer(id, "Grace Hopper")), customer_id=id)
        for id in ("stripe:cus_1", "stripe:cus_2")
    ]
    in_database(database, lambda conn: objects.upsert(conn, cipher, rows))
    return program


def test_a_merge_shows_its_plan_and_is_done_with_apply_and_shown_with_who_and_why(two: Program, database: str) -> None:
    shown = two.run("identity", "merge", ONE, OTHER, "--reason", "one firm")
    assert shown.code == 0
    assert "Would be done" in shown.out
    assert "Nothing was changed" in shown.err
    assert [key for key in armed(database) if key[0] == "normalize"] == []
    done = two.run("identity", "merge", ONE, "stripe:cus_2", "--reason", "one firm", "--by", "mira", "--apply", "--json")
    assert done.json() == {"applied": True, "verb": "merge", "key": ONE, "other": OTHER, "into": OTHER, "documents": 0, "notes": []}
    assert [key.partition("/")[0] for stage, key in armed(database) if stage == "normalize"] == ["people"]
    [act] = two.run("identity", "show", ONE, "--json").json()["acts"]
    assert {name: act[name] for name in ("by", "verb", "other", "reason")} == {
        "by": "mira",
        "verb": "merge",
        "other": OTHER,
        "reason": "one firm",
    }
    text = two.run("identity", "show", ONE)
    assert all(word in text.out for word in ("mira", "one firm", OTHER))
    assert f"{ONE} stands for itself." in text.err  # no worker has read it yet
    assert two.run("identity", "list", "--json").json() == []
    assert "Nothing is linked." in two.run("identity", "list").err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("merge", ONE, ONE, "--reason", "x"), 2, "cannot be merged into itself"),
        (("merge", ONE, "customer/stripe:cus_9", "--reason", "x"), 1, "nothing is known as customer/stripe:cus_9"),
        (("merge", ONE, OTHER, "--reason", " "), 2, "--reason must say why"),
        (("merge", ONE, OTHER, "--reason", "x" * 2001), 2, "--reason has 2,001 characters, and at most 2,000 are kept"),
        (("merge", ONE, OTHER, "--reason", "one\x1b[31m firm"), 2, "--reason has a character that no terminal can show (U+001B)"),
        (("drop-source", "old", "--reason", "gone\udcff"), 2, "--reason has a character that no terminal can show (U+DCFF)"),
        (("unmerge", ONE, "--reason", "x"), 2, "is merged into nothing"),
        (("same-as", ONE, ONE, "--reason", "x"), 2, "cannot be the same as itself"),
        (("not-same-as", ONE, "--reason", "x"), 2, "is not said to be the same as another"),
        (("not-same-as", ONE, ONE, "--reason", "x"), 2, "cannot be apart from itself"),
        (("not-same-as", ONE, "stripe:cus_9", "--reason", "x"), 1, "nothing is known as"),
        (("not-same-as", "product/stripe:p", ONE, "--reason", "x"), 1, "nothing is known as product/stripe:p"),
        (("matches", "stripe:cus_9"), 1, "no customer is known as stripe:cus_9"),
        (("rename-source", "stripe_de", "crm", "--reason", "x"), 2, "'stripe_de' is a connection"),
        (("rename-source", "stripe_old", "crm", "--reason", "x"), 2, "there is no connection 'crm'"),
        (("drop-source", "stripe_old", "--reason", "x"), 2, "nothing is kept that a connection 'stripe_old' said"),
        (("drop-source", "people", "--reason", "x"), 2, "'people' is a connection"),
        (("show", "stripe:cus_9"), 1, "nothing is known as customer/stripe:cus_9"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(two: Program, words: tuple[str, ...], code: int, said: str) -> None:
    ended = two.run("identity", *words)
    assert ended.code == code
    assert said in " ".join((ended.out + ended.err).split())


def test_what_a_source_said_under_its_former_name_is_renamed_once_it_is_applied(two: Program, database: str) -> None:
    in_database(database, lambda conn: conn.execute("update object set connection = 'stripe_old'"))
    words = ("identity", "rename-source", "stripe_old", "stripe_de", "--reason", "another name", "--by", "mira")
    assert "stripe_old: would be renamed to stripe_de" in " ".join(two.run(*words).out.split())
    assert two.run(*words, "--apply", "--json").json() == {
        "applied": True,
        "former": "stripe_old",
        "name": "stripe_de",
        "beside": 0,
        "alone": 2,
        "unbooked": 0,
        "done": 2,
    }
    assert two.run(*words).code == 2  # nothing is left
    [line] = in_database(database, lambda conn: audit.recent(conn, subject="connection/stripe_old"))
    assert (line.actor, line.action, line.detail) == ("mira", "source renamed", {"name": "stripe_de", "reason": "another name"})
    assert {one["connection"] for one in two.run("why", ONE, "--json").json()[0]["fields"]} == {"stripe_de"}


def test_who_may_be_one_is_shown_with_both_sides_and_why_and_told_apart(two: Program, database: str) -> None:
    cipher = cipher_of(two.folder)
    found = {
        "verdict": "review",
        "rule": "score",
        "score": 0.97,
        "evidence": [["name", "same", 15.0, "Grace Hopper", "Grace Hopper"], ["city", "different", -1.5, "berlin", "essen"]],
        "remarks": ["there is only one kind of evidence"],
        "known": [],
        "is_asked": True,
    }
    assert "No two customers wait" in two.run("identity", "matches").err
    pair = MatchPair("stripe:cus_1", "stripe:cus_2", json.dumps(found).encode(), NOW, entity="de")
    in_database(database, lambda conn: matches.keep(conn, cipher, {pair: None}))
    [told] = two.run("identity", "matches", "--json").json()
    assert [side["key"] for side in told["sides"]] == [ONE, OTHER]
    assert (told["verdict"], told["entity"], told["answer"]) == ("review", "de", "")
    assert told["evidence"][1]["values"] == ["[address]", "[address]"]
    shown = two.run("identity", "matches", ONE).out
    assert "Grace Hopper" not in shown
    assert all(word in shown for word in (ONE, OTHER, "[name]", "city different", "only one kind of evidence", "not answered"))
    words = ("identity", "not-same-as", ONE, OTHER, "--reason", "two people of one name", "--by", "mira")
    assert "nobody is asked of the two again" in " ".join(two.run(*words).out.split())
    done = two.run(*words, "--apply", "--json").json()
    assert (done["applied"], done["verb"], done["other"]) == (True, "apart_from", OTHER)
