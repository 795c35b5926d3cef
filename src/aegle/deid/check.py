"""The independent check before anything leaves: another reader (pydicom) over the written file.

It trusts nothing the engine says but the rules and the UID map: it reads both files anew, collects the source's
identifiers itself, and looks for them in the output's elements and raw bytes in every encoding. Peak memory is the
header's and, of the pixels, one piece of 1 MiB from each file.
"""

import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

from pydicom.dataelem import RawDataElement

from aegle.deid.identifiers import Search, search_for
from aegle.deid.outcome import Deidentified
from aegle.deid.overlays import clean_groups, planes
from aegle.deid.part10 import IMPLEMENTATION_VERSION
from aegle.deid.private_verdicts import private_in
from aegle.deid.profile import Profile
from aegle.deid.pseudonyms import is_public
from aegle.deid.reading import Part, Reading, opened
from aegle.deid.reasons import Held, HoldReason
from aegle.deid.repaint import painted_well
from aegle.deid.rules import Action
from aegle.deid.spare_bits import SpareBits
from aegle.deid.spare_codes import held_for_spare_bits
from aegle.deid.spellings import EDGE
from aegle.deid.survey import MARK
from aegle.deid.sweep import AROUND, hidden_bits, same_pixels, sweep
from aegle.deid.table import METHOD_CODES
from aegle.deid.threads import beside
from aegle.deid.verdicts import identifiers, in_output, values_of

#: What every output says about itself; a patient called like a word of it is not left in it.
_OWN_WORDS = " ".join((MARK, IMPLEMENTATION_VERSION, *chain.from_iterable(METHOD_CODES.values()), "")).encode()
_RAW_SHORTEST = 8  #: characters; a shorter word turns up by chance in compressed pictures
_HEADER_SHORTEST = 5  #: bytes of a word with letters, in tables of a header
_SOP_CLASS, _SOP_INSTANCE, _PATIENT_ID = 0x00080016, 0x00080018, 0x00100020
_HOUR_ALONE = 2  #: digits of a time that says no minutes; it stays


def check(source: Path, target: Path, done: Deidentified, profile: Profile) -> Held | None:
    """None when the target is proved clean; otherwise why it must not leave. Writes nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _checked(source, target, done, profile)
        except Exception as error:  # noqa: BLE001 - a reader over hostile bytes: whatever it raises, nothing is proved
            return Held(reason=HoldReason.CHECK_FAILED, detail=f"the other reader fails: {type(error).__name__}")


def _checked(source: Path, target: Path, done: Deidentified, profile: Profile) -> Held | None:
    with opened(source, whole=False) as original, opened(target, whole=True) as written:
        texts: list[tuple[int, bytes]] = []
        published: list[bytes] = []
        faults = chain(
            _faults(written, done, profile, texts, published), _unmoved_dates(original.header, written.header, profile)
        )
        fault = next(faults, None)
        if fault:
            return Held(reason=HoldReason.CHECK_FAILED, detail=fault)
        spare, pixels = SpareBits(written), written.pixels
        with beside(pixels.end - pixels.start, threads=1) as another:
            same = another.submit(_same_pixels, original, written, source, target, done, spare)
            where = _left_in_file(original, written, texts, published, profile, done)
        if not same.result():
            beyond = " beside what was painted over" if done.painted else ""
            return Held(reason=HoldReason.CHECK_FAILED, detail=f"the pixels differ from the source's{beyond}")
        if hidden_bits(pixels, spare, met=not done.painted):
            return Held(reason=HoldReason.HIDDEN_BITS, detail="bits beside those that Bits Stored names are in use")
        if held := held_for_spare_bits(written, target):
            return held
        return Held(reason=HoldReason.IDENTIFIER_LEFT, detail=where) if where else None


def _same_pixels(
    original: Reading, written: Reading, source: Path, target: Path, done: Deidentified, spare: SpareBits
) -> bool:
    if done.painted:
        return painted_well(source, target, done.painted)
    return same_pixels(original.pixels, written.pixels, blanks=done.blanked > 0, spare=spare)


def _left_in_file(
    original: Reading,
    written: Reading,
    texts: Sequence[tuple[int, bytes]],
    published: Sequence[bytes],
    profile: Profile,
    done: Deidentified,
) -> str | None:
    """Where the output holds an identifier of the source's."""
    found, charset = _identifiers(original, profile, done), original.header.character_set
    search, known = search_for(found, charset), b"\n".join(published)
    if left := _left_in(texts, search):
        return left
    found = frozenset(word for word in found if not word.startswith(EDGE))  # of values, not of bytes
    if search.hits(known):  # in raw bytes nobody can tell them apart
        found = frozenset(word for word in found if not Search([word], charset).hits(known))
    around = search_for(frozenset(filter(_stands_out, found)), charset)
    where = sweep(written.pixels, around, search_for(found, charset, _RAW_SHORTEST))
    return _around(written, around) if where == AROUND else where


def _around(written: Reading, search: Search) -> str:
    """The element in whose raw bytes an identifier is, where it lies in one that can be named."""
    for part in (written.header, written.after):
        for tag, raw in part.elements.items():
            if isinstance(raw, RawDataElement) and search.hits(part.reader.whole(raw)):
                return f"the raw bytes of {_shown(tag)}"
    return AROUND


def _stands_out(word: str) -> bool:
    """Whether a word does not turn up by chance in the binary values of a header: a word of letters is told from them sooner
    than a number."""
    return len(word) >= _RAW_SHORTEST or (not word.isdigit() and len(word.encode()) >= _HEADER_SHORTEST)


def _faults(
    written: Reading, done: Deidentified, profile: Profile, texts: list[tuple[int, bytes]], published: list[bytes]
) -> Iterator[str]:
    """What is wrong with the output. Its texts, and its long numbers, are put into `texts`, folded, words that are known to
    name nobody into `published`."""
    yield from _meta_faults(written, done)
    for part in (written.header, written.after):
        if sum(len(run.elements) for run in part.runs) != len(part.elements):
            yield "an attribute is there twice"
        has_private = False
        for run in part.runs:
            found = in_output(run, part.reader, profile, done.alias.sop_class)
            texts += found.texts
            published += found.published
            if found.fault:
                yield found.fault
            for tag, uid in found.uids:
                if _is_original(uid, done):
                    yield f"{_shown(tag)} holds a UID that was not replaced"
            has_private = has_private or found.has_private
        if has_private:
            yield from _private_faults(part, done, profile, texts, published)
    yield from _overlay_faults(written, profile)
    if written.header.value(_PATIENT_ID) != done.patient_alias.encode():
        yield "the patient's alias is not in its place"
    if written.header.value(_SOP_CLASS) != done.alias.sop_class.encode():
        yield "the SOP class is another"
    if written.header.value(_SOP_INSTANCE) != done.alias.sop_uid.encode():
        yield "the instance's alias is not in its place"


def _private_faults(
    part: Part, done: Deidentified, profile: Profile, texts: list[tuple[int, bytes]], published: list[bytes]
) -> Iterator[str]:
    """What is wrong with private attributes that stay, and with what lies in them; what they say as in `_faults`."""
    for met in private_in(part, profile, done.alias.sop_class):
        if met.element.VR != "SQ":
            known, others = met.texts
            published += known
            texts += ((met.tag, other) for other in others)
        if met.fault:
            yield f"{_shown(met.tag)} {met.fault}"
        if met.element.VR == "UI" and any(_is_original(uid, done) for uid in values_of(met.element) if uid):
            yield f"{_shown(met.tag)} holds a UID that was not replaced"


def _overlay_faults(written: Reading, profile: Profile) -> Iterator[str]:
    """Overlays that should have been removed; those that lie in items are faults already."""
    if not profile.overlays:
        return
    part, reader = written.header, written.header.reader
    raws = (raw for tag, raw in part.elements.items() if tag in profile.overlays and isinstance(raw, RawDataElement))
    found = ((int(raw.tag), (raw.VR or "").encode(), reader.whole(raw)) for raw in raws)
    overlays = planes(found, is_big_endian=not written.is_little_endian)
    for group in sorted(overlays.keys() - clean_groups(overlays)):
        yield f"({group:04X},3000) is an overlay that may hold writing"


def _shown(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _meta_faults(written: Reading, done: Deidentified) -> Iterator[str]:
    expected = {0x00020002: done.alias.sop_class, 0x00020003: done.alias.sop_uid, 0x00020010: done.transfer_syntax}
    if any(written.meta.value(tag) != value.encode() for tag, value in expected.items()):
        yield "the file meta group does not describe the data set"
    if written.preamble != bytes(128) + b"DICM":
        yield "the preamble holds data"


def _unmoved_dates(original: Part, written: Part, profile: Profile) -> Iterator[str]:
    """Dates and times of the top level that are the source's, and more than an hour alone."""
    for tag in written.elements.keys() & original.elements.keys():
        rule = profile.rules.get(tag)
        if not rule or rule.action is not Action.SHIFT:
            continue
        was = original.value(tag)
        if len(was) > _HOUR_ALONE and was == written.value(tag):
            yield f"{_shown(tag)} holds the source's date or time"


def _is_original(uid: str, done: Deidentified) -> bool:
    """Whether a UID of the output is the source's own."""
    return not is_public(uid) and done.uids.get(uid, uid) == uid


def _identifiers(original: Reading, profile: Profile, done: Deidentified) -> frozenset[str]:
    """The source's own names and numbers wherever it has them, less the words that the output writes itself."""
    found: set[str] = set()
    for part in (original.header, original.after):
        for run in part.runs:
            found |= identifiers(run, part.reader, profile)
    return frozenset(word for word in found if not _is_ours(word, profile.digest) and word != done.patient_alias)


@lru_cache(maxsize=4096)
def _is_ours(word: str, digest: str) -> bool:
    return Search([word], ()).hits(_OWN_WORDS + digest.encode())


def _left_in(texts: Sequence[tuple[int, bytes]], search: Search) -> str | None:
    """The first element of the output that holds an identifier."""
    if not search.hits(b"\n".join(text for _, text in texts)):
        return None
    return next((_shown(tag) for tag, text in texts if search.hits(text)), None)
