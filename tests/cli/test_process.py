"""`counterfoil process`, and the stages the configuration declares."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest
from tests.cli.running import invoke
from tests.core.builders import ANN, PRO
from tests.integration.waiting.weeks import BILL, DUNNED, KEY, START, Weeks

from counterfoil.app.rules import declared_rules, rules_source
from counterfoil.app.settings import parse
from counterfoil.core.kinds.dunning import Block
from counterfoil.core.policies.rules import DunningStage
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.errors import SetupError
from counterfoil.store.cipher import KEY_VARIABLE, Cipher
from counterfoil.store.pool import open_pool

HEAD = """
[connections.books]
connector = "files"
inbox = "in"
outbox = "out"
namespace = "crm"

[entities.US]
target = "books"
currency = "USD"
time_zone = "America/New_York"

[[routes]]
entity = "US"
"""
STAGES = """
[[dunning]]
stage = "reminded"
days_after_due = 3

[[dunning]]
stage = "warned"
days_after_due = 14
blocks = ["upgrades"]
tells = "collections"
asks = true

[[dunning]]
stage = "called"
days_after_due = 2
entity = "US"
"""


def test_stages_are_read_and_all_workers_must_have_the_same() -> None:
    found = rules_source(parse(HEAD + STAGES))
    assert found.dunning == (
        DunningStage("reminded", 3),
        DunningStage("warned", 14, (Block.UPGRADES,), "collections", asks=True),
        DunningStage("called", 2, entity="US"),
    )
    declared = declared_rules(parse(HEAD + STAGES))
    assert {path: value for path, value in declared.items() if path.startswith("dunning[2]")} == {
        "dunning[2].stage": "called",
        "dunning[2].days_after_due": "2",
        "dunning[2].entity": "US",
    }
    assert not [path for path in declared_rules(parse(HEAD)) if path.startswith("dunning")]


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        ('stage = "warned"', 'stage = "reminded"', "dunning.1.stage: stage 'reminded' is there twice for all entities"),
        ('stage = "warned"', 'stage = "Warned!"', 'dunning.1.stage: must look like "first_reminder"'),
        ("days_after_due = 14", "days_after_due = 3", "must be more than the 3 of the stage 'reminded' before it for all entities"),
        ("days_after_due = 14", "days_after_due = -1", "dunning.1.days_after_due: must be at least 0"),
        (
            'blocks = ["upgrades"]',
            'blocks = ["mail"]',
            "dunning.1.blocks.0: must be 'renewals', 'upgrades', 'orders', 'access' or 'support'",
        ),
        ('blocks = ["upgrades"]', 'blocks = ["access", "access"]', "dunning.1.blocks: names something twice"),
        ('entity = "US"\n', 'entity = "UK"\n', "dunning.2.entity: entity 'UK' is not under [entities]"),
        ("asks = true", "ask = true", "dunning.1.ask: is not a known setting; did you mean asks?"),
    ],
)
def test_a_wrong_stage_is_refused_with_its_line(good: str, bad: str, words: str) -> None:
    start = STAGES.rindex(good) if good.startswith("entity") else STAGES.index(good)
    text = HEAD + STAGES[:start] + bad + STAGES[start + len(good) :]
    line = 1 + (HEAD + STAGES)[: len(HEAD) + start].count("\n")
    with pytest.raises(SetupError) as refused:
        parse(text)
    assert f"configuration:{line}: " in str(refused.value)
    assert words in str(refused.value)


def test_no_connection_is_called_as_people_are() -> None:
    with pytest.raises(SetupError, match=r"configuration:2: connections\.people: 'people' is what the hub calls the people"):
        parse(HEAD.replace("connections.books", "connections.people").replace('"books"', '"people"'))


@pytest.fixture
def config(database: str, tmp_path: Path, cipher: Cipher, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the configuration of a hub in which an invoice is not paid."""
    monkeypatch.setenv(KEY_VARIABLE, f"test:{base64.b64encode(bytes(range(32))).decode()}")

    async def prepare() -> None:
        async with open_pool(database, size_min=1, size_max=4) as pool:
            office = Weeks(pool, cipher, DUNNED, SettableClock(START))
            await office.tell(ANN, PRO, BILL)
            await office.until("04-15")

    asyncio.run(prepare())
    path = tmp_path / "counterfoil.toml"
    path.write_text(f'[hub]\nhome = "{tmp_path}"\ndatabase_url = "{database}"\n' + HEAD, "utf-8")
    return path


def ask(*words: object) -> tuple[int, str]:
    ended = invoke("process", *map(str, words), env={"COLUMNS": "240"})
    return ended.code, ended.out + ended.err


def test_processes_are_listed_shown_and_answered(config: Path) -> None:
    code, text = ask("list", "--config", config)
    assert code == 0
    assert all(word in text for word in (KEY, "asking: suspended", "warned", "upgrades", "100.00 USD"))
    code, text = ask("show", KEY, "--config", config, "--json")
    shown = json.loads(text)
    assert (shown["state"]["asked"], shown["again_at"], len(shown["cases"])) == ("suspended", None, 1)
    assert [step["event"] for step in shown["history"]] == ["dunning.begun", "dunning.moved", "dunning.moved", "dunning.moved"]
    code, text = ask("show", KEY, "--config", config)
    assert code == 0
    assert "counterfoil process answer dunning/stripe:in_1 approve" in text.replace("\n", " ")
    code, text = ask("answer", KEY, "approve", "--about", "warned", "--config", config)
    assert (code, "not about 'warned'" in text) == (2, True)
    code, text = ask("answer", KEY, "approve", "--about", "suspended", "--by", "mira", "--config", config, "--json")
    assert (code, json.loads(text)["is_new"]) == (0, True)
    code, text = ask("answer", KEY, "approve", "--by", "mira", "--config", config)
    assert "you said so already" in text
    code, text = ask("show", KEY, "--config", config)
    assert "mira: approve suspended" not in text  # not read yet: no worker is at work


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "dunning/stripe:in_9"), 1, "there is no process dunning/stripe:in_9"),
        (("answer", "dunning/stripe:in_9", "approve"), 1, "there is no process dunning/stripe:in_9"),
        (("answer", KEY, "delete"), 2, "there are approve, reject, hold, resume, waive"),
        (("answer", KEY, "hold", "--until", "2020-01-01"), 2, "--until must lie ahead"),
        (("answer", KEY, "hold", "--until", "soon"), 2, "neither a day like"),
    ],
)
def test_what_cannot_be_done_is_said(config: Path, words: tuple[str, ...], code: int, said: str) -> None:
    found, text = ask(*words, "--config", config)
    assert found == code
    assert said in " ".join(text.split())
