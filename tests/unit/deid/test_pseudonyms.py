"""Aliases are keyed, stable, valid and unlinkable."""

import hmac
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage
from pydicom.valuerep import validate_value

from aegle.deid import Pseudonyms
from aegle.deid import pseudonyms as naming
from aegle.deid.dates import Shift, moved, moved_along
from aegle.errors import BadConfig

ONE, TWO = Pseudonyms.from_secret(bytes(32)), Pseudonyms.from_secret(bytes([1]) * 32)
UIDS = st.from_regex(r"[12]\.[1-9][0-9.]{5,50}[1-9]", fullmatch=True)


@given(UIDS)
def test_a_uid_alias_is_stable_valid_and_tells_nothing(uid):
    alias = ONE.uid(uid)
    assert alias == Pseudonyms.from_secret(bytes(32)).uid(uid)
    assert alias.startswith("2.25.") and len(alias) <= 44
    validate_value("UI", alias, 2)
    assert len({alias, TWO.uid(uid), ONE.result_uid(uid), uid}) == 4


@given(st.text(min_size=1).filter(str.strip), st.text())
def test_patient_aliases_of_two_sites_and_two_issuers_differ(patient, issuer):
    alias = ONE.patient_id(patient, issuer)
    assert alias == ONE.patient_id(f" {patient} ", issuer)
    assert alias != TWO.patient_id(patient, issuer)
    if issuer.strip():
        assert alias != ONE.patient_id(patient)


def test_standard_uids_and_coding_schemes_are_themselves():
    assert ONE.uid(CTImageStorage) == CTImageStorage
    assert ONE.uid("2.16.840.1.113883.6.96") == "2.16.840.1.113883.6.96"
    assert ONE.uid("1.2.840.10008.6.1.308") == "1.2.840.10008.6.1.308"
    for foreign in ("1.2.840.10008.99.4711", "1.2.840.10008.6.1.4471902", "1.2.840.10008.6.1.308.1"):
        assert ONE.uid(foreign) != foreign


@given(st.text())
def test_dates_move_by_one_to_seven_years_and_times_by_some_minutes(patient):
    days, minutes = ONE.shift(patient)
    assert 365 <= days < 365 + 2190 and 1 <= minutes <= 59


def test_shifts_differ_between_patients():
    assert len({ONE.shift(f"AG-{n}").days for n in range(100)}) > 80
    assert len({ONE.shift(f"AG-{n}").minutes for n in range(100)}) > 30


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(1910, 1, 1)), st.integers(1, 3000), st.integers(1, 59))
def test_moving_there_and_back_is_the_identity(moment, days, minutes):
    shift = Shift(days, minutes)
    for vr, form in (("DA", "%Y%m%d"), ("TM", "%H%M%S.%f"), ("DT", "%Y%m%d%H%M%S.%f")):
        text = moment.strftime(form)
        assert moved(vr, moved(vr, text, shift), shift.back) == text


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(1910, 1, 1)), st.integers(0, 10**6), st.integers(1, 59))
def test_the_seconds_between_two_moments_stay_what_they_are(moment, later_s, minutes):
    """Also from one day to the next, whether a moment is told by one attribute or by a date and a time."""
    assume(moment < datetime(9990, 1, 1))
    shift = Shift(400, minutes)
    moments = [moment.replace(microsecond=0), moment.replace(microsecond=0) + timedelta(seconds=later_s)]
    told = [datetime.strptime(moved("DT", m.strftime("%Y%m%d%H%M%S"), shift), "%Y%m%d%H%M%S") for m in moments]
    apart = []
    for m in moments:
        day, time = m.strftime("%Y%m%d"), m.strftime("%H%M%S")
        apart.append(datetime.strptime(moved_along(day, time, shift) + moved("TM", time, shift), "%Y%m%d%H%M%S"))
    assert told == apart and told[1] - told[0] == timedelta(seconds=later_s)


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DA", "20240301", "20240229"),
        ("DA", "2024.03.01", "20240229"),
        ("DA", "20240301\\20240302", "20240229\\20240301"),
        ("DA", "yesterday", ""),
        ("DA", "00010101", ""),
        ("DT", "20240301101112.123+0100", "20240229104112.123"),
        ("DT", "20240301234500", "20240301001500"),
        ("DT", "2024030110", "2024022910"),
        ("DT", "202403", "202402"),
        ("TM", "101112", "104112"),
        ("TM", "1011", "1041"),
        ("TM", "10", "10"),
        ("TM", "235959.9", "002959.9"),
        ("TM", "23:59:59", "002959"),
        ("TM", "101112.1234567", "104112.123456"),
        ("TM", "235960", "002959"),
        ("TM", "10:11 Miller", ""),
        ("TM", "noon", ""),
    ],
)
def test_a_date_moves_by_days_and_a_time_by_minutes_each_in_its_own_precision(vr, value, expected):
    assert moved(vr, value, Shift(1, 30)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20240301071530.25+0000", "20240229094530.25"),
        ("202403010715+0545", "202402290400"),
        ("20240301233000-0100\\20240301101112", "20240301030000\\20240229104112"),
        ("2024030107+0000", "2024022907"),
        ("20240301+0000", "20240229"),
        ("20240301071530-0000", "20240229074530"),
        ("20240301071530+1500", "20240229074530"),
        ("20240301071530+02", "20240229074530"),
    ],
)
def test_a_moment_that_tells_minutes_and_a_valid_offset_becomes_local_time(value, expected):
    assert moved("DT", value, Shift(1, 30), zone=120) == expected


def test_a_source_digest_is_keyed_and_over_all_bytes(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(3 << 20))
    digest = ONE.source_digest(path)
    assert len(digest) == 64 and digest != TWO.source_digest(path)
    assert digest != hmac.digest(bytes(32), path.read_bytes(), "sha256").hex()
    path.write_bytes(bytes((3 << 20) - 1) + b"\1")
    assert ONE.source_digest(path) != digest


def test_a_large_source_has_the_digest_that_it_has_when_read_in_small_pieces(tmp_path, monkeypatch):
    path, maker = tmp_path / "large", Pseudonyms.from_secret(bytes(range(32)))
    for size in (128, 129, 5000, 70_000):
        path.write_bytes(bytes(number * number & 255 for number in range(size)))
        monkeypatch.setattr(naming, "_MAPPED_BYTES", size + 1)
        read = maker.source_digest(path)
        monkeypatch.setattr(naming, "_MAPPED_BYTES", 1)
        monkeypatch.setattr(naming, "_PIECE", 4096)
        assert maker.source_digest(path) == read


def test_subkeys_are_those_of_hkdf(tmp_path):
    secret = bytes(range(32))
    derived = HKDF(SHA256(), length=32, salt=None, info=b"aegle pseudonyms 1 source").derive(secret)
    (tmp_path / "source").write_bytes(bytes(1000))
    expected = hmac.digest(derived, bytes(1000), "sha256").hex()
    assert Pseudonyms.from_secret(secret).source_digest(tmp_path / "source") == expected


def test_a_short_secret_is_refused():
    with pytest.raises(BadConfig, match="32 bytes"):
        Pseudonyms.from_secret(b"short")
