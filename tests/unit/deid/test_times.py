"""What is reckoned from two times of an object, or of two objects of a patient, stays right."""

from datetime import datetime, timedelta

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

EVENING = [f"2024022923{minute:02d}10" for minute in range(0, 60, 7)]


def moment(date: str, time: str) -> datetime:
    return datetime.strptime(f"{date}{time}", "%Y%m%d%H%M%S.%f" if "." in time else "%Y%m%d%H%M%S")


@pytest.mark.parametrize("injected", EVENING)
def test_the_uptake_of_a_tracer_over_midnight_stays_to_the_millisecond(injected, still, run):
    given = Dataset()
    given.RadiopharmaceuticalStartDateTime, given.RadiopharmaceuticalStartTime = injected, injected[8:]
    outcome = run(
        still(AcquisitionDate="20240301", AcquisitionTime="001530.250", RadiopharmaceuticalInformationSequence=[given])
    )
    ds, began = outcome.dataset, outcome.dataset.RadiopharmaceuticalInformationSequence[0]
    uptake = moment("20240301", "001530.250") - moment("", injected)
    assert moment(ds.AcquisitionDate, ds.AcquisitionTime) - moment("", began.RadiopharmaceuticalStartDateTime) == uptake
    alone = moment("20240301", ds.AcquisitionTime) - moment("20240301", f"{began.RadiopharmaceuticalStartTime}.0")
    assert alone % timedelta(days=1) == uptake
    assert outcome.check() is None


@pytest.mark.parametrize("began", EVENING)
def test_a_date_goes_over_midnight_with_its_time_and_the_study_date_never(began, still, run):
    day, time = began[:8], began[8:]
    pairs = ("Series", "Acquisition", "Content", "InstanceCreation")
    told = {f"{pair}Date": day for pair in pairs} | {f"{pair}Time": time for pair in pairs}
    outcome = run(still(StudyDate=day, StudyTime=time, AcquisitionDateTime=began, **told))
    ds = outcome.dataset
    exact = moment("", ds.AcquisitionDateTime)
    assert {moment(ds[f"{pair}Date"].value, ds[f"{pair}Time"].value) for pair in pairs} == {exact}
    assert outcome.check() is None
    earlier = run(still(StudyDate="20240219", StudyTime="101010", StudyInstanceUID=generate_uid())).dataset
    assert moment(ds.StudyDate, "000000") - moment(earlier.StudyDate, "000000") == timedelta(days=10)


def test_frames_keep_their_order_and_the_time_between_them(still, run):
    frames = []
    for second in ("02.000", "02.450", "03.150"):
        content, frame = Dataset(), Dataset()
        content.FrameAcquisitionDateTime = f"202402291345{second}"
        frame.FrameContentSequence = [content]
        frames.append(frame)
    written = run(still(PerFrameFunctionalGroupsSequence=frames)).dataset.PerFrameFunctionalGroupsSequence
    times = [moment("", frame.FrameContentSequence[0].FrameAcquisitionDateTime) for frame in written]
    assert [(later - times[0]).total_seconds() for later in times] == [0, 0.45, 1.15]
    assert f"{times[0]:%H%M}" != "1345"


def test_an_hour_alone_stays_an_hour(still, run):
    outcome = run(still(StudyTime="13", AcquisitionDateTime="2024022913"))
    assert outcome.dataset.StudyTime == "13" and outcome.dataset.AcquisitionDateTime[8:] == "13"
    assert outcome.check() is None


@pytest.mark.parametrize("blanks", [b"\t\t", b"\r\n", b"\xa0\xa0", b"  "])
def test_a_time_behind_blanks_of_any_kind_takes_its_date_over_midnight(blanks, still, run, written):
    plain = run(written(still(ContentDate="20240229", ContentTime="2359"))).dataset
    assert plain.ContentTime < "0100"
    content = written(still(ContentDate="20240229", ContentTime="235959"))
    assert run(content.replace(b"235959", blanks + b"2359")).dataset.ContentDate == plain.ContentDate
