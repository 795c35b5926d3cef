"""`aegle quarantine`: what is held is shown and decided by a named person; a rule for a device frees its pictures."""

from contextlib import closing
from pathlib import Path

import pytest
from pydicom import dcmread
from typer.testing import CliRunner, Result

from aegle import config
from aegle.access import Role
from aegle.cli import app
from aegle.deid import FirstSeen, Held, HoldReason, Pseudonyms, deidentify, profile
from aegle.deid.engine import Deidentified
from aegle.deid.masks import Keep
from aegle.deid.pixel_book import PixelBook, name_of
from aegle.deid.table import DEFAULT_OPTIONS
from aegle.deid.value_book import ValueBook
from aegle.demo.studies import SyntheticPatient, write_still
from aegle.errors import BadMessage, Conflict, Forbidden, NotFound
from aegle.intake.quarantine import Quarantine, Settlement
from aegle.intake.spool import Door, Spool
from aegle.local.accounts import SqliteAccounts
from aegle.local.audit import ChainedLines
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner
from aegle.local.secrets import FileSecrets
from aegle.pages.accounts import new_account
from aegle.records import SiteKind

PASSWORD = "a password for tests"
SITE = Path(".aegle/sites/st-anna")


@pytest.fixture(autouse=True)
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stopped site that holds two stills of one microscope, neither of which says whether anything is burned in."""
    monkeypatch.chdir(tmp_path)
    Path("aegle.yaml").write_text("sites:\n  st-anna:\n    kind: hospital\n")
    LocalProvisioner(config.load(Path("aegle.yaml")), Home(root=Path(".aegle").resolve())).apply()
    accounts = SqliteAccounts(SITE / "accounts.db")
    for name, role in (("anna", Role.ADMINISTRATOR), ("omar", Role.ADMINISTRATOR), ("clara", Role.CLINICIAN)):
        accounts.put(new_account(name, role, SiteKind.HOSPITAL, PASSWORD)[0])
    accounts.close()
    spool = Spool(SITE / "spool", 1 << 30)
    for number in range(2):
        patient = SyntheticPatient(patient_id=f"P{number}", name=f"Quillfeather^P{number}")
        (path,) = write_still(tmp_path / str(number), seed=number, finding="NILM", patient=patient)
        dataset = dcmread(path)
        del dataset.BurnedInAnnotation
        dataset.save_as(path)
        item = spool.receive([path.read_bytes()], Door.UPLOAD)
        reason = Held(reason=HoldReason.BURNED_IN_RISK, detail="Burned In Annotation is absent")
        quarantine().hold(item, reason, f"2.25.{number}")
        spool.settle(item)
    return path


def quarantine() -> Quarantine:
    return Quarantine(SITE / "quarantine", FileSecrets(SITE / "secrets").get("quarantine-key"))


def aegle(*words: str, person: str = "anna") -> Result:
    signed = [] if words[0] in ("list", "rules") else ["--as", person, "--password", PASSWORD]
    signed += ["--with", "omar", "--second-password", PASSWORD] if words[0] == "fix" else []
    return CliRunner().invoke(app, ["quarantine", *words, "--site", "st-anna", *signed], catch_exceptions=False)


def first() -> str:
    return quarantine().entries()[0].entry_id


def test_what_is_held_is_listed_and_shown_without_a_patients_value() -> None:
    said = aegle("list").output + aegle("show", first()).output
    assert first() in said
    assert "BURNED_IN_RISK" in said
    assert "Aegle demo, Synthetic microscope, GM" in said
    assert "Quillfeather" not in said
    assert list((SITE / "work").iterdir()) == []


@pytest.mark.parametrize(("word", "state"), [("release", Settlement.RELEASED), ("reject", Settlement.REJECTED)])
def test_a_decision_is_written_down_under_a_name(word: str, state: Settlement) -> None:
    name = first()
    aegle(word, name)
    assert (quarantine().entry(name).state, quarantine().entry(name).settled_by) == (state, "anna")
    trail = ChainedLines(SITE / "audit", "st-anna", "cli")
    (event,) = trail.read(1)
    trail.close()
    assert (event.act, event.principal, event.subject) == ("site:quarantine:settle", "user:anna", name)
    with pytest.raises(Conflict):
        aegle("release", name)


def test_only_an_administrator_decides_and_only_what_fits() -> None:
    with pytest.raises(Forbidden):
        aegle("release", first(), person="clara")
    with pytest.raises(Conflict, match="CHANGED_SOURCE"):
        aegle("replace", first())
    with pytest.raises(NotFound):
        aegle("release", "0" * 16)


def test_suspected_text_goes_in_by_two_peoples_word_or_painted_over(held: Path) -> None:
    spool = Spool(SITE / "spool", 1 << 30)
    item = spool.receive([held.read_bytes()], Door.DIMSE)
    name = quarantine().hold(item, Held(reason=HoldReason.TEXT_SUSPECTED, detail="1 place(s)"), "2.25.7").entry_id
    spool.settle(item)
    with pytest.raises(Conflict, match="quarantine fix"):
        aegle("release", name)
    with pytest.raises(Conflict, match="--keep all"):
        aegle("fix", name, "--keep", "all")
    assert "another administrator" in aegle("release", name, "--looked-at").output
    assert "waits for a second person" in aegle("show", name).output
    with pytest.raises(Forbidden):
        aegle("release", name, "--looked-at")
    assert "1 object(s) are tried again" in aegle("fix", name, "--keep", "unmasked", "--box", "0,0,640,40").output
    assert quarantine().entry(name).state is Settlement.RELEASED
    trail = ChainedLines(SITE / "audit", "st-anna", "cli")
    said = [(event.outcome.value, event.facts.get("state", event.facts.get("reason"))) for event in trail.read(7)]
    trail.close()
    assert {("ok", "vouched"), ("refused", "FORBIDDEN"), ("refused", "CONFLICT")} <= set(said)


def test_a_rule_for_the_device_frees_all_its_pictures(held: Path, tmp_path: Path) -> None:
    said = aegle("fix", first(), "--keep", "all").output
    assert "2 object(s) are tried again" in said
    (rule,) = PixelBook(SITE / "pixel-rules.json").rules()
    assert rule.by.startswith("anna with omar, ")
    assert (rule.manufacturer, rule.model, rule.keep) == (
        "Aegle demo",
        "Synthetic microscope",
        Keep.ALL,
    )
    ruled = profile("aegle-basic", DEFAULT_OPTIONS, (rule,))
    assert isinstance(deidentify(held, tmp_path / "out.dcm", ruled, Pseudonyms.from_secret(bytes(32))), Deidentified)


def test_one_person_alone_makes_no_rule() -> None:
    with pytest.raises(Forbidden, match="second person"):
        aegle("fix", first(), "--keep", "all", person="omar")
    assert PixelBook(SITE / "pixel-rules.json").rules() == ()


def test_rules_are_listed_and_withdrawn_by_two_where_less_would_be_covered() -> None:
    aegle("fix", first(), "--keep", "all")
    said = aegle("rules").output
    (rule,) = PixelBook(SITE / "pixel-rules.json").rules()
    assert name_of(rule) in said and "1024 x 768" in said
    aegle("forget-rule", name_of(rule))
    aegle("fix", first(), "--keep", "unmasked", "--box", "0,0,640,40")
    (rule,) = PixelBook(SITE / "pixel-rules.json").rules()
    with pytest.raises(Forbidden, match="second person"):
        aegle("forget-rule", name_of(rule))
    aegle("forget-rule", name_of(rule), "--with", "omar", "--second-password", PASSWORD)
    assert "no rule" in aegle("rules").output
    trail = ChainedLines(SITE / "audit", "st-anna", "cli")
    _, last, before, *_ = trail.read(3)
    trail.close()
    assert (last.act, {last.principal, before.principal}) == ("site:rule:remove", {"user:anna", "user:omar"})
    assert last.facts["boxes"] == "0,0,640,40" and "1024 x 768" in str(last.facts["device"])


def test_a_word_is_decided_by_a_person_and_an_approval_taken_back_names_the_studies(held: Path) -> None:
    with closing(ValueBook(SITE / "values.db")) as book:
        (word,) = book.add({FirstSeen(keyword="ProtocolName", value="Ottokar")})
    spool = Spool(SITE / "spool", 1 << 30)
    item = spool.receive([held.read_bytes()], Door.DIMSE)
    quarantine().hold(item, Held(reason=HoldReason.FIRST_SEEN_VALUE, detail=""), "2.25.77", (word,))
    spool.settle(item)

    def decide(what: str, *who: str) -> Result:
        return CliRunner().invoke(
            app, ["deid", "values", what, word, "--site", "st-anna", *who], catch_exceptions=False
        )

    assert decide("approve").exit_code != 0, "it asks who decides"
    with pytest.raises(Forbidden):
        decide("approve", "--as", "clara", "--password", PASSWORD)
    decide("approve", "--as", "anna", "--password", PASSWORD)
    said = decide("deny", "--as", "anna", "--password", PASSWORD).output
    assert "2.25.77" in said and "curl -X DELETE" in said
    with closing(ValueBook(SITE / "values.db")) as book:
        assert book.words()[0].decided_by == "anna"


def test_boxes_are_painted_and_a_later_rule_takes_the_earliers_place() -> None:
    aegle("fix", first(), "--keep", "unmasked", "--box", "0,0,640,40", "--box", "0,0,640,480@first")
    book = PixelBook(SITE / "pixel-rules.json")
    assert [tuple(box) for box in book.rules()[0].boxes] == [(0, 0, 640, 40, 1, 0), (0, 0, 640, 480, 1, 1)]
    again = ("fix", first(), "--keep", "unmasked", "--box", "0,0,640,20", "--box", "0,700,640,20")
    with pytest.raises(Conflict, match=r"all but 0,0,640,40 0,0,640,480@1, by anna with omar.* --replace"):
        aegle(*again)
    aegle(*again, "--replace")
    (rule,) = book.rules()
    assert len(rule.boxes) == 2
    with pytest.raises(BadMessage, match="1024 pixels wide and 768 high"):
        aegle("fix", first(), "--keep", "unmasked", "--box", "0,700,640,69", "--replace")
    for words in (
        ["--keep", "unmasked"],
        ["--keep", "all", "--box", "0,0,1,1"],
        ["--keep", "unmasked", "--box", "1,2"],
        ["--keep", "unmasked", "--box", "1,2,3,4@9-2"],
    ):
        with pytest.raises(BadMessage):
            aegle("fix", first(), *words)
