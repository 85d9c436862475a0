"""Rules from the command line: what is released, what a changed file would change, and who lets it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from counterfoil.app.hub import open_hub
from counterfoil.app.settings import load

from .conftest import PLAIN, Program
from .running import Ended

Run = Callable[..., Ended]


@pytest.fixture
def run(program: Program, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a command of a hub that was started once with its file, as ann unless told otherwise."""
    monkeypatch.setenv("TEST_STRIPE_KEY", "rk_test_1")
    monkeypatch.setenv("TEST_STRIPE_SECRET", "whsec_1")
    monkeypatch.setenv("COUNTERFOIL_USER", "ann")
    (program.folder / "inbox").mkdir()
    asked(program, "self")
    asyncio.run(_start(program))
    return program.run


def asked(program: Program, approval: str, *changes: tuple[str, str]) -> None:
    text = f'[rules]\napproval = "{approval}"\n{PLAIN}'
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    program.configure(text)


async def _start(program: Program) -> None:
    async with open_hub(load(program.config)) as hub:
        await hub.start_work("w")


CHANGED = ('"VAT 7"', '"VAT 7 %"')
PATH = "mappings.tax.de.7|exclusive"


def states(run: Run) -> dict[int, str]:
    return {one["version"]: one["state"] for one in run("rules", "list", "--json").json()["releases"]}


def test_a_changed_file_is_told_by_list_and_status_and_released_with_one_command(run: Run, program: Program) -> None:
    assert run("rules", "list", "--json").json()["notice"] == ""
    asked(program, "self", CHANGED)
    told = f"The configuration file differs from rules release 1, by which everything is decided: {PATH}."
    assert run("rules", "list", "--json").json()["notice"].startswith(told)
    assert run("status", "--json").json()["rules_notice"].startswith(told)
    differs = run("rules", "diff", "--json")
    assert (differs.code, differs.json()["settings"]) == (1, [{"path": PATH, "before": "VAT 7", "after": "VAT 7 %"}])
    nothing = {"subjects": 0, "changes": [], "problems": {}}
    assert (differs.json()["open"], differs.json()["again"], differs.json()["why_not"]) == (nothing, nothing, "")
    assert "0 objects decided, 0 postings would differ" in run("rules", "diff").err
    done = run("rules", "release", "--note", "as the books call it", "--json").json()
    assert (done["version"], done["released_by"], done["note"]) == (2, "ann", "as the books call it")
    assert states(run) == {1: "past", 2: "in force"}
    assert (run("rules", "diff").code, run("status", "--json").json()["rules_notice"]) == (0, "")


def test_a_proposal_is_approved_by_another_where_that_is_required(run: Run, program: Program) -> None:
    asked(program, "required")
    assert run("rules", "release").code == 0
    asked(program, "required", CHANGED)
    assert "another person has to approve" in run("rules", "release").err
    assert run("rules", "propose", "--json").json()["state"] == "proposed"
    assert "Proposal 3 of the rules, by ann, waits for approval" in " ".join(run("rules", "list").err.split())
    for act, code in (("release", "rules.not_approved"), ("approve", "rules.own_approval")):
        refused = run("rules", act, "3", "--json")
        assert (refused.code, refused.json()["error"]["code"]) == (2, code)
    assert run("rules", "approve", "3", "--by", "ben").code == 0
    assert run("rules", "release", "3", "--from", "2999-01-01").code == 0
    assert states(run) == {1: "past", 2: "in force", 3: "scheduled"}
    assert run("rules", "withdraw", "3").code == 0
    assert states(run) == {1: "past", 2: "in force", 3: "withdrawn"}
    refused = run("map", "set", "product", "de", "stripe:prod_1", "SEAT", "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (2, "rules.not_approved")


def test_a_rollback_is_a_new_release(run: Run, program: Program) -> None:
    asked(program, "self", CHANGED)
    assert run("rules", "release").code == 0
    back = run("rules", "rollback", "--json").json()
    assert (back["version"], back["origin"], states(run)) == (3, "rollback", {1: "past", 2: "past", 3: "in force"})
    assert run("rules", "show", "--json").json()["settings"][PATH] == "VAT 7"
    assert run("rules", "show", "2", "--json").json()["settings"][PATH] == "VAT 7 %"
    assert run("rules", "diff", "2", "--against", "1", "--json").json()["settings"][0]["after"] == "VAT 7 %"


def test_a_proof_is_made_by_what_is_released_and_not_by_the_file(run: Run, program: Program) -> None:
    more = '[entities.fr]\ntarget = "books"\ncurrency = "EUR"\ntime_zone = "Europe/Paris"\n\n[connections.books]'
    asked(program, "self", ("[connections.books]", more))
    refused = run("prove", "--entity", "fr", "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (2, "prove.entity")


def test_the_note_of_whoever_releases_a_proposal_is_kept(run: Run, program: Program, database: str) -> None:
    asked(program, "self", CHANGED)
    assert run("rules", "propose").code == 0
    assert run("rules", "release", "2", "--note", "as agreed with the auditor").code == 0
    with psycopg.connect(database) as conn:
        found = conn.execute("select detail ->> 'note' from audit where action = 'rules released' and actor = 'ann'").fetchall()
    assert found == [("as agreed with the auditor",)]


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("show", "9"), 1, "there is no version 9"),
        (("diff", "9"), 1, "there is no version 9"),
        (("show", "--of", "9999"), 1, "no release stands behind version 9999"),
        (("approve", "9"), 2, "no version 9 is a proposal that waits"),
        (("withdraw", "1"), 2, "no version 1 waits"),
        (("rollback",), 2, "there is no earlier release"),
        (("release",), 2, "nothing differs from release 1, which is in force"),
        (("release", "--from", "soon"), 2, "neither a day"),
        (("release", "2", "--confirmed"), 2, "--confirmed is of the file"),
    ],
)
def test_what_cannot_be_done_says_so_and_changes_nothing(run: Run, command: tuple[str, ...], code: int, words: str) -> None:
    ended = run("rules", *command)
    assert (ended.code, words in " ".join(ended.err.split())) == (code, True), ended.err
    assert states(run) == {1: "in force"}


@pytest.mark.parametrize("text", ["entities = 1", "[entities.de", '[rules]\napproval = "sometimes"'])
def test_a_file_that_cannot_be_read_proposes_nothing(run: Run, program: Program, text: str) -> None:
    good = program.config.read_text("utf-8")
    program.configure(text)
    ended = run("rules", "propose")
    assert (ended.code, str(program.config) in ended.err.replace("\n", "")) == (2, True)
    program.config.write_text(good, "utf-8")
    assert states(run) == {1: "in force"}


def test_what_the_books_do_not_have_is_refused_before_it_is_proposed(
    program: Program, sandboxes: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    odoo = sandboxes["odoo"]
    monkeypatch.setenv("ODOO_KEY", odoo["api_key"])
    monkeypatch.setenv("STRIPE_KEY", "rk_test_1")
    monkeypatch.setenv("STRIPE_US_WEBHOOK_SECRET", "whsec_1")
    program.config.unlink()
    given = ("--odoo-url", odoo["url"], "--odoo-db", odoo["db"], "--odoo-login", odoo["login"], "--stripe", "stripe_us=STRIPE_KEY")
    assert program.run("init", *given, "--set", "stripe_us.account=acct_sandbox").code == 0
    asyncio.run(_start(program))
    text = program.config.read_text("utf-8")
    program.config.write_text(text + '\n[mappings.account.my_company]\n"group/plans" = "40000"\n', "utf-8")
    refused = program.run("rules", "propose")
    assert refused.code == 2
    assert "account 40000 does not exist or is out of use (near it: " in refused.err
    assert "Nothing was proposed. If it is meant so, say it with --confirmed." in refused.err
    assert states(program.run) == {1: "in force"}
    assert program.run("rules", "propose", "--confirmed").code == 0
    assert program.run("rules", "withdraw", "2").code == 0
    program.config.write_text(text + '\n[mappings.account.my_company]\n"group/plans" = "400000"\n', "utf-8")
    assert program.run("rules", "release").code == 0
    assert program.run("map", "list", "--json").json()[0]["where"] == "release"


def test_before_the_first_start_there_is_nothing_to_propose_to(program: Program) -> None:
    refused = program.run("rules", "propose", "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (2, "rules.none")
    listed: Any = program.run("rules", "list", "--json").json()
    assert listed == {"in_force": 0, "notice": "", "releases": []}
