"""`counterfoil why`: who said what of a thing, at the terminal; and nothing that tells who somebody is."""

from __future__ import annotations

from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.kit.codec import encode
from counterfoil.store import objects
from counterfoil.store.objects import ObjectRow

from .conftest import Program
from .seeds import NOW, cipher_of, in_database


def test_the_fields_of_a_thing_are_explained_without_telling_who_it_is(program: Program, database: str) -> None:
    program.run("status")  # makes the key
    cipher = cipher_of(program.folder)
    owner = CUSTOMER.ref("stripe:cus_1")
    grace = Customer(owner.id, "Grace Hopper", "grace@example.com", currency="EUR")
    row = ObjectRow(owner, "stripe_de", 1, 1, b"d", NOW, NOW, encode(grace), customer_id=owner.id, names=("Grace Hopper",))
    in_database(database, lambda conn: objects.upsert(conn, cipher, [row]))
    shown = program.run("why", "cus_1")
    assert shown.code == 0
    for text in ("customer/stripe:cus_1", "[name]", "[e-mail]", "EUR", "stripe_de", "the only one that says it"):
        assert text in shown.out, text
    assert "Grace" not in shown.out + shown.err
    [thing] = program.run("why", "Grace Hopper", "email", "--json").json()
    assert [(one["field"], one["value"], one["connection"]) for one in thing["fields"]] == [("email", "[e-mail]", "stripe_de")]


def test_what_nobody_says_is_a_finding(program: Program) -> None:
    assert program.run("why", "cus_9").code == 1
    assert "Nobody says anything of phone: 'cus_9'." in program.run("why", "cus_9", "phone").err
