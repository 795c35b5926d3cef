"""De-identification of one file: survey, judge, rewrite the header, prove the pixels, write.

Memory is that of the header, whatever the object's size. The same source, secret and profile give the same bytes.
"""

import mmap
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aegle.deid.identifiers import Search, texts
from aegle.deid.outcome import Deidentified
from aegle.deid.part10 import DEFLATED, SYNTAXES, Holding, inflate, read_meta, write_meta
from aegle.deid.pixels import Pixels, prove
from aegle.deid.profile import Profile
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.reasons import Held, HoldReason
from aegle.deid.rewrite import Rewriter
from aegle.deid.splice import Content, write
from aegle.deid.survey import MARK, Survey, judge, look
from aegle.deid.table import METHOD_CODES, Option
from aegle.deid.values import Values, tell
from aegle.dicom.walk import BrokenEncoding, Buffer, Encoding
from aegle.records import InstanceRef


def deidentify(
    source: Path, target: Path, profile: Profile, pseudonyms: Pseudonyms, values: Values | None = None
) -> Deidentified | Held:
    """Write `source` clean to `target`, durable when this returns, or say why not and leave no target.

    `values` says which words kept text may hold: an object with others is held as FIRST_SEEN_VALUE. Without it any
    word passes that is not the object's own identifier: for whoever looks at each result himself.
    Any content whatever ends in one of the two. Raises StorageFull, and OSError when a path cannot be used.
    """
    try:
        with _opened(source, target.parent) as origin:
            return _deidentified(origin, target, profile, pseudonyms, values)
    except (Holding, BrokenEncoding) as stopped:
        return _held(stopped, None)


def _held(stopped: Holding | BrokenEncoding, source: InstanceRef | None) -> Held:
    reason = stopped.reason if isinstance(stopped, Holding) else HoldReason(stopped.flaw)
    first_seen = stopped.first_seen if isinstance(stopped, Holding) else frozenset()
    return Held(reason=reason, detail=str(stopped), source=source, first_seen=first_seen)


def identify(source: Path, scratch_folder: Path) -> InstanceRef | None:
    """What a file that may be anything says it is: its original UIDs, empty where it does not say; None when its header
    cannot be walked. Bounded as `deidentify` is. Raises OSError when the path cannot be read."""
    try:
        with _opened(source, scratch_folder) as origin:
            return look(SYNTAXES[origin.syntax].encoding, origin.data, origin.pos).source
    except (Holding, BrokenEncoding):
        return None


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """The source, open: `data[pos:]` is its data set."""

    file: IO[bytes]
    data: Buffer
    pos: int
    syntax: str


@contextmanager
def _opened(source: Path, scratch_folder: Path) -> Iterator[_Origin]:
    with source.open("rb") as file:
        if not source.stat().st_size:
            raise Holding(HoldReason.NOT_DICOM, "an empty file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            syntax, pos = read_meta(data)
            if syntax != DEFLATED:
                yield _Origin(file=file, data=data, pos=pos, syntax=syntax)
                return
            with tempfile.TemporaryFile(dir=scratch_folder) as scratch, inflate(data, pos, scratch) as inflated:
                yield _Origin(file=file, data=inflated, pos=0, syntax=syntax)


def _deidentified(
    origin: _Origin, target: Path, profile: Profile, pseudonyms: Pseudonyms, values: Values | None
) -> Deidentified | Held:
    survey = look(SYNTAXES[origin.syntax].encoding, origin.data, origin.pos)
    try:
        return _cleaned(origin, survey, target, profile, pseudonyms, values)
    except (Holding, BrokenEncoding) as stopped:
        return _held(stopped, survey.source)


def _cleaned(
    origin: _Origin, survey: Survey, target: Path, profile: Profile, pseudonyms: Pseudonyms, values: Values | None
) -> Deidentified:
    syntax, pseudonyms = SYNTAXES[origin.syntax], profile.naming(pseudonyms)
    certified = judge(survey)
    alias = patient_alias(survey, pseudonyms)
    inserted = _insertions(syntax.encoding, alias, profile, certified=certified)
    rewriter = Rewriter(
        data=origin.data,
        rules=profile.rules,
        pseudonyms=pseudonyms,
        patient_alias=alias,
        character_set=survey.character_set,
        target=syntax.encoding,
        insertions=inserted,
        values=values,
    )
    header, pixels, tail = _rewritten(rewriter, origin, survey)
    if rewriter.first_seen:
        raise Holding(HoldReason.FIRST_SEEN_VALUE, tell(rewriter.first_seen), frozenset(rewriter.first_seen))
    ref = _alias_of(survey.source, pseudonyms)
    meta = write_meta(ref.sop_class, ref.sop_uid, origin.syntax)
    content = Content(meta=meta, header=header, pixels=pixels, tail=tail, deflate=origin.syntax == DEFLATED)
    size = write(target, content, origin.file, origin.data)
    return Deidentified(
        alias=ref,
        source=survey.source,
        patient_alias=alias,
        uids=dict(rewriter.uids),
        identity=survey.identity,
        counts=dict(rewriter.counts),
        profile_digest=profile.digest,
        transfer_syntax=origin.syntax,
        size_bytes=size,
        pixels_certified=certified,
        blanked=len(pixels.blanks) if pixels else 0,
    )


def _rewritten(rewriter: Rewriter, origin: _Origin, survey: Survey) -> tuple[bytes, Pixels | None, bytes]:
    """Header, pixels and tail; a second pass when kept text holds an identifier met anywhere in the object."""
    result = _pass(rewriter, origin, survey)
    found = Search(rewriter.identifiers, survey.character_set)
    if not found.hits(b"\n".join(rewriter.kept_text)):
        return result
    rewriter.forbidden = found
    rewriter.counts.clear()
    rewriter.first_seen.clear()
    return _pass(rewriter, origin, survey)


def _pass(rewriter: Rewriter, origin: _Origin, survey: Survey) -> tuple[bytes, Pixels | None, bytes]:
    header = rewriter.header(origin.pos)
    if rewriter.pixels is None:
        return header, None, b""
    pixels = prove(origin.data, rewriter.pixels, SYNTAXES[origin.syntax], survey)
    return header, pixels, rewriter.tail(pixels.end)


def patient_alias(survey: Survey, pseudonyms: Pseudonyms) -> str:
    """The alias of the object's patient; without a Patient ID one of the study's own, so that strangers stay apart."""
    values, charset = survey.values, survey.character_set
    patient = texts(values.get(0x00100020, b""), charset).strip("\0 ")
    if not patient:
        return pseudonyms.patient_id(survey.source.study_uid, "\0study without a patient id")
    return pseudonyms.patient_id(patient, texts(values.get(0x00100021, b""), charset).strip("\0 "))


def _alias_of(source: InstanceRef, pseudonyms: Pseudonyms) -> InstanceRef:
    return InstanceRef(
        study_uid=pseudonyms.uid(source.study_uid),
        series_uid=pseudonyms.uid(source.series_uid),
        sop_uid=pseudonyms.uid(source.sop_uid),
        sop_class=source.sop_class,
    )


def _insertions(encoding: Encoding, alias: str, profile: Profile, *, certified: bool) -> Mapping[int, bytes]:
    """The elements that every written object has, whatever its source had there (PS3.15 §E.1.1)."""
    method = "\\".join((MARK, profile.digest, profile.name)).encode()
    values = {
        0x00100010: (b"PN", f"{alias}^".encode()),
        0x00100020: (b"LO", alias.encode()),
        0x00120062: (b"CS", b"YES" if certified else b"NO"),
        0x00120063: (b"LO", method),
        0x00120064: (b"SQ", _method_codes(encoding, profile)),
        0x00280303: (b"CS", _temporal(profile)),
    }
    return {tag: encoding.emit(tag, vr, value) for tag, (vr, value) in values.items()}


def _method_codes(encoding: Encoding, profile: Profile) -> bytes:
    emit = encoding.emit
    chosen = (None, *sorted(profile.options))
    return b"".join(
        encoding.item(
            emit(0x00080100, b"SH", METHOD_CODES[option][0].encode())
            + emit(0x00080102, b"SH", b"DCM")
            + emit(0x00080104, b"LO", METHOD_CODES[option][1].encode())
        )
        for option in chosen
    )


def _temporal(profile: Profile) -> bytes:
    if Option.MODIFIED_DATES in profile.options:
        return b"MODIFIED"
    return b"UNMODIFIED" if Option.FULL_DATES in profile.options else b"REMOVED"
