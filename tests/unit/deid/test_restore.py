"""A result in alias form comes back under the real patient, the same bytes each time."""

from io import BytesIO

import pytest
from pydicom import Dataset, dcmread

from aegle.deid import restore
from aegle.errors import BadDicom, NotFound


def result_for(image, written, **values) -> bytes:
    """A secondary-capture-like result that refers to the alias image, nested, as ours do."""
    ds = Dataset()
    ds.file_meta = image.file_meta
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber"):
        ds[keyword] = image[keyword]
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "2.25.111", "2.25.112"
    ds.ContentDate, ds.AcquisitionDate = "20261125", image.StudyDate
    ds.SeriesDescription = "KI-Befund für Zytologie"
    ref = Dataset()
    ref.ReferencedSOPClassUID, ref.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedInstanceSequence = image.SeriesInstanceUID, [ref]
    ds.ReferencedSeriesSequence = [series]
    ds.PatientIdentityRemoved = "YES"
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return written(ds)


@pytest.fixture
def admitted(still, run, vault):
    def admit(**values):
        outcome = run(still(**values))
        vault.record(outcome.done, "d", None)
        return outcome.dataset

    return admit


def test_patient_study_and_references_are_the_originals(admitted, written, vault, pseudonyms):
    ds = dcmread(BytesIO(restore(result_for(admitted(), written), vault, pseudonyms)))
    assert str(ds.PatientName) == "Quillfeather^Ottilie"
    assert (ds.PatientID, ds.PatientSex, ds.PatientBirthDate) == ("MRN-4711-0815", "F", "19610704")
    assert (ds.StudyDate, ds.StudyTime, ds.AccessionNumber) == ("20240229", "134502.123", "ACC-778899")
    assert (ds.StudyID, str(ds.ReferringPhysicianName)) == ("STU-5150", "Grimthorpe^Barnaby")
    assert ds.StudyInstanceUID == "1.2.826.0.1.3680043.9.9999.1"
    series = ds.ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == "1.2.826.0.1.3680043.9.9999.2"
    assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == "1.2.826.0.1.3680043.9.9999.3"
    assert "PatientIdentityRemoved" not in ds
    assert ds.SeriesDescription == "KI-Befund für Zytologie"


def test_dates_of_the_source_move_back_and_the_results_own_stay(admitted, written, vault, pseudonyms):
    ds = dcmread(BytesIO(restore(result_for(admitted(), written), vault, pseudonyms)))
    assert (ds.AcquisitionDate, ds.ContentDate) == ("20240229", "20261125")


def test_the_results_own_uids_cannot_be_joined_with_the_hubs(admitted, written, vault, pseudonyms):
    ds = dcmread(BytesIO(restore(result_for(admitted(), written), vault, pseudonyms)))
    assert ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID == pseudonyms.result_uid("2.25.111")
    assert ds.SeriesInstanceUID == pseudonyms.result_uid("2.25.112")
    assert ds.SOPInstanceUID != pseudonyms.uid("2.25.111")


def test_the_same_input_gives_the_same_bytes(admitted, written, vault, pseudonyms):
    result = result_for(admitted(), written)
    assert restore(result, vault, pseudonyms) == restore(result, vault, pseudonyms)


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 144", "Люкceмбypг"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
def test_names_come_back_whatever_their_character_set(charset, name, admitted, written, vault, pseudonyms):
    image = admitted(SpecificCharacterSet=charset, PatientName=name)
    ds = dcmread(BytesIO(restore(result_for(image, written), vault, pseudonyms)))
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    assert str(ds.PatientName) == name


def test_a_study_the_vault_does_not_know_is_not_restored(admitted, written, vault, pseudonyms):
    result = result_for(admitted(), written, StudyInstanceUID="2.25.404")
    with pytest.raises(NotFound):
        restore(result, vault, pseudonyms)


def test_bytes_that_are_no_result_are_refused(vault, pseudonyms):
    with pytest.raises(BadDicom):
        restore(b"nothing", vault, pseudonyms)
