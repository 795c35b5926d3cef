"""The elements that every written object has, whatever its source had there (PS3.15 §E.1.1)."""

from collections.abc import Mapping
from functools import lru_cache

from aegle.deid.judge import Verdict
from aegle.deid.profile import Profile
from aegle.deid.repaint import Repainted
from aegle.deid.survey import BURNED_IN, MARK, PHOTOMETRIC
from aegle.deid.table import CLEAN_PIXELS, METHOD_CODES, Option
from aegle.dicom.walk import EXPLICIT_LE, Encoding


def insertions(
    encoding: Encoding, alias: str, profile: Profile, verdict: Verdict, repainted: Repainted | None
) -> Mapping[int, bytes]:
    """By tag: the patient's alias, what was done, and what describes pixels that were painted and encoded anew."""
    said = _said(encoding, alias, profile, verdict)
    return {**said, **_new_encoding(repainted)} if repainted else said


@lru_cache(maxsize=64)
def _said(encoding: Encoding, alias: str, profile: Profile, verdict: Verdict) -> Mapping[int, bytes]:
    """What all objects of a patient with the same verdict have."""
    method = "\\".join((MARK, profile.digest, profile.name)).encode()
    options = (*sorted(profile.options), *((CLEAN_PIXELS,) if verdict.boxes else ()))
    values = {
        0x00100010: (b"PN", f"{alias}^".encode()),
        0x00100020: (b"LO", alias.encode()),
        0x00120062: (b"CS", b"YES" if verdict.certified else b"NO"),
        0x00120063: (b"LO", method),
        0x00120064: (b"SQ", _method_codes(encoding, options)),
        0x00280303: (b"CS", _temporal(profile)),
    }
    if verdict.boxes:
        values[BURNED_IN] = (b"CS", b"NO")
    return {tag: encoding.emit(tag, vr, value) for tag, (vr, value) in values.items()}


def _new_encoding(repainted: Repainted) -> dict[int, bytes]:
    """What describes the pixels once they are encoded anew; nothing where an attribute has to go."""
    colour = repainted.photometric == "YBR_RCT"
    return {
        PHOTOMETRIC: EXPLICIT_LE.emit(PHOTOMETRIC, b"CS", repainted.photometric.encode()),
        0x00280006: EXPLICIT_LE.emit(0x00280006, b"US", b"\0\0") if colour else b"",
        0x7FE00001: b"",  # the extended offset table and its lengths belong to the source's frames
        0x7FE00002: b"",
    }


@lru_cache
def _method_codes(encoding: Encoding, options: tuple[Option | str, ...]) -> bytes:
    emit = encoding.emit
    return b"".join(
        encoding.item(
            emit(0x00080100, b"SH", METHOD_CODES[option][0].encode())
            + emit(0x00080102, b"SH", b"DCM")
            + emit(0x00080104, b"LO", METHOD_CODES[option][1].encode())
        )
        for option in (None, *options)
    )


def _temporal(profile: Profile) -> bytes:
    if Option.MODIFIED_DATES in profile.options:
        return b"MODIFIED"
    return b"UNMODIFIED" if Option.FULL_DATES in profile.options else b"REMOVED"
