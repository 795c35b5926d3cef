"""Where a site keeps its decisions about words: a file that a person edits, and the book of a running site."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegle.deid import Decision, FirstSeen
from aegle.deid import value_file as file
from aegle.deid.fold import folded, shown
from aegle.deid.value_book import ValueBook
from aegle.errors import BadConfig, NotFound

OTTOKAR = FirstSeen(keyword="Manufacturer", value="Ottokar, Optiker")
LENS = FirstSeen(keyword="SoftwareVersions", value="=lens()")


def test_first_seen_values_are_added_as_pending_once(tmp_path: Path) -> None:
    path = tmp_path / "values.csv"
    assert file.add(path, [OTTOKAR, LENS]) == 2
    assert file.add(path, [FirstSeen(keyword="Manufacturer", value="OTTOKAR,  optiker")]) == 0
    assert path.read_text(encoding="utf-8") == (
        "keyword,value,decision\n"
        'Manufacturer,"Ottokar, Optiker",pending\n'
        "SoftwareVersions,'=lens(),pending\n"  # an apostrophe before what a spreadsheet would run
    )
    assert [line.value for line in file.read(path)] == ["Ottokar, Optiker", "=lens()"]


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_the_file_is_private(tmp_path: Path) -> None:
    file.add(tmp_path / "values.csv", [OTTOKAR])
    assert (tmp_path / "values.csv").stat().st_mode & 0o777 == 0o600


def test_a_file_written_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "values.csv"
    path.write_bytes("\ufeffKeyword,Value,Decision\r\nManufacturer,Ottokar,APPROVE\r\n,,\r\n".encode())
    (line,) = file.read(path)
    assert line.decision is Decision.APPROVE
    assert file.values_of([line]).decision("Manufacturer", "ottokar") is Decision.APPROVE


@pytest.mark.parametrize(
    "content",
    [
        b"keyword;value;decision\r\nManufacturer;Ottokar, Optiker;Deny\r\n;;\r\n\r\n",
        '\ufeff"keyword";"value";"decision"\r\n"Manufacturer";"Ottokar, Optiker";" DENY "\r\n'.encode(),
        b"sep=;\nkeyword;value;decision;;\nManufacturer;Ottokar, Optiker;deny;;\n",
        "keyword\tvalue\tdecision\r\nManufacturer\tOttokar, Optiker\tdeny\r\n".encode("utf-16"),
        b'\n\nkeyword,value,decision\n\nManufacturer,"Ottokar, Optiker",deny\n , ,\n',
    ],
)
def test_a_file_is_read_and_written_again_in_the_form_its_spreadsheet_gave_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "values.csv"
    path.write_bytes(content)
    (line,) = file.read(path)
    assert (line.value, line.decision) == ("Ottokar, Optiker", Decision.DENY)
    assert file.add(path, [FirstSeen(keyword="Manufacturer", value="Ludmila; Linsen")]) == 1
    assert path.read_bytes()[:2] == content[:2].replace(b"se", b"ke").replace(b"\n\n", b"ke")
    assert [line.value for line in file.read(path)] == ["Ottokar, Optiker", "Ludmila; Linsen"]


@pytest.mark.parametrize(
    "content", ["keyword,value,decision\nManufacturer,Müller,deny\n".encode("cp1252"), bytes(range(256))]
)
def test_a_file_that_is_no_utf_8_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "values.csv").write_bytes(content)
    with pytest.raises(BadConfig, match="save it as 'CSV UTF-8'"):
        file.read(tmp_path / "values.csv")


@pytest.mark.parametrize(
    ("decisions", "holds"),
    [
        (("approve", "deny"), Decision.DENY),
        (("deny", "approve"), Decision.DENY),
        (("deny", "pending"), Decision.DENY),
        (("approve", "pending"), Decision.APPROVE),
        (("pending", "approve"), Decision.APPROVE),
    ],
)
def test_of_two_lines_about_one_value_the_stricter_decision_holds(
    decisions: tuple[str, str], holds: Decision, tmp_path: Path
) -> None:
    path = tmp_path / "values.csv"
    one, other = decisions
    path.write_text(f"keyword,value,decision\nManufacturer,Ottokar,{one}\nManufacturer,OTTOKAR,{other}\n")
    (line,) = file.read(path)
    assert file.values_of([line]).decision("Manufacturer", "Ottokar") is holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Manufacturer,Ottokar,approve\n", "first line"),
        ("keyword,value,decision\nManufacturer,Ottokar,perhaps\n", "row 2: the decision"),
        ("keyword,value,decision\nMaker,Ottokar,deny\n", "row 2: the first column"),
        ("keyword,value,decision\nManufacturer,Ottokar, Optiker,deny\n", "row 2: three columns"),
    ],
)
def test_a_mistake_is_named_by_its_row_and_never_by_its_value(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "values.csv").write_text(text)
    with pytest.raises(BadConfig, match=said) as raised:
        file.read(tmp_path / "values.csv")
    assert "Ottokar" not in str(raised.value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["Manufacturer", "StackID"]), st.text(max_size=20)), max_size=6))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, words: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("values") / "values.csv"
    first_seen = [FirstSeen(keyword=keyword, value=shown(value)) for keyword, value in words]
    file.add(path, first_seen)
    assert {line.key for line in file.read(path)} == {(item.keyword, folded(item.value)) for item in first_seen}


def test_the_book_holds_until_decided_and_survives_opening_again(tmp_path: Path) -> None:
    book = ValueBook(tmp_path / "values.db")
    names = book.add([OTTOKAR, LENS])
    assert book.is_waiting(names)
    assert book.current().decision("Manufacturer", "Ottokar, Optiker") is Decision.PENDING
    book.decide(names[0], Decision.APPROVE, by="anna")
    assert book.is_waiting(names)
    book.decide(names[1], Decision.DENY, by="anna")
    assert not book.is_waiting(names)
    book.close()
    again = ValueBook(tmp_path / "values.db")
    assert again.add([OTTOKAR, LENS]) == names
    assert {word.decision for word in again.words()} == {Decision.APPROVE, Decision.DENY}
    assert {word.decided_by for word in again.words()} == {"anna"}
    again.close()


def test_a_decision_of_another_process_is_seen_at_once(tmp_path: Path) -> None:
    ours, theirs = ValueBook(tmp_path / "values.db"), ValueBook(tmp_path / "values.db")
    (name,) = ours.add([OTTOKAR])
    assert ours.current() is ours.current()
    theirs.decide(name, Decision.APPROVE, by="operator")
    assert ours.current().decision(OTTOKAR.keyword, OTTOKAR.value) is Decision.APPROVE
    ours.close()
    theirs.close()


def test_a_name_says_nothing_of_its_value_and_differs_between_sites(tmp_path: Path) -> None:
    here, there = ValueBook(tmp_path / "a.db"), ValueBook(tmp_path / "b.db")
    assert here.digest_of(OTTOKAR) != there.digest_of(OTTOKAR)
    assert here.digest_of(OTTOKAR) == here.digest_of(FirstSeen(keyword="Manufacturer", value="ottokar, OPTIKER"))
    with pytest.raises(NotFound):
        here.decide("0" * 16, Decision.APPROVE, by="anna")
    here.add([OTTOKAR])
    assert "Ottokar" not in repr(here.words())
    here.close()
    there.close()


def test_threads_may_share_the_book(tmp_path: Path) -> None:
    book = ValueBook(tmp_path / "values.db")

    def work(number: int) -> None:
        for turn in range(10):
            names = book.add([FirstSeen(keyword="StackID", value=f"stack {number} {turn}")])
            book.decide(names[0], Decision.APPROVE, by="x")
            assert book.current().decision("StackID", f"stack {number} {turn}") is Decision.APPROVE

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(book.words()) == 40
    book.close()
