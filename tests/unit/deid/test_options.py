"""One test a row of Table E.1-1 and option, and each option through the whole engine."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_has_tag, dictionary_VR

from aegle.cli.profile import chosen
from aegle.config import Deid
from aegle.deid import Decision, Held, Option, Pseudonyms, Values, Vault, check, deidentify, profile, restore
from aegle.deid.profile import configured, default_profile
from aegle.deid.rules import Action, compile_rules
from aegle.deid.second_look import Looking
from aegle.deid.table import DEFAULT_OPTIONS, rows
from aegle.errors import BadConfig

TABLE = list(
    csv.DictReader(files("aegle.deid").joinpath("data", "ps315_e1_1.csv").read_text(encoding="utf-8").splitlines())
)
CODES = {int(line["tag"], 16): line for line in TABLE if "X" not in line["tag"] and line["tag"] != "private"}
ALONE = {option: compile_rules(frozenset({option})) for option in Option}
BASIC = compile_rules(frozenset())
TEXT = {"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"}
#: Where an option does more than the table says: see the two tests below.
MORE = {(Option.UIDS, 0x0040A124): Action.KEEP, (Option.PATIENT, 0x00101010): Action.AGE}
#: Written anew, tokens, or without a place in a data set: no option reaches them.
FIXED = {0x00120062, 0x00120063, 0x00120064, 0x00280303, 0x00400512, 0x00400551}


def expected(code: str, option: Option, vr: str) -> Action | None:
    """What PS3.15 §E.3 wants of a code, said once more; None for what the basic profile says."""
    if not code or vr in {"OB", "UN"}:
        return None
    if vr == "SQ":
        return Action.ENTER
    if code == "K":
        return Action.KEEP
    assert code == "C"
    if option is Option.MODIFIED_DATES:
        return Action.SHIFT if vr in {"DA", "DT", "TM"} else None
    return Action.KEEP if vr in TEXT else None


@pytest.mark.parametrize("option", Option)
@pytest.mark.parametrize("row", [row for row in rows() if row.tag >> 16 >= 8], ids=lambda row: f"{row.tag:08X}")
def test_the_row_is_treated_as_its_option_says(row, option):
    vr = dictionary_VR(row.tag).split(" ")[0] if dictionary_has_tag(row.tag) else row.vr or "UN"
    wanted = expected(CODES[row.tag][option.value], option, vr) if row.tag not in FIXED else None
    wanted = MORE.get((option, row.tag), wanted)
    assert ALONE[option][row.tag].action is (wanted or BASIC[row.tag].action)


def test_where_one_option_keeps_a_date_and_another_moves_it_it_is_moved():
    both = profile("p", frozenset({Option.DEVICE, Option.MODIFIED_DATES}))
    assert both.rules[0x00181200].action is Action.SHIFT  # DateOfLastCalibration


def test_the_digest_is_the_same_in_every_process():
    """Whatever the order in which a process walks a set."""
    code = "from aegle.deid import *; print(profile('p', frozenset(Option) - {'full_dates'}).digest)"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1
    assert len(told.pop().strip()) == 64


def test_what_is_weaker_than_the_default_is_named():
    assert profile("p", frozenset()).weaker_by == ()
    assert profile("p", DEFAULT_OPTIONS).weaker_by == ()
    assert profile("p", DEFAULT_OPTIONS | {Option.DEVICE, Option.UIDS}).weaker_by == (Option.UIDS, Option.DEVICE)
    assert profile("p", frozenset({Option.FULL_DATES})).weaker_by == (Option.FULL_DATES,)
    assert profile("p", frozenset(), (), Looking.NONE).weaker_by == ("no second look at pictures",)
    assert profile("p", frozenset(), (), Looking.ALL).weaker_by == ()


def test_each_option_is_part_of_the_digest() -> None:
    assert len({profile("p", DEFAULT_OPTIONS - {Option.MODIFIED_DATES} | {option}).digest for option in Option}) == len(
        Option
    )


def test_what_is_looked_at_is_part_of_the_digest() -> None:
    assert len({profile("p", DEFAULT_OPTIONS, (), looking).digest for looking in Looking}) == len(Looking)


def test_options_of_a_command_are_turned_on_beside_the_default_ones() -> None:
    assert chosen([], None) is default_profile()
    assert chosen([Option.DEVICE], None).options == DEFAULT_OPTIONS | {Option.DEVICE}
    assert chosen([Option.FULL_DATES], None).options == {Option.STRUCTURED, Option.FULL_DATES}
    with pytest.raises(BadConfig, match="not both"):
        chosen([Option.FULL_DATES, Option.MODIFIED_DATES], None)
    assert chosen(None, None, Looking.NONE).looking is Looking.NONE


def test_settings_become_a_profile():
    assert configured(Deid()).name == "aegle-basic"
    device = configured(Deid(options=("structured", "device")))
    assert (device.name, device.options) == ("aegle-custom", {Option.STRUCTURED, Option.DEVICE})
    assert configured(Deid(name="scanner-study", options=("device",))).name == "scanner-study"
    assert set(Deid.model_json_schema()["properties"]["options"]["items"]["enum"]) == set(Option)
    with pytest.raises(BadConfig, match="name"):
        profile("Dr. Ottokar\\x", frozenset())


class Treated:
    """One still under some options, checked by the other reader."""

    def __init__(self, ds: Dataset, folder: Path, written: Callable[[Dataset], bytes], *options: Option) -> None:
        self.source, self.target = folder / "in.dcm", folder / "out.dcm"
        self.source.write_bytes(written(ds))
        self.profile = profile("aegle-custom", frozenset(options))
        self.pseudonyms = Pseudonyms.from_secret(bytes(32))
        done = deidentify(self.source, self.target, self.profile, self.pseudonyms, APPROVED)
        assert not isinstance(done, Held), done
        assert check(self.source, self.target, done, self.profile) is None
        self.done, self.dataset = done, dcmread(self.target)


APPROVED = Values(
    {
        ("Manufacturer", "Lumenoptik"): Decision.APPROVE,
        ("DeviceSerialNumber", "SN-31415"): Decision.APPROVE,
        ("InstitutionName", "St. Anna"): Decision.APPROVE,
        ("InstitutionAddress", "Hauptplatz 1"): Decision.APPROVE,
        ("StudyDescription", "Smear, repeat"): Decision.APPROVE,
        ("ImageComments", "Dense cluster at the rim"): Decision.APPROVE,
        ("EthnicGroup", "not asked"): Decision.DENY,
    }
)


def test_retained_uids_are_the_originals_and_a_result_finds_its_way_back(still, written, tmp_path):
    treated = Treated(still(), tmp_path, written, *DEFAULT_OPTIONS, Option.UIDS)
    original = dcmread(treated.source)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        assert treated.dataset[keyword].value == original[keyword].value
    assert treated.done.alias == treated.done.source
    vault = Vault(tmp_path / "vault.db", bytes(32))
    vault.record(treated.done, "digest", None)
    back = dcmread(BytesIO(restore(treated.target.read_bytes(), vault, treated.profile.naming(treated.pseudonyms))))
    assert back.StudyInstanceUID == original.StudyInstanceUID
    assert str(back.PatientName) == "Quillfeather^Ottilie"
    vault.close()


def test_under_retained_uids_a_reports_reference_is_still_that_of_its_object(still, written, tmp_path):
    uid = "1.2.3.4.5.6.77"
    item = Dataset()
    item.ValueType, item.UID = "UIDREF", uid
    ds = still(FrameOfReferenceUID=uid, ContentSequence=[item])
    treated = Treated(ds, tmp_path, written, *DEFAULT_OPTIONS, Option.UIDS)
    assert treated.dataset.ContentSequence[0].UID == treated.dataset.FrameOfReferenceUID == uid


def test_retained_moments_may_tell_their_offset_from_utc_and_dates_their_old_form(still, written, tmp_path):
    moment = "20200229235959.999999-0500"
    item = Dataset()
    item.TreatmentDate, item.TreatmentTime, item.DateTime = "20200229", "235959", "202002291011+0100"
    ds = still(AcquisitionDateTime=moment, TimezoneOffsetFromUTC="-0500", AnatomicRegionSequence=[item])
    content = written(ds).replace(b"DA\x08\x0020240229", b"DA\x0a\x002024.02.29")
    treated = Treated(ds, tmp_path, lambda _: content, Option.FULL_DATES)
    assert treated.dataset.AcquisitionDateTime == moment
    assert treated.dataset.AnatomicRegionSequence[0] == item


@pytest.mark.parametrize(
    ("age", "kept"),
    [("089Y", "089Y"), ("090Y", "090Y"), ("096Y", "090Y"), ("104Y", "090Y"), ("999M", "999M"), ("old!", "")],
)
def test_nobody_is_older_than_90_where_ages_are_kept(age, kept, still, written, tmp_path):
    content = written(still(PatientAge="062Y")).replace(b"062Y", age.encode())
    assert Treated(still(), tmp_path, lambda _: content, *DEFAULT_OPTIONS, Option.PATIENT).dataset.PatientAge == kept


def test_prose_in_a_retained_uid_or_date_is_refused(still, written, tmp_path):
    content = written(still(FrameOfReferenceUID="1.2.3.4.5.6", AcquisitionDate="20240229"))
    content = content.replace(b"1.2.3.4.5.6\0", b"Ottokar\0\0\0\0\0").replace(
        b"\x08\x00\x22\x00DA\x08\x0020240229", b"\x08\x00\x22\x00DA\x08\x00Ottokar "
    )
    treated = Treated(still(), tmp_path, lambda _: content, Option.FULL_DATES, Option.UIDS)
    assert b"Ottokar" not in treated.target.read_bytes()
    assert treated.dataset["FrameOfReferenceUID"].is_empty
    assert treated.dataset.StudyDate == "20240229"
    assert treated.dataset.LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_device_and_institution_are_kept_once_their_words_are_approved(still, written, tmp_path):
    ds = still(DeviceSerialNumber="SN-31415", InstitutionName="St. Anna", InstitutionAddress="Hauptplatz 1")
    clean = Treated(ds, tmp_path, written, *DEFAULT_OPTIONS, Option.DEVICE, Option.INSTITUTION).dataset
    assert (clean.DeviceSerialNumber, clean.InstitutionName, clean.InstitutionAddress) == (
        "SN-31415", "St. Anna", "Hauptplatz 1",
    )  # fmt: skip
    codes = {item.CodeValue for item in clean.DeidentificationMethodCodeSequence}
    assert {"113109", "113112"} <= codes


def test_patient_characteristics_are_kept_and_their_words_judged(still, written, tmp_path):
    ds = still(PatientAge="062Y", PatientSize="1.71", EthnicGroup="not asked")
    clean = Treated(ds, tmp_path, written, *DEFAULT_OPTIONS, Option.PATIENT).dataset
    assert (clean.PatientAge, clean.PatientSize, clean.PatientSex) == ("062Y", "1.71", "F")
    assert clean.EthnicGroup == ""


def test_cleaned_descriptors_keep_approved_prose_and_lose_the_patients_name(still, written, tmp_path):
    ds = still(StudyDescription="Smear, repeat", ImageComments="Dense cluster at the rim")
    clean = Treated(ds, tmp_path, written, *DEFAULT_OPTIONS, Option.DESCRIPTORS).dataset
    assert (clean.StudyDescription, clean.ImageComments) == ("Smear, repeat", "Dense cluster at the rim")
    named = still(ImageComments="Seen with Mrs Quillfeather on Monday")
    clean = Treated(named, tmp_path, written, *DEFAULT_OPTIONS, Option.DESCRIPTORS).dataset
    assert clean.ImageComments == "ANONYMIZED"


def test_prose_that_nobody_approved_holds_its_object(still, written, tmp_path):
    source = tmp_path / "in.dcm"
    source.write_bytes(written(still(ImageComments="Ask Ottokar about this")))
    rules = profile("aegle-custom", DEFAULT_OPTIONS | {Option.DESCRIPTORS})
    held = deidentify(source, tmp_path / "out.dcm", rules, Pseudonyms.from_secret(bytes(32)), APPROVED)
    assert isinstance(held, Held)
    assert [item.keyword for item in held.first_seen] == ["ImageComments"]
