"""What is reckoned from two times of an object, or of two objects of a patient, stays right."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.datadict import DicomDictionary, tag_for_keyword
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from aegle.deid import HoldReason
from aegle.deid.moments import PAIRS

EVENING = [f"2024022923{minute:02d}10" for minute in range(0, 60, 7)]


FEW = settings(max_examples=40, deadline=5_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
MOMENTS = st.datetimes(datetime(2024, 2, 28, 22), datetime(2024, 3, 1, 2)).map(lambda when: when.replace(microsecond=0))
OFFSETS = st.sampled_from((-720, -210, 0, 120, 345, 840))


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


def test_every_date_that_stands_beside_its_time_in_the_standard_is_known_but_of_the_study_and_of_birth():
    named = {row[4]: (tag, row[0]) for tag, row in DicomDictionary.items()}
    beside = {
        tag: named[time][0]
        for date, (tag, vr) in named.items()
        if vr == "DA" and named.get(time := date.replace("Date", "Time"), (0, ""))[1] == "TM"
    }
    apart = {tag_for_keyword("StudyDate"), tag_for_keyword("PatientBirthDate")}
    regular = {tag: time for tag, time in beside.items() if tag not in apart}
    assert regular | {0x0040A110: 0x0040A112} == PAIRS


def within(content: Dataset, depth: int, *, open_ended: bool) -> Dataset:
    """An item that has the content so many items below itself."""
    for _ in range(depth):
        outer = Dataset()
        outer.RadiopharmaceuticalInformationSequence = Sequence([Dataset(), content])
        outer["RadiopharmaceuticalInformationSequence"].is_undefined_length = open_ended
        content.is_undefined_length_sequence_item = open_ended
        content = outer
    return content


def innermost(content: Dataset) -> Dataset:
    while "RadiopharmaceuticalInformationSequence" in content:
        content = content.RadiopharmaceuticalInformationSequence[-1]
    return content


@FEW
@given(
    pair=st.sampled_from(sorted(PAIRS.items())),
    moments=st.lists(MOMENTS, min_size=2, max_size=2),
    depth=st.integers(0, 3),
    open_ended=st.booleans(),
    syntax=st.sampled_from((ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)),
)
def test_the_time_between_two_moments_of_a_patient_stays_at_any_depth(
    pair, moments, depth, open_ended, syntax, still, run
):
    date, time = pair
    told = []
    for when in moments:
        item, ds = Dataset(), still()
        item.add_new(date, "DA", f"{when:%Y%m%d}")
        item.add_new(time, "TM", f"{when:%H%M%S}")
        ds.update(within(item, depth, open_ended=open_ended))
        ds.file_meta.TransferSyntaxUID, ds["PixelData"].VR = syntax, "OW"
        outcome = run(ds)
        assert outcome.check() is None
        found = innermost(outcome.dataset)
        told.append(moment(found[date].value, found[time].value))
    assert told[1] - told[0] == moments[1] - moments[0]


def test_of_several_calibrations_each_date_goes_with_the_time_in_its_place(still, run):
    days, times = ["20240228"] * 3, ["101010", "2359", "235959"]
    moved = run(still(DateOfLastCalibration=days, TimeOfLastCalibration=times)).dataset.DateOfLastCalibration
    assert [moment(day, "000000") - moment(moved[0], "000000") for day in moved] == [timedelta(n) for n in (0, 1, 1)]


def ahead(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


@FEW
@given(moments=st.lists(MOMENTS, min_size=3, max_size=3), zone=OFFSETS, another=OFFSETS, stated=st.booleans())
def test_the_time_between_moments_told_in_two_zones_and_one_in_local_time_stays(
    moments, zone, another, stated, still, run
):
    here, there = (timezone(timedelta(minutes=minutes)) for minutes in (zone, another))
    local, given, taken = (when.replace(tzinfo=here) for when in moments)
    item = Dataset()
    item.RadiopharmaceuticalStartDateTime = f"{given.astimezone(there):%Y%m%d%H%M%S}.25{ahead(another)}"
    ds = still(ContentDate=f"{local:%Y%m%d}", ContentTime=f"{local:%H%M%S}", AcquisitionDateTime=f"{taken:%Y%m%d%H%M}")
    if stated:
        ds.TimezoneOffsetFromUTC = ahead(zone)
    else:
        ds.AcquisitionDateTime += ahead(zone)
    ds.RadiopharmaceuticalInformationSequence = [item]
    outcome = run(ds)
    assert outcome.check() is None
    clean = outcome.dataset
    told = [
        moment(clean.ContentDate, clean.ContentTime),
        moment("", clean.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime),
        moment("", clean.AcquisitionDateTime + "00"),
    ]
    expected = [local, given + timedelta(milliseconds=250), taken.replace(second=0)]
    assert [when - told[0] for when in told] == [when - expected[0] for when in expected]


def test_where_no_zone_is_known_moments_in_one_are_local_and_moments_in_two_are_held(still, run):
    items = [Dataset(), Dataset()]
    for item, offset in zip(items, ("+0000", "+0200"), strict=True):
        item.RadiopharmaceuticalStartDateTime = f"20240229101112{offset}"
    alone = run(still(RadiopharmaceuticalInformationSequence=items[:1])).dataset
    bare = run(still(AcquisitionDateTime="20240229101112")).dataset
    began = alone.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime
    assert began == bare.AcquisitionDateTime
    ds = still(RadiopharmaceuticalInformationSequence=items)
    assert run(ds).held.reason is HoldReason.UNKNOWN_ZONE
    ds.TimezoneOffsetFromUTC = "local"
    assert run(ds).held.reason is HoldReason.UNKNOWN_ZONE
    assert run(still(OriginalAttributesSequence=items)).done
    items[0].RadiopharmaceuticalStartDateTime = "20240229+0000"
    assert run(still(RadiopharmaceuticalInformationSequence=items)).done
