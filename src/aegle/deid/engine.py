"""De-identification of one file: survey, judge, rewrite the header, prove the pixels, write.

Memory is that of the header, whatever the object's size. The same source, secret and profile give the same bytes.
"""

import mmap
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from aegle.deid.codestreams import Blank
from aegle.deid.identifiers import Search, search_for, texts
from aegle.deid.insertions import insertions
from aegle.deid.judge import Verdict, judge
from aegle.deid.masks import Box, Device
from aegle.deid.moments import late_dates
from aegle.deid.outcome import Deidentified
from aegle.deid.overlays import FIRST, LAST, clean_rules, planes
from aegle.deid.paint import in_place, painted
from aegle.deid.part10 import DEFLATED, SYNTAXES, Holding, inflate, read_meta, write_meta
from aegle.deid.pixels import Blanks, Extent, locate, prove
from aegle.deid.placeholders import names_nobody
from aegle.deid.profile import Profile
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.reasons import Held, HoldReason
from aegle.deid.recall import Notes, memory
from aegle.deid.repaint import SYNTAX as REPAINTED_SYNTAX
from aegle.deid.repaint import Repainted, repaint
from aegle.deid.replacements import Replacements
from aegle.deid.rewrite import Rewriter
from aegle.deid.rules import Rule
from aegle.deid.safe_private import Blocks
from aegle.deid.splice import Content, Written, write, write_deflated
from aegle.deid.subject import Subject
from aegle.deid.survey import Survey, look
from aegle.deid.values import Values, tell
from aegle.dicom.walk import EXPLICIT_LE, PIXEL_DATA, UNDEFINED, BrokenEncoding, Buffer
from aegle.references import InstanceRef

#: A file of up to so many is read, and not mapped: the pages of a map take longer to set up and to give back than to copy.
_READ_AT_ONCE_BYTES = 2 << 20
_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_Parts = tuple[bytes, Extent | None, bytes]  #: header, pixels and tail of an object


def deidentify(
    source: Path, target: Path, profile: Profile, pseudonyms: Pseudonyms, values: Values | None = None
) -> Deidentified | Held:
    """Write `source` clean to `target`, or say why not and leave no target.

    The target is a file of a work folder: whole when this returns, and not yet durable. Whoever keeps it syncs it and
    moves it into place; after a crash what stands there is thrown away.
    `values` says which words kept text may hold: an object with others is held as FIRST_SEEN_VALUE. Without it any
    word passes that is not the object's own identifier: for whoever looks at each result himself.
    Any content whatever ends in one of the two. Raises StorageFull, and OSError when a path cannot be used.
    """
    try:
        with _opened(source, lambda: target.parent) as origin:
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
        with _opened(source, lambda: scratch_folder) as origin:
            return look(SYNTAXES[origin.syntax].encoding, origin.data, origin.pos).source
    except (Holding, BrokenEncoding):
        return None


def device_of(source: Path, scratch_folder: Path) -> Device | None:
    """What a file says of the device that made its picture; None when its header cannot be walked."""
    try:
        with _opened(source, lambda: scratch_folder) as origin:
            return look(SYNTAXES[origin.syntax].encoding, origin.data, origin.pos).device
    except (Holding, BrokenEncoding):
        return None


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """The source, open: `data[pos:]` is its data set."""

    path: Path
    file: IO[bytes] | None  #: what `data` maps; None where it maps nothing, or something inflated
    data: Buffer
    pos: int
    syntax: str


def _opened(source: Path, scratch_folder: Callable[[], Path]) -> AbstractContextManager[_Origin]:
    """The source while a block runs. Raises Holding, BrokenEncoding."""
    small = _whole(source)
    if small is not None:
        syntax, pos = read_meta(small)
        if syntax != DEFLATED:
            return nullcontext(_Origin(path=source, file=None, data=small, pos=pos, syntax=syntax))
    return _opened_in_pieces(source, scratch_folder())


def _whole(source: Path) -> bytes | None:
    """A small file's content; None for a large one."""
    handle = os.open(source, _READ_ONLY)
    try:
        size = os.fstat(handle).st_size
        if not size:
            raise Holding(HoldReason.NOT_DICOM, "an empty file")
        return _read(handle, size) if size <= _READ_AT_ONCE_BYTES else None
    finally:
        os.close(handle)


def _read(handle: int, size: int) -> bytes:
    """The whole file, which a network may give in pieces; less of one that becomes shorter meanwhile."""
    data = os.read(handle, size)
    while len(data) < size and (more := os.read(handle, size - len(data))):
        data += more
    return data


@contextmanager
def _opened_in_pieces(source: Path, scratch_folder: Path) -> Iterator[_Origin]:
    with source.open("rb", buffering=0) as file, _mapped(file) as data:
        syntax, pos = read_meta(data)
        if syntax != DEFLATED:
            yield _Origin(path=source, file=file, data=data, pos=pos, syntax=syntax)
            return
        with (
            tempfile.TemporaryFile(dir=scratch_folder) as scratch,
            _closing(inflate(data, pos, scratch)) as inflated,
        ):
            yield _Origin(path=source, file=None, data=inflated, pos=0, syntax=syntax)


def _mapped(file: IO[bytes]) -> AbstractContextManager[mmap.mmap]:
    if not os.fstat(file.fileno()).st_size:
        raise Holding(HoldReason.NOT_DICOM, "an empty file")
    return _closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


@contextmanager
def _closing(data: mmap.mmap) -> Iterator[mmap.mmap]:
    """The map, closed after the block. An error on its way out holds views of it, and must be told, not that."""
    try:
        yield data
    finally:
        with suppress(BufferError):
            data.close()


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
    pseudonyms = profile.naming(pseudonyms)
    survey.require_character_set()
    verdict = judge(survey, profile.pixel_rules)
    paints_anew = verdict.boxes and not in_place(survey, SYNTAXES[origin.syntax])
    with _repainted(origin, verdict.boxes, target.parent) if paints_anew else nullcontext() as repainted:
        alias = patient_alias(survey, pseudonyms)
        encoding = SYNTAXES[origin.syntax].encoding
        rules = profile.rules_of(survey.source.sop_class)
        shift, zone = pseudonyms.shift(alias), survey.zone
        subject = Subject.of(survey, rules, shift)
        own_rules = _own_rules(origin, survey, profile)
        kind = (profile, survey.source.sop_class, pseudonyms, survey.character_set, encoding, values)
        inserted = {
            **insertions(encoding, alias, profile, verdict, repainted),
            **late_dates(encoding, survey.values, profile.rules, shift),
        }
        rewriter = Rewriter(
            data=origin.data,
            rules=rules,
            replacements=Replacements(pseudonyms, alias, survey.character_set, zone, subject),
            subject=subject,
            character_set=survey.character_set,
            target=encoding,
            insertions=inserted,
            values=values,
            memory=memory(*kind, subject=subject.of_any_name, own_rules=tuple(own_rules.items())),
            patients=memory(*kind, alias, zone, tuple(inserted.items()), subject, tuple(own_rules.items())),
            own_rules=own_rules,
            private=profile.private,
        )
        parts, notes = _rewritten(rewriter, origin, survey)
        if zone is None and len(notes.offsets) > 1:
            raise Holding(HoldReason.UNKNOWN_ZONE, "moments told with different offsets from UTC")
        if notes.first_seen:
            raise Holding(HoldReason.FIRST_SEEN_VALUE, tell(notes.first_seen), frozenset(notes.first_seen))
        ref = _alias_of(survey.source, pseudonyms)
        syntax = REPAINTED_SYNTAX if repainted else origin.syntax
        meta = write_meta(ref.sop_class, ref.sop_uid, syntax)
        if repainted:
            written = _write_repainted(repainted, target, meta, parts)
        else:
            written = _write(origin, survey, target, meta, parts, verdict)
    return Deidentified(
        alias=ref,
        source=survey.source,
        patient_alias=alias,
        uids=notes.uids,
        identity=survey.identity,
        counts=Counter(notes.done),
        profile_digest=profile.digest,
        transfer_syntax=syntax,
        size_bytes=written.size_bytes,
        pixels_certified=verdict.certified,
        blanked=written.blanks,
        painted=verdict.boxes,
        text_risk=verdict.text_risk,
    )


def _own_rules(origin: _Origin, survey: Survey, profile: Profile) -> Mapping[int, Rule]:
    """The rules of what is private, or an overlay, in this object's top level and may stay."""
    if not (profile.private or profile.overlays):
        return {}
    data, level = origin.data, survey.level
    heads = level.between(FIRST, LAST) if profile.overlays else ()
    found = (
        (head.tag, head.vr, data[head.value : head.value + head.length]) for head in heads if head.length != UNDEFINED
    )
    overlays = clean_rules(planes(found, is_big_endian=survey.big_endian))
    private = Blocks(profile.private).rules(data, level.between(0, PIXEL_DATA)) if profile.private else {}
    return overlays | private


@contextmanager
def _repainted(origin: _Origin, boxes: Sequence[Box], scratch_folder: Path) -> Iterator[Repainted]:
    """The painted element in a file of its own, while the block runs."""
    if SYNTAXES[origin.syntax].encoding is not EXPLICIT_LE or origin.syntax == DEFLATED:
        raise Holding(HoldReason.BURNED_IN_RISK, "a picture encoded like this cannot be painted over")
    with tempfile.TemporaryDirectory(dir=scratch_folder) as folder:
        yield repaint(origin.path, Path(folder) / "element", boxes)


def _write(origin: _Origin, survey: Survey, target: Path, meta: bytes, parts: _Parts, verdict: Verdict) -> Written:
    """Write the file."""
    header, pixels, tail = parts

    def proof() -> Collection[Blank]:
        if pixels is None:
            return ()
        blanks = Blanks()
        if verdict.boxes:
            blanks.add(painted(verdict.boxes, survey, pixels))
        blanks.add(prove(origin.data, pixels, SYNTAXES[origin.syntax], survey))
        return blanks

    if origin.syntax == DEFLATED:
        content = Content(head=header, pixels=pixels, tail=tail, data=origin.data, proof=proof)
        return write_deflated(target, meta, content)
    content = Content(head=meta + header, pixels=pixels, tail=tail, data=origin.data, proof=proof)
    return write(target, content, origin.file)


def _write_repainted(repainted: Repainted, target: Path, meta: bytes, parts: _Parts) -> Written:
    """Write the file with the painted element in place of the source's."""
    header, _, tail = parts
    with repainted.path.open("rb", buffering=0) as file, _mapped(file) as data:
        pixels = Extent(start=0, value=12, end=len(data), swapped=False, fragments=None)
        return write(target, Content(head=meta + header, pixels=pixels, tail=tail, data=data, proof=tuple), file)


def _rewritten(rewriter: Rewriter, origin: _Origin, survey: Survey) -> tuple[_Parts, Notes]:
    """Header, pixels and tail; of a second pass when kept text holds an identifier met anywhere in the object."""
    parts, notes = _pass(rewriter, origin, survey), rewriter.notes
    own, charset, kept = survey.source.sop_uid, survey.character_set, b"\n".join(notes.kept_text)
    # What a series has in common is searched for by one search, which is there already, what is the object's own by itself.
    found = search_for(frozenset(notes.identifiers - {own}), charset).hits(kept)
    if not found and (own.encode() in kept or b"\0" in kept):
        found = Search([own], charset).hits(kept)
    if not found:
        return parts, notes
    again = replace(rewriter, forbidden=Search(notes.identifiers, charset), notes=Notes.none())
    return _pass(again, origin, survey), again.notes


def _pass(rewriter: Rewriter, origin: _Origin, survey: Survey) -> _Parts:
    header = rewriter.header(survey.level)
    if survey.level.pixels is None:
        return header, None, b""
    pixels = locate(origin.data, survey.level.pixels, SYNTAXES[origin.syntax], origin.file)
    return header, pixels, rewriter.tail(pixels.end)


def patient_alias(survey: Survey, pseudonyms: Pseudonyms) -> str:
    """The alias of the object's patient; without a Patient ID, or with a placeholder, one of the study's own, so that strangers
    stay apart."""
    values, charset = survey.values, survey.character_set
    patient = texts(values.get(0x00100020, b""), charset).strip("\0 ")
    if names_nobody(patient):
        return pseudonyms.patient_id(survey.source.study_uid, "\0study without a patient id")
    return pseudonyms.patient_id(patient, texts(values.get(0x00100021, b""), charset).strip("\0 "))


def _alias_of(source: InstanceRef, pseudonyms: Pseudonyms) -> InstanceRef:
    return InstanceRef(
        study_uid=pseudonyms.uid(source.study_uid),
        series_uid=pseudonyms.uid(source.series_uid),
        sop_uid=pseudonyms.uid(source.sop_uid),
        sop_class=source.sop_class,
    )
