"""`counterfoil adopt`: a plan shown, written for people to answer and read back as a spreadsheet leaves it; misuse in a line."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.app import adopting, adoption_file
from counterfoil.app.adopting import Adopted
from counterfoil.app.adopting_documents import refuse_documents
from counterfoil.app.adoption_file import read_plan, write_plan
from counterfoil.app.adoption_plan import (
    Adoption,
    AdoptionPlan,
    PlanRow,
    digest_of,
    is_as_planned,
    row_of,
    row_of_document,
    seal_of,
    unanswered,
)
from counterfoil.core.identity.adopted_documents import DocumentLink, ExistingDocument, WishedDocument
from counterfoil.core.identity.adoption import AdoptionLink, ExistingRecord, LinkVerdict, UnboundCustomer
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import SetupError
from counterfoil.store.outbox import CommandRow

from .conftest import Program

DAY = date(2026, 3, 2)
ADA = UnboundCustomer(Customer("stripe:cus_1", "Ada Birk"), "customer_stripe.cus_1", (Money(11900, "EUR"),))
BO = UnboundCustomer(Customer("stripe:cus_2", "=Bo & Söhne"), "customer_stripe.cus_2")
NEW = UnboundCustomer(Customer("stripe:cus_3", "Cy"), "customer_stripe.cus_3", (Money(500, "JPY"),))


def record(number: int, name: str, *money: Money) -> ExistingRecord:
    return ExistingRecord(f"res.partner/{number}", Customer(f"res.partner/{number}", name), open=money)


PLAN = AdoptionPlan(
    "books",
    tuple(
        row_of("books", link)
        for link in (
            AdoptionLink(ADA, LinkVerdict.CERTAIN, record(7, "Birk, Ada", Money(11900, "EUR")), ("by the rule 'e-mail'",), ("name: ...",)),
            AdoptionLink(BO, LinkVerdict.DOUBTFUL, record(8, "Bo", Money(100, "EUR")), ("it is archived",)),
            AdoptionLink(BO, LinkVerdict.DOUBTFUL, record(9, "Bo", Money(50, "USD")), ("both fit",)),
            AdoptionLink(NEW, LinkVerdict.MISSING),
        )
    ),
    bound=3,
    nobodys=2,
    nobodys_open=(Money(1, "EUR"),),
    written=("de",),
)


@pytest.fixture
def planned(program: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return the program with a target whose plan is known."""

    async def plan_of_adoption(_hub: Any, connection: str = "") -> AdoptionPlan:
        assert connection in ("", "books")
        return PLAN

    async def apply_plan(_hub: Any, _connection: str, rows: Sequence[PlanRow], adoption: Adoption, _on_step: Any = None) -> Adopted:
        assert (adoption.actor, adoption.reason, adoption.digest) == ("mira", "start", PLAN.digest)
        others = (("customer/stripe:cus_9", "res.partner/4"),)
        return Adopted(sum(bool(row.wanted) for row in rows), 0, others, unanswered(rows))

    monkeypatch.setattr(adopting, "plan_of_adoption", plan_of_adoption)
    monkeypatch.setattr(adopting, "apply_plan", apply_plan)
    monkeypatch.setenv("TEST_STRIPE_KEY", "sk_test_1")
    monkeypatch.setenv("TEST_STRIPE_SECRET", "whsec_1")
    return program


def test_a_plan_shows_what_is_doubtful_and_sums_with_money(planned: Program) -> None:
    shown = planned.run("adopt", "--plan")
    assert shown.code == 0, shown.err
    rows = {line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]] for line in shown.out.splitlines() if "│" in line}
    assert rows["certain"] == ["1", "119.00 EUR", "119.00 EUR"]
    assert rows["doubtful"] == ["1", "", "1.00 EUR + 0.50 USD"]
    assert rows["missing"] == ["1", "500 JPY", ""]
    assert rows["in the books alone"] == ["2", "", "0.01 EUR"]
    assert rows["bound already"] == ["3", "", ""]
    assert "it is archived" in shown.out
    assert "de: not only observed; what is not bound is made and posted while you look" in " ".join(shown.err.split())
    assert "Nothing was changed" in shown.err


def test_a_plan_is_told_to_programs_as_one_object(planned: Program) -> None:
    told = planned.run("adopt", "--plan", "--json").json()
    assert (told["connection"], told["plan"], told["bound"]) == ("books", PLAN.digest, 3)
    assert told["certain"] == {
        "customers": 1,
        "open_at_source": [{"minor": 11900, "currency": "EUR"}],
        "open_in_books": [{"minor": 11900, "currency": "EUR"}],
    }
    assert {name: told["links"][0][name] for name in ("kind", "id", "verdict", "record")} == {
        "kind": "customer",
        "id": "stripe:cus_1",
        "verdict": "certain",
        "record": "res.partner/7",
    }


def test_a_plan_is_written_answered_and_applied(planned: Program) -> None:
    file = planned.folder / "adopt.csv"
    assert planned.run("adopt", "--plan", "--file", str(file)).code == 0
    text = file.read_text("utf-8-sig")
    file.write_text(text.replace("both fit,,,", "both fit,,yes,"), "utf-8")
    done = planned.run("adopt", "--apply", "--file", str(file), "--reason", "start", "--by", "mira", "--json")
    others = [{"key": "customer/stripe:cus_9", "record": "res.partner/4"}]
    assert done.json() == {"bound": 2, "already": 0, "others": others, "unanswered": []}
    words = planned.run("adopt", "--apply", "--file", str(file), "--reason", "start", "--by", "mira")
    assert "2 customers and documents bound" in words.err
    assert "customer/stripe:cus_9: res.partner/4 is it by now, and stays so." in words.err
    assert "not answered" not in words.err


def test_what_is_doubtful_and_nobody_answered_is_named_with_what_becomes_of_it(planned: Program) -> None:
    file = planned.folder / "adopt.csv"
    planned.run("adopt", "--plan", "--file", str(file))
    done = planned.run("adopt", "--apply", "--file", str(file), "--reason", "start", "--by", "mira")
    told = " ".join(done.err.split())
    assert "1 doubtful and not answered: customer/stripe:cus_2." in told  # of two rows, one thing
    assert "What is not bound is made, or posted, when its flow is switched on. Plan again" in told
    again = planned.run("adopt", "--apply", "--file", str(file), "--reason", "start", "--by", "mira", "--json")
    assert again.json()["unanswered"] == ["customer/stripe:cus_2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("adopt",), "say --plan, to see what is there, or --apply"),
        (("adopt", "--plan", "--apply"), "say --plan, to see what is there, or --apply"),
        (("adopt", "--apply", "--reason", "x"), "--apply needs --file"),
        (("adopt", "--apply", "--file", "a.csv", "--reason", " "), "--reason must say why"),
        (("adopt", "--apply", "--file", "not-there.csv", "--reason", "x"), "cannot be read"),
    ],
)
def test_misuse_is_said_in_a_line(planned: Program, words: tuple[str, ...], said: str) -> None:
    ended = planned.run(*words)
    assert ended.code == 2
    assert said in " ".join((ended.out + ended.err).split())


def test_a_target_that_cannot_tell_what_it_holds_is_named(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_STRIPE_KEY", "sk_test_1")
    monkeypatch.setenv("TEST_STRIPE_SECRET", "whsec_1")
    ended = program.run("adopt", "--plan", "--json")
    assert (ended.code, ended.json()["error"]["code"]) == (2, "adopt.target")


def test_a_document_that_the_source_tells_otherwise_since_the_plan_or_that_bears_another_s_key_is_refused() -> None:
    wish = WishedDocument("invoice", "stripe:in_1", "invoice_stripe.in_1", "de", "res.partner/7", Money(5, "EUR"), (DAY,), ("INV-1",))
    there = ExistingDocument("account.move/9", "invoice", "RG/1", "de", "res.partner/7", Money(5, "EUR"), (DAY,), ("INV-1",))
    row = row_of_document("books", DocumentLink(wish, LinkVerdict.CERTAIN, there))
    wanted, none = {row.key: (there.external_id, row)}, cast("CommandRow", None)

    def refused(wish: WishedDocument, there: ExistingDocument) -> str:
        try:
            refuse_documents("books", wanted, {row.key: (none, wish)}, {there.external_id: there})
        except SetupError as error:
            return error.code
        return ""

    assert refused(wish, there) == ""
    for changed in (replace(wish, total=Money(6, "EUR")), replace(wish, numbers=("INV-2",)), replace(wish, entity="us")):
        assert refused(changed, there) == "adopt.stale"
    for other in (replace(there, total=Money(6, "EUR")), replace(there, is_reversed=True), replace(there, contact="res.partner/1")):
        assert refused(wish, other) == "adopt.stale"
    assert refused(wish, replace(there, is_draft=True)) == "adopt.stale"
    assert refused(replace(wish, customer=""), there) == "adopt.barred"
    assert refused(wish, replace(there, keys=("invoice_stripe.in_8",))) == "adopt.barred"
    assert refused(wish, replace(there, keys=("invoice_stripe.in_1",))) == ""
    assert refused(replace(wish, bills=("x",), open=Money(1, "EUR")), replace(there, open=Money(0, "EUR"))) == ""


def test_a_row_is_sealed_with_its_target_entity_verdict_and_record() -> None:
    row = PLAN.rows[0]
    others = replace(row, entity="us"), replace(row, verdict=LinkVerdict.MISSING), replace(row, external_id="res.partner/8")
    assert len({seal_of("books", row), seal_of("other", row), *(seal_of("books", one) for one in others)}) == 5
    assert seal_of("books", replace(row, name="x", answer="no", reasons=())) == seal_of("books", row)


def test_a_customer_s_row_rests_on_all_that_may_forbid_it() -> None:
    there = record(7, "Ada Birk")
    row = row_of("books", AdoptionLink(ADA, LinkVerdict.CERTAIN, there))
    changed = {"reference": "K-1"}, {"part_of": "res.partner/1"}, {"doubts": ("it is archived",)}, {"barred": "of another company"}
    assert is_as_planned(row, replace(there, open=(Money(1, "EUR"),)))
    assert not any(is_as_planned(row, replace(there, **more)) for more in changed)


def test_one_answer_to_any_row_of_a_thing_answers_it_and_a_blank_one_does_not() -> None:
    assert unanswered(PLAN.rows) == ("customer/stripe:cus_2",)
    assert unanswered([replace(row, answer="no") if row.external_id == "res.partner/9" else row for row in PLAN.rows]) == ()
    assert unanswered([replace(row, answer=" ") for row in PLAN.rows]) == ("customer/stripe:cus_2",)


def test_what_is_written_is_read_back_whatever_a_spreadsheet_makes_of_it(tmp_path: Path) -> None:
    file = tmp_path / "adopt.csv"
    assert write_plan(file, PLAN) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = file.read_text("utf-8-sig")
    assert "'=Bo & Söhne" in written  # no spreadsheet takes it for a formula
    rows = read_plan(file)
    assert [(row.id, row.verdict, row.external_id, row.rests_on) for row in rows] == [
        (row.id, row.verdict, row.external_id, row.rests_on) for row in PLAN.rows
    ]
    file.write_bytes(written.replace(",", ";").encode("cp1252"))
    assert [row.rests_on for row in read_plan(file)] == [row.rests_on for row in PLAN.rows]
    assert digest_of(rows) == PLAN.digest


def test_a_plan_made_again_keeps_answers_to_rows_that_are_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "adopt.csv"
    write_plan(file, PLAN)
    text = file.read_text("utf-8-sig")
    for row in PLAN.rows:
        text = text.replace(f",{row.rests_on}", f"yes,{row.rests_on}")
    file.write_text(text, "utf-8")
    moved = replace(PLAN.rows[1], external_id="res.partner/80")
    moved = replace(moved, rests_on=moved.rests_on.rpartition("-")[0] + "-" + seal_of("books", moved))
    assert write_plan(file, replace(PLAN, rows=(PLAN.rows[0], moved, *PLAN.rows[2:]))) == 3
    assert [row.answer for row in read_plan(file)] == ["yes", "", "yes", "yes"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,name\n1,Ada\n", "is no plan of adoption: it has no column kind"),
        ("kind,id,entity,verdict,record,answer,rests_on\ncustomer,stripe:cus_1,,sure,res.partner/1,,a-b-c\n", "row 2 is none of a plan"),
        ("kind,id,entity,verdict,record,answer,rests_on\ncustomer,stripe:cus_1,,certain,res.partner/1,,abc\n", "row 2 is none of a plan"),
    ],
)
def test_what_is_no_plan_is_named_and_never_written_over(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "other.csv"
    file.write_text(text, "utf-8")
    for act in (lambda: read_plan(file), lambda: write_plan(file, PLAN)):
        with pytest.raises(SetupError, match=said) as caught:
            act()
        assert caught.value.code == "adopt.file"
    assert file.read_text("utf-8") == text


@given(data=st.binary(max_size=400), place=st.integers(0, 2000))
def test_whatever_bytes_a_file_has_it_is_a_plan_or_is_refused_as_none(data: bytes, place: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "adopt.csv"
        write_plan(file, PLAN)
        whole = file.read_bytes()
        for bytes in (data, whole[:place] + data + whole[place:], whole[:place]):
            file.write_bytes(bytes)
            with contextlib.suppress(SetupError):
                assert all(row.kind and row.id for row in read_plan(file))


def test_a_file_larger_than_a_plan_and_one_that_never_ends_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption_file, "SIZE_MAX", 2000)
    file = tmp_path / "adopt.csv"
    write_plan(file, PLAN)
    with file.open("a") as more:
        more.write(" " * 2000)
    for path in (file, Path("/dev/zero")):
        with pytest.raises(SetupError, match="has more than 2,000 bytes, and is no plan of adoption"):
            read_plan(path)


def test_a_cell_of_a_book_s_length_and_a_folder_are_no_plan(tmp_path: Path) -> None:
    file = tmp_path / "adopt.csv"
    write_plan(file, PLAN)
    with file.open("a") as more:
        more.write("customer,stripe:cus_1," + "x" * 200_000 + "\r\n")
    with pytest.raises(SetupError, match="row 6 is none of a plan: field larger than field limit"):
        read_plan(file)
    with pytest.raises(SetupError, match="cannot be read: Is a directory"):
        write_plan(tmp_path, PLAN)


def test_what_cannot_be_written_leaves_the_former_plan_and_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "adopt.csv"
    write_plan(file, PLAN)
    former = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SetupError, match="cannot be written: No space left on device"):
        write_plan(file, replace(PLAN, rows=()))
    assert file.read_bytes() == former
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_no_plan_is_refused_before_anything_is_read(planned: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def reads(*_: object) -> None:
        raise AssertionError("the books were read")

    monkeypatch.setattr(adopting, "plan_of_adoption", reads)
    other = planned.folder / "list.csv"
    other.write_text("id,name\n1,Ada\n", "utf-8")
    ended = planned.run("adopt", "--plan", "--file", str(other))
    assert (ended.code, "is no plan of adoption" in " ".join(ended.err.split())) == (2, True)


@pytest.mark.parametrize(
    ("verdict", "answer", "wanted"),
    [
        ("certain", "", "res.partner/7"),
        ("certain", "No", ""),
        ("doubtful", "", ""),
        ("doubtful", " YES ", "res.partner/7"),
        ("doubtful", "res.partner/9", "res.partner/9"),
    ],
)
def test_an_answer_says_what_a_customer_is(verdict: str, answer: str, wanted: str) -> None:
    assert PlanRow("customer", "stripe:cus_1", LinkVerdict(verdict), "res.partner/7", "", answer=answer).wanted == wanted
    with pytest.raises(SetupError, match="write yes, no, or the record it is"):
        _ = PlanRow("customer", "stripe:cus_1", LinkVerdict(verdict), "res.partner/7", "", answer="perhaps").wanted
