"""`counterfoil identity match`: two exports compared, whatever their columns are called, and what is wrong with a file in words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Ended, invoke

A = "Id,Company Name,VAT Number,Website,Notes\n1,Acme Tools GmbH,DE136695976,acme.de,x\n2,Brandt Energy AG,,brandt.de,y\n3,Lonely Ltd,,,z\n"
B = "record_id;company;tax_id;domain\nb1;ACME Tools;DE 136 695 976;\nb2;Brandt Energy;;https://www.brandt.de/\nb3;Other Foods;;other.fr\n"


def put(folder: Path, name: str, text: str, encoding: str = "utf-8") -> str:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return str(path)


def run(folder: Path, a: str, b: str, *options: str) -> Ended:
    return invoke("identity", "match", put(folder, "A.csv", a), put(folder, "B.csv", b), *options)


def pairs(ended: Ended) -> dict[tuple[str, str], dict[str, Any]]:
    return {(pair["a"], pair["b"]): pair for pair in ended.json()["pairs"]}


def test_two_exports_with_other_columns_and_separators_are_compared(tmp_path: Path) -> None:
    ended = run(tmp_path, A, B, "--json")
    assert ended.code == 0
    found = pairs(ended)
    assert {ids: (pair["verdict"], pair["rule"]) for ids, pair in found.items()} == {
        ("1", "b1"): ("same", "tax id"),
        ("2", "b2"): ("same", "domain and name"),
    }
    assert found["1", "b1"]["score"] == 1
    assert "tax id the same: 'DE:136695976' (+19.9 bits)" in found["1", "b1"]["reasons"]
    result = ended.json()
    assert (result["a"]["records"], result["b"]["records"]) == (3, 3)
    assert result["counts"] == {"same": 2, "review": 0, "different": 0}
    assert "not compared: Notes" in ended.err


def test_nobody_found_is_an_empty_list(tmp_path: Path) -> None:
    ended = run(tmp_path, "id,name\n1,Acme\n", "id,name\n2,Brandt\n", "--json")
    assert (ended.code, ended.json()["pairs"]) == (0, [])


def test_people_read_tables_with_the_reasons(tmp_path: Path) -> None:
    ended = run(tmp_path, A, B)
    assert ended.code == 0
    assert "Brandt Energy AG" in ended.out
    assert "2 pairs the same, 0 for review" in ended.err


def test_columns_are_named_by_flags_for_both_files_or_one(tmp_path: Path) -> None:
    a, b = "Nr,Wer,Netz\n1,Acme,acme.de\n", "Key,Who,Net\n2,Acme,acme.de\n"
    flags = ("--column-a", "id=Nr", "--column-a", "name=Wer", "--column-a", "domain=Netz", "--column-b", "id=Key", "--column-b", "name=Who")
    assert pairs(run(tmp_path, a, b, *flags, "--column-b", "domain=Net", "--json"))["1", "2"]["verdict"] == "same"
    both = "Nr,Wer\n1,Acme Zimblatt Optics\n"
    assert ("1", "1") in pairs(run(tmp_path, both, both, "--column", "id=Nr", "--column", "name=Wer", "--json"))


def test_a_columns_flag_of_one_file_goes_before_that_of_both_and_the_first_known_name_counts(tmp_path: Path) -> None:
    a, b = "id,name,company,who\n1,Wrong,Acme Zimblatt,Right\n", "id,name,company\n2,Acme Zimblatt,Other\n"
    ended = run(tmp_path, a, b, "--column", "name=name", "--column-a", "name=company")
    assert "A.csv: name=company, id=id; not compared: name, who." in ended.err
    assert "B.csv: name=name, id=id; not compared: company." in ended.err
    assert "A.csv: id=id, name=name; not compared: company, who." in run(tmp_path, a, b).err


def test_several_tax_ids_stand_in_one_cell_and_a_mark_before_a_quote_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    a = '\ufeff"Name, legal","id","vat"\nAcme,1,"ATU12345675; DE136695976|FR83404833048"\n'
    ended = run(tmp_path, a, "id,name,vat\n2,Acme,DE136695976\n", "--column-a", "name=Name, legal", "--json")
    assert pairs(ended)["1", "2"]["rule"] == "tax id"


def test_ids_in_a_third_system_are_of_the_system_named(tmp_path: Path) -> None:
    a, b = "id,name,Billing Ref\n1,Acme,c7\n", "id,name,Payer\n2,Other,c7\n"
    named = ("--column-a", "external_id.billing=Billing Ref", "--column-b", "external_id.billing=Payer", "--json")
    assert pairs(run(tmp_path, a, b, *named))["1", "2"]["rule"] == "external id"
    unnamed = ("--column-a", "external_id=Billing Ref", "--column-b", "external_id=Payer", "--json")
    assert pairs(run(tmp_path, a, b, *unnamed)) == {}


def test_persons_are_compared_by_their_own_columns(tmp_path: Path) -> None:
    head = "rec_id, given_name, surname, street_number, address_1, suburb, postcode, date_of_birth, soc_sec_id\n"
    a = head + "r1, ada, examplewood, 8, stanley street, springfield, 4223, 19700102, 5304218\n"
    b = head + "d1, examplewood, ada, 8, stanly street, springfield, 4223, 19700102, 5304218\n"
    assert pairs(run(tmp_path, a, b, "--json"))["r1", "d1"]["verdict"] == "same"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    a = put(tmp_path, "A.csv", "id\tname\tcity\tdomain\n1\tMüller\tKöln\tmueller.de\n", encoding)
    b = put(tmp_path, "B.csv", "id,name,city,domain\n2,Mueller,Köln,mueller.de\n")
    ended = invoke("identity", "match", a, b, "--json")
    assert pairs(ended)["1", "2"]["verdict"] == "same"
    assert ("is not UTF-8, read as cp1252" in ended.err) == (encoding == "cp1252")


def test_encoding_and_separator_are_as_given(tmp_path: Path) -> None:
    a = put(tmp_path, "A.csv", "id|name, with comma|name\n1|Łódź Tools|Łódź\n", "cp1250")
    ended = invoke("identity", "match", a, a, "--delimiter", "pipe", "--encoding", "cp1250", "--json")
    assert any("'Łódź'" in reason for reason in pairs(ended)["1", "1"]["reasons"])


@pytest.mark.parametrize(
    "text", ['"Company\nName";id\n"Acme, Tools";1\n', '\n\nid;Company Name\n1;"Acme, Tools"\n', "id;name\r1;Acme Tools\r"]
)
def test_the_separator_is_found_in_the_first_row_that_is_not_empty_however_many_lines_it_has(tmp_path: Path, text: str) -> None:
    assert pairs(run(tmp_path, text, "id,name\n2,Acme Tools\n", "--json"))["1", "2"]["verdict"] == "review"


def test_a_column_is_named_in_any_script_and_case(tmp_path: Path) -> None:
    ended = run(tmp_path, "id,Straße,会社 名\n1,Hauptstr. 1,Acme\n", GOOD, "--column-a", "street=STRASSE", "--column-a", "name=会社_名")
    assert (ended.code, "row 1 has no column 'STRASSE'" in ended.err) == (2, True)
    ended = run(tmp_path, "id,Straße,会社 名\n1,Hauptstr. 1,Acme\n", GOOD, "--column-a", "street=straße", "--column-a", "name=会社_名")
    assert "street=Straße, name=会社 名" in ended.err


def test_a_pipe_is_refused_as_it_can_be_read_but_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ended = invoke("identity", "match", str(pipe), put(tmp_path, "B.csv", GOOD))
    assert (ended.code, f"{pipe}: is no file but a pipe or the like" in ended.err) == (2, True)


GOOD = "id,name\n1,Acme\n"


@pytest.mark.parametrize(
    ("bad", "options", "words", "code"),
    [
        ("", (), "is empty; its first row must name the columns", "identity.empty"),
        ("id,name\n", (), "has no rows below its header", "identity.empty"),
        (
            "name,city\nAcme,Berlin\n",
            (),
            "no column is known to hold the ids; it has name, city. Name it: --column id=COLUMN",
            "identity.columns",
        ),
        ("id,color\n1,red\n", (), "nothing in it tells customers apart; it has id, color", "identity.columns"),
        ("id,name,name\n1,a,b\n", (), "row 1 has more than one column 'name'", "identity.columns"),
        ("id,name\n1,a\n2,b\n1,c\n", (), "row 4 has the id '1' in column 'id', as row 2", "identity.row"),
        ("id,name\n1,a\n,b\n", (), "row 3 has no id in column 'id'", "identity.row"),
        ("id,name\n1,a\n2,b,c\n", (), "row 3 has 3 cells where row 1 has 2", "identity.row"),
        ('id,name\n1,"a\n', (), "row 2 cannot be read", "identity.row"),
        (GOOD, ("--column", "name=Firm"), "row 1 has no column 'Firm'; it has id, name", "identity.columns"),
        (GOOD, ("--column", "color=name"), "there is no field 'color'; there are id, name", "identity.option"),
        (GOOD, ("--column", "name"), "is to be FIELD=COLUMN", "identity.option"),
        (GOOD, ("--encoding", "utf-99"), "there is no encoding 'utf-99'", "identity.option"),
        (GOOD, ("--encoding", "rot13"), "there is no encoding 'rot13'", "identity.option"),
        ("id,会社名\n1,Acme\n", ("--column-a", "name=住所"), "row 1 has no column '住所'; it has id, 会社名", "identity.columns"),
        (f"id,name\n1,{'a' * 2001}\n", (), "row 2 has 2,001 characters in column 'name', and at most 2,000", "identity.row"),
        (GOOD, ("--same", "0.4"), "0 < review <= same <= 1", "identity.option"),
    ],
)
def test_what_is_wrong_is_said_with_file_row_and_column(tmp_path: Path, bad: str, options: tuple[str, ...], words: str, code: str) -> None:
    ended = run(tmp_path, bad, GOOD, *options, "--json")
    assert ended.code == 2
    assert words in ended.err
    assert ended.json()["error"]["code"] == code
    if code != "identity.option":
        assert str(tmp_path / "A.csv") in ended.err


def test_a_file_that_is_not_there_or_in_another_encoding_is_said(tmp_path: Path) -> None:
    good = put(tmp_path, "B.csv", GOOD)
    ended = invoke("identity", "match", str(tmp_path / "none.csv"), good)
    assert (ended.code, "none.csv: cannot be read: No such file" in ended.err) == (2, True)
    late = put(tmp_path, "A.csv", "id,name\n" + "1,a\n" * 1 + "2,M\u00fcller\n", "cp1252")
    ended = invoke("identity", "match", late, good, "--encoding", "utf-8")
    assert (ended.code, "is not utf-8; name the encoding" in ended.err) == (2, True)
