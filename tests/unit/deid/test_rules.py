"""One test a row of PS3.15 Table E.1-1, through the whole engine, and the nets behind the table."""

import struct

import pytest
from pydicom.datadict import dictionary_has_tag, dictionary_VR

from aegle.deid import Option, default_profile, profile
from aegle.deid.table import Row, rows
from aegle.errors import BadConfig

LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
CANARY = "Zyx7Canary"
VALUES = {
    **dict.fromkeys(("LO", "SH", "ST", "LT", "UT", "UC", "CS", "AE", "PN", "OB", "UN", "OW"), CANARY.encode()),
    "UR": b"urn:x:Zyx7Canary",
    "DA": b"19870605",
    "DT": b"19870605101112.5",
    "TM": b"101112.345",
    "AS": b"047Y",
    "DS": b"31.41",
    "IS": b"3141",
    "UI": b"1.3.6.1.4.1.99999.7.7",
    "US": b"\x07\x0c",
}
#: Rows whose written form is fixed whatever the source holds, or which stand outside the data set.
ELSEWHERE = {0x00120063, 0x00120062, 0x00120064, 0x00280303}
IN_DATA_SET = [row for row in rows() if row.tag >> 16 >= 8 and row.tag not in ELSEWHERE]


def vr_of(row: Row) -> str:
    return dictionary_VR(row.tag).split(" ")[0] if dictionary_has_tag(row.tag) else row.vr or "LO"


def element(tag: int, vr: str, value: bytes) -> bytes:
    value += b" " * (len(value) & 1)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    return head + (struct.pack("<HL", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))) + value


def planted(ds, written, tag: int, vr: str) -> bytes:
    """The still with one more element at its place, whatever pydicom thinks of it."""
    if vr == "SQ":
        inner = element(0x00080104, "LO", CANARY.encode()) + element(0x00100010, "PN", CANARY.encode())
        value = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner)) + inner
    else:
        value = VALUES[vr]
    if tag in ds:
        del ds[tag]
    if tag > 0x7FE00010:
        return written(ds) + element(tag, vr, value)
    content = written(ds)
    later = min(item.tag for item in ds if item.tag > tag)
    at = content.index(struct.pack("<HH", later.group, later.element) + ds[later].VR.encode(), 300)
    return content[:at] + element(tag, vr, value) + content[at:]


@pytest.mark.parametrize("row", IN_DATA_SET, ids=lambda row: f"{row.tag:08X}")
def test_the_row_is_honoured(row, still, run, written):
    vr = vr_of(row)
    outcome = run(planted(still(), written, row.tag, vr) if row.tag not in KEYS else still())
    assert outcome.check() is None
    ds = outcome.dataset
    code = "C" if set(row.options) & {Option.MODIFIED_DATES, Option.STRUCTURED} else row.basic
    code = "Z" if row.tag == SOURCE_MANUFACTURER else code
    EXPECTED[code](ds, row.tag, vr)
    assert VALUES["UI"] not in outcome.bytes
    assert not (row.basic != "U" and code != "C" and CANARY.encode() in outcome.bytes)


SOURCE_MANUFACTURER = 0x300A0216  # X, and Type 2 where it stands
KEYS = {0x00080018, 0x0020000D, 0x0020000E}


def is_gone(ds, tag, vr):
    assert tag not in ds


def is_empty(ds, tag, vr):
    if tag in {0x00100010, 0x00100020}:
        assert ds.PatientID in str(ds[tag].value) and ds.PatientID.startswith("AG-")
    else:
        assert tag not in ds if vr == "SQ" and tag not in ds else ds[tag].is_empty


def is_dummy(ds, tag, vr):
    if vr == "SQ":
        assert tag not in ds or tag in {0x0040A073, 0x00081111}
    else:
        assert not ds[tag].is_empty and CANARY not in str(ds[tag].value)


def is_alias(ds, tag, vr):
    assert str(ds[tag].value).startswith("2.25.") or tag in {0x00080016}


def is_entered(ds, tag, vr):
    if tag in ds:
        assert all("PatientName" not in item or CANARY not in str(item.PatientName) for item in ds[tag].value)


def is_cleaned(ds, tag, vr):
    if vr == "SQ":
        is_entered(ds, tag, vr)
        return
    if tag not in ds:
        return
    value = str(ds[tag].value)
    assert "19870605" not in value and "1112" not in value
    if vr == "TM":
        assert not value or (value[:2] in {"10", "11", "13"} and value[:4] not in {"1011", "1300"})


EXPECTED = {
    "X": is_gone,
    "Z": is_empty,
    "D": is_dummy,
    "U": is_alias,
    "X/Z": is_empty,
    "X/D": is_dummy,
    "Z/D": is_dummy,
    "X/Z/D": is_dummy,
    "X/Z/U*": is_entered,
    "C": is_cleaned,
}


def test_every_row_of_the_edition_is_there():
    assert len(rows()) == 657 - 4
    assert len(IN_DATA_SET) > 640


def test_private_and_unknown_attributes_go_at_every_depth(still, run, written):
    ds = still()
    block = ds.private_block(0x0009, "CANARY CREATOR", create=True)
    block.add_new(1, "LO", CANARY)
    ds.add_new(0x00400560, "SQ", [type(ds)()])
    inner = ds[0x00400560].value[0].private_block(0x0011, "CANARY CREATOR", create=True)
    inner.add_new(2, "OB", CANARY.encode())
    outcome = run(ds)
    assert outcome.check() is None
    assert b"CANARY" not in outcome.bytes.upper()
    assert outcome.done.counts[0x00090000, "remove"] == 2


def test_a_curve_and_an_overlay_go_whole(still, run):
    ds = still()
    ds.add_new(0x50002000, "US", 1)
    ds.add_new(0x60003000, "OW", CANARY.encode())
    ds.add_new(0x60000010, "US", 4)
    outcome = run(ds)
    assert not [item for item in outcome.dataset if item.tag.group in (0x5000, 0x6000)]


def test_the_digest_names_options_and_rules():
    basic = profile("p", frozenset())
    assert basic.digest != default_profile().digest
    assert basic.digest == profile("p", frozenset()).digest
    assert basic.digest != profile("p", frozenset({Option.DEVICE})).digest


def test_dates_cannot_be_kept_and_moved_at_once():
    with pytest.raises(BadConfig, match="not both"):
        profile("p", frozenset({Option.FULL_DATES, Option.MODIFIED_DATES}))
