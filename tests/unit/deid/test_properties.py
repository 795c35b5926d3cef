"""What must hold for any patient, any dates and any number of passes."""

from datetime import date, timedelta

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aegle.deid import HoldReason
from aegle.deid.identifiers import words
from aegle.deid.placeholders import names_nobody

FEW = settings(max_examples=40, deadline=5_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
DATES = st.dates(min_value=date(1910, 1, 1), max_value=date(2026, 11, 25))
WORDS = st.text(st.characters(categories=["L"]), min_size=1, max_size=20)


def written_date(run, ds) -> date:
    return date.fromisoformat(run(ds).dataset.StudyDate)


@FEW
@given(first=DATES, second=DATES, patient=WORDS)
def test_the_interval_between_two_studies_of_a_patient_is_kept_to_the_day(first, second, patient, still, run):
    assume(not names_nobody(patient))
    one, other = (
        still(SpecificCharacterSet="ISO_IR 192", PatientID=patient, StudyDate=f"{day:%Y%m%d}", StudyInstanceUID=uid)
        for day, uid in ((first, "1.2.3.1"), (second, "1.2.3.2"))
    )
    moved = [written_date(run, ds) for ds in (one, other)]
    assert moved[1] - moved[0] == second - first
    assert moved[0] <= first - timedelta(days=365)


@FEW
@given(name=WORDS, patient=WORDS)
def test_a_de_identified_object_is_refused_whatever_it_was(name, patient, still, run):
    outcome = run(still(SpecificCharacterSet="ISO_IR 192", PatientName=f"{name}^{name}", PatientID=patient))
    assert outcome.check() is None
    assert run(outcome.bytes).held.reason is HoldReason.ALREADY_ALIASED


@FEW
@given(name=st.text(st.characters(categories=["L"]), min_size=6, max_size=20), kept=st.booleans())
def test_no_name_stays_in_kept_text(name, kept, still, run):
    assume(words("PN", name))  # but for everyday words, and one letter again and again
    ds = still(SpecificCharacterSet="ISO_IR 192", PatientName=name, Manufacturer=f"for {name if kept else 'Quux'}")
    outcome = run(ds)
    assert outcome.check() is None
    assert (outcome.dataset.Manufacturer == "ANONYMIZED") is kept


@FEW
@given(name=WORDS, patient=WORDS, day=DATES)
def test_the_vault_keeps_what_restoring_needs(name, patient, day, still, run):
    ds = still(SpecificCharacterSet="ISO_IR 192", PatientName=name, PatientID=patient, StudyDate=f"{day:%Y%m%d}")
    identity = run(ds).done.identity
    assert (identity.text(0x00100010), identity.text(0x00100020)) == (name, patient)
    assert identity.text(0x00080020) == f"{day:%Y%m%d}"
