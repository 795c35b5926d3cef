"""A hospital's pages in each of their states: nothing axe objects to, nothing the browser complains of."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Person, until
from playwright.sync_api import Browser
from pydicom import dcmread
from webstage import Reader, Stage, failed, predicted, rejected

from aegle import access
from aegle.access import Act
from aegle.deid import Held, HoldReason
from aegle.deid.masks import Box
from aegle.demo.studies import SyntheticPatient, write_still
from aegle.errors import Conflict
from aegle.intake.quarantine import Settlement
from aegle.intake.spool import Door, Spooled
from aegle.local.audit import ChainedLines
from aegle.records import AuditOutcome
from aegle.site.pages.held_object import Looked
from aegle.site.state import Step

pytestmark = pytest.mark.peer("chromium")


@pytest.fixture(scope="module")
def clara(hospital: Stage, browser: Browser) -> Iterator[Person]:
    """A clinician, signed in."""
    yield from person(hospital, browser, "clara")


@pytest.fixture(scope="module")
def adam(hospital: Stage, browser: Browser) -> Iterator[Person]:
    """The administrator, signed in, on a telephone in the dark."""
    yield from person(hospital, browser, "adam", viewport={"width": 390, "height": 844}, color_scheme="dark")


def person(stage: Stage, browser: Browser, name: str, **context: object) -> Iterator[Person]:
    someone = Person(browser, stage.address, **context)
    someone.sign_in(name)
    yield someone
    someone.context.close()


def is_clean(person: Person) -> None:
    assert person.violations() == []
    assert person.complaints == []


def bring(stage: Stage, folder: Path, number: int, *, reader: Reader | None = None, cut: bool = False) -> str:
    """A still of a patient of its own; answers the study once it came as far as it can."""
    patient = SyntheticPatient(patient_id=f"WEB-{number}", name=f"Web^Patient{number}")
    (path,) = write_still(folder / str(number), seed=number, finding="HSIL", patient=patient)
    known = {study.study_uid for study in stage.program.state.studies()}
    if cut:
        path.write_bytes(path.read_bytes()[:40_000])
    stage.take_in(path)
    stage.until(lambda: len(stage.program.state.studies()) > len(known))
    (study_uid,) = {study.study_uid for study in stage.program.state.studies()} - known
    stage.hub.reader = reader
    step = Step.RECEIVED if cut else Step.SUBMITTED if reader is None else Step.DECIDED
    stage.until(lambda: step in stage.program.state.timeline(study_uid))
    return study_uid


def test_an_empty_hospital_says_how_to_send_the_first_study(clara: Person) -> None:
    page = clara.go("/")
    assert "No studies yet" in page.inner_text("main")
    assert "ST-ANNA" in page.inner_text("main")
    is_clean(clara)


@pytest.mark.parametrize("path", ["/", "/upload", "/held", "/values", "/audit", "/people", "/password"])
def test_every_page_of_an_administrator_is_clean_while_empty(adam: Person, path: str) -> None:
    adam.go(path)
    is_clean(adam)


def test_the_sign_in_page_is_clean_also_after_a_wrong_password(hospital: Stage, browser: Browser) -> None:
    stranger = Person(browser, hospital.address)
    page = stranger.go("/sign-in")
    is_clean(stranger)
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("not a password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    assert stranger.violations() == []
    stranger.context.close()


def test_a_study_in_the_models_hands_turns_into_its_result_without_a_reload(
    hospital: Stage, clara: Person, drawn: Path
) -> None:
    study_uid = bring(hospital, drawn, 1)
    page = clara.go(f"/studies/{study_uid}")
    assert "being read" in page.inner_text("#state")
    is_clean(clara)
    hospital.hub.reader = predicted
    page.locator(".result").wait_for()
    until(page, "document.querySelector('.scale span')?.textContent.includes('µm')")
    is_clean(clara)


def test_a_result_shows_patient_finding_threshold_and_an_absent_pacs(hospital: Stage, clara: Person) -> None:
    study_uid = hospital.program.state.studies()[-1].study_uid
    hospital.until(lambda: [bool(item.problem) for item in hospital.program.state.results(study_uid)] == [True, True])
    page = clara.go(f"/studies/{study_uid}")
    words = page.inner_text("main")
    for expected in (
        "Web Patient1",
        "WEB-1",
        "born 1980-02-29",
        "HSIL",
        "threshold 0.42",
        "score 0.87",
        "papnet 1.0.0",
    ):
        assert expected in words, expected
    assert "The PACS does not answer" in words
    assert "Written clean and checked" in words
    page.get_by_role("button", name="1. HSIL").click()
    assert page.get_by_role("button", name="1. HSIL").get_attribute("aria-pressed") == "true"
    looks = [event for event in hospital.program.ports.audit.read(200) if event.act == "site:identity:view"]
    assert study_uid in {event.subject for event in looks}
    is_clean(clara)
    told = page.evaluate(f"fetch('/studies/{study_uid}/de-identification.json').then(answer => answer.json())")
    assert told["studies"][study_uid]["checks"] == {"passed": 1, "failed": 0}


@pytest.mark.parametrize(
    ("number", "reader", "words"),
    [(2, rejected, "Scan the slide again"), (3, failed, "The operator has been alerted")],
)
def test_a_study_without_a_result_says_why_and_what_to_do(
    hospital: Stage, clara: Person, drawn: Path, number: int, reader: Reader, words: str
) -> None:
    study_uid = bring(hospital, drawn, number, reader=reader)
    page = clara.go(f"/studies/{study_uid}")
    assert words in page.inner_text("main")
    is_clean(clara)


def test_a_held_study_is_settled_by_an_administrator_who_is_named(
    hospital: Stage, clara: Person, adam: Person, drawn: Path
) -> None:
    study_uid = bring(hospital, drawn, 4, cut=True)
    assert "held at the door" in clara.go(f"/studies/{study_uid}").inner_text("main")
    is_clean(clara)
    page = adam.go("/held")
    assert "The file ends before its content does." in page.inner_text("main")
    is_clean(adam)
    page.get_by_role("button", name="Leave it out").first.click()
    page.get_by_role("heading", name="Decided").wait_for()
    row = page.get_by_role("region", name="Decided").inner_text()
    assert "left out" in row
    assert "adam" in row
    is_clean(adam)
    assert not hospital.program.quarantine.blocks(study_uid)


def test_words_seen_for_the_first_time_are_decided_once_and_what_waited_goes_on(
    hospital: Stage, adam: Person, drawn: Path
) -> None:
    patient = SyntheticPatient(patient_id="WEB-5", name="Web^Patient5")
    (path,) = write_still(drawn / "5", seed=5, finding="NILM", patient=patient)
    dataset = dcmread(path)
    dataset.ManufacturerModelName, dataset.SoftwareVersions = "Ottokar's microscope", ["lens <b>", "Ottilie"]
    dataset.save_as(path)
    known = {study.study_uid for study in hospital.program.state.studies()}
    hospital.take_in(path)
    hospital.until(lambda: len(hospital.program.values.words()) == 3)
    hospital.until(lambda: len(hospital.program.state.studies()) > len(known))
    (study_uid,) = {study.study_uid for study in hospital.program.state.studies()} - known
    assert "FIRST_SEEN_VALUE" in adam.go("/held").inner_text("main")
    page = adam.go("/values")
    assert "1 object waits for a decision" in page.inner_text("main")
    is_clean(adam)
    page.get_by_role("button", name="Approve Ottokar's microscope").click()
    page.get_by_role("heading", name="Decided").wait_for()
    page.get_by_role("link", name="Decide about all 2 at once").click()
    assert "lens <b>" in page.inner_text("main") and "Ottilie" in page.inner_text("main")
    is_clean(adam)
    assert page.get_by_role("button", name="approve all 2").count()
    page = adam.go("/values")
    page.get_by_role("button", name="Deny Ottilie").click()
    page.get_by_role("button", name="Approve lens <b>").click()
    page.get_by_role("heading", name="Nothing waits for a decision").wait_for()
    is_clean(adam)
    hospital.until(lambda: Step.SUBMITTED in hospital.program.state.timeline(study_uid))
    (stored,) = hospital.program.studies.images(study_uid)
    clean = dcmread(hospital.program.ports.archive.open(stored), stop_before_pixels=True)
    assert clean.ManufacturerModelName == "Ottokar's microscope"
    assert clean.SoftwareVersions == "lens <b>"
    trail = [event for event in hospital.program.ports.audit.read(200) if event.act == "site:value:decide"]
    assert {event.facts.get("keyword") for event in trail} >= {"ManufacturerModelName", "SoftwareVersions"}
    assert "Ott" not in str(trail)


def test_a_held_picture_is_blurred_until_an_administrator_asks_to_see_it(
    hospital: Stage, adam: Person, clara: Person, drawn: Path
) -> None:
    patient = SyntheticPatient(patient_id="WEB-6", name="Web^Patient6")
    (path,) = write_still(drawn / "6", seed=6, finding="NILM", patient=patient)
    dataset = dcmread(path)
    del dataset.BurnedInAnnotation
    dataset.save_as(path)
    hospital.take_in(path)
    hospital.until(lambda: "BURNED_IN_RISK" in {entry.reason for entry in hospital.program.quarantine.entries()})
    (entry,) = [item for item in hospital.program.quarantine.entries() if item.reason == "BURNED_IN_RISK"]
    page = adam.go("/held")
    page.get_by_role("link", name=f"Look into it: object {entry.entry_id}").click()
    assert "Synthetic microscope" in page.inner_text("main")
    until(page, "document.querySelector('.held-picture').naturalWidth > 100")
    is_clean(adam)
    page.get_by_role("link", name="Show it as it is").click()
    until(page, "document.querySelector('.held-picture').naturalWidth > 100")
    is_clean(adam)
    acts = [event.act for event in hospital.program.ports.audit.read(50) if event.subject == entry.entry_id]
    assert {"site:quarantine:inspect", "site:quarantine:look"} <= set(acts)
    pictures = hospital.program.held_pictures
    blurred, sharp = (pictures.picture(entry, sharp=sharp) for sharp in (False, True))
    assert len(blurred) < len(sharp) / 3, "what is blurred was blurred here, not in the browser"
    assert not [left for left in hospital.program.folder.work.iterdir() if left.suffix == ".held"]
    answer = clara.page.goto(f"{hospital.address}/held/{entry.entry_id}/picture.png")
    assert answer is not None
    assert answer.status == 403
    clara.complaints.clear()
    hospital.program.quarantine.settle(entry.entry_id, Settlement.REJECTED, by="adam")


def test_suspected_text_is_let_in_only_by_somebody_who_saw_its_frame(
    hospital: Stage, adam: Person, drawn: Path
) -> None:
    quarantine, spool = hospital.program.quarantine, hospital.program.spool
    (path,) = write_still(drawn / "7", seed=7, finding="NILM", patient=SyntheticPatient(patient_id="WEB-7", name="W^7"))
    temporary = spool.incoming / "seen"
    temporary.write_bytes(path.read_bytes())
    places = (Box(100, 100, 80, 20, 1, 1),)
    item = Spooled(path=temporary, door=Door.UPLOAD)
    entry = quarantine.hold(item, Held(reason=HoldReason.TEXT_SUSPECTED, detail="1 place(s)", places=places), "")
    temporary.unlink()
    page = adam.go(f"/held/{entry.entry_id}")
    says_so = page.get_by_role("button", name="It names nobody")
    assert not says_so.count() and not page.get_by_role("button", name="Try again").count()
    until(page, "document.querySelector('.held-picture').naturalWidth > 100")
    with pytest.raises(Conflict):
        Looked().require(hospital.program, entry, "adam")
    page.get_by_role("link", name="Show it as it is").click()
    until(page, "document.querySelector('.held-picture').naturalWidth > 100")
    says_so.click()
    assert "waits for a second person" in page.inner_text("main")
    assert quarantine.entry(entry.entry_id).state is Settlement.OPEN
    is_clean(adam)
    events = [event for event in hospital.program.ports.audit.read(50) if event.subject == entry.entry_id]
    assert {("site:quarantine:look", 1), ("site:quarantine:settle", "vouched")} <= {
        (event.act, event.facts.get("frame") or event.facts.get("state")) for event in events
    }
    quarantine.settle(entry.entry_id, Settlement.REJECTED, by="adam")


def test_the_list_holds_every_state_and_is_clean(clara: Person, adam: Person) -> None:
    words = clara.go("/").inner_text("main")
    for expected in ("read, PACS not reached", "not read", "failed", "Web Patient1"):
        assert expected in words, expected
    is_clean(clara)
    assert "Web Patient" not in adam.go("/").inner_text("main"), "an administrator sees no patient"
    is_clean(adam)


def test_the_trail_is_clean_and_holds_refusals(hospital: Stage, adam: Person) -> None:
    commands = ChainedLines(hospital.program.folder.audit, "st-anna", "cli")
    commands.append(
        access.event(Act.SITE_IDENTITY_REVEAL, principal="user:omar", subject="AG-1", reason="recall of a test")
    )
    commands.close()
    assert "by command" in adam.go("/audit").inner_text("main")
    is_clean(adam)
    adam.page.get_by_label("Who").fill("omar")
    adam.page.get_by_role("button", name="Find").click()
    (row,) = adam.page.get_by_role("row").all()[1:]
    assert "site:identity:reveal" in row.inner_text() and "reason recall of a test" in row.inner_text()
    outcomes = {event.outcome for event in hospital.program.ports.audit.read(500)}
    assert AuditOutcome.REFUSED in outcomes


def test_a_technician_sees_what_would_become_of_a_file_and_nothing_is_kept(
    hospital: Stage, browser: Browser, drawn: Path
) -> None:
    tom = next(person(hospital, browser, "tom"))
    patient = SyntheticPatient(patient_id="WEB-8", name="Web^Preview")
    (path,) = write_still(drawn / "preview", seed=8, finding="NILM", patient=patient)
    known = len(hospital.program.state.studies())
    page = tom.go("/upload")
    page.get_by_text("See what would become of a file first").click()
    page.get_by_label("A file").set_input_files(path)
    page.get_by_text("It would be admitted.").wait_for()
    row = page.locator("#preview-rows tr", has_text="(0010,0010)").inner_text()
    assert "Web^Preview" in row
    assert "AG-" in row
    assert page.locator("#preview-rows tr", has_text=">(0008,0104)").count() > 0, "what is nested is shown, too"
    is_clean(tom)
    assert len(hospital.program.state.studies()) == known
    assert not hospital.program.spool.waiting()
    assert not [left for left in hospital.program.folder.work.iterdir() if left.suffix in {".looked-at", ".preview"}]
    tom.context.close()


def test_a_technician_follows_each_uploaded_file_to_its_end(hospital: Stage, browser: Browser, drawn: Path) -> None:
    tom = next(person(hospital, browser, "tom"))
    patient = SyntheticPatient(patient_id="WEB-9", name="Web^Upload")
    (good,) = write_still(drawn / "upload", seed=9, finding="NILM", patient=patient)
    text, cut = drawn / "upload" / "notes.txt", drawn / "upload" / "cut.dcm"
    text.write_text("this is no image" * 20)
    cut.write_bytes(good.read_bytes()[:30_000])
    page = tom.go("/upload")
    page.get_by_label("Files").set_input_files([good, text, cut, good])
    until(page, "!/Waiting|Sending|checked/.test(document.querySelector('#rows').textContent)")
    answers = [row.split("\t")[-1] for row in page.locator("#rows").inner_text().splitlines() if row.strip()]
    told = " | ".join(answers)
    for expected in ("Admitted, de-identified.", "this is not a DICOM file", "Already here", "Held: "):
        assert expected in told, told
    assert "3 of 4 files taken in" in page.inner_text("#summary")
    assert tom.violations() == []
    assert all("415" in complaint for complaint in tom.complaints)
    tom.context.close()
