"""Making a corpus: every theme once, each under a patient of its own, and a cohort that belongs together.

The same seed writes the same bytes. Everything is synthetic; folder and file names hold the patient's name on purpose.
"""

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from aegle import api
from aegle.bench import cohort, documents, headers, hostile, linked, midnight, namesakes, numbers, pages, pictures
from aegle.bench.answers import AnswerKey, FileAnswer
from aegle.bench.draft import Draft
from aegle.bench.people import SCRIPTS, draw_person
from aegle.errors import NotFound

KEY_FILE = "answers.json"
SOURCE = "source"  #: the folder to be de-identified, below a corpus

THEMES: tuple[Callable[[Draft], None], ...] = (
    headers.implicit,
    headers.big_endian,
    headers.deflated,
    headers.magnetic,
    headers.positron,
    headers.nuclear,
    headers.mammography,
    headers.undefined_lengths,
    headers.unknown_vr_sequence,
    headers.private_creators,
    headers.after_the_pixels,
    headers.trailing_bytes,
    headers.preamble,
    headers.every_date,
    headers.original_attributes,
    headers.deep,
    headers.wrong_vr,
    headers.kept_attributes,
    headers.strangers_words,
    headers.spelled_otherwise,
    headers.numbers_in_numbers,
    headers.lookup_tables,
    headers.unknown_private_sequence,
    headers.links,
    headers.encrypted_originals,
    headers.enhanced,
    headers.overlay_and_curve,
    headers.odd_values,
    *([headers.script] * len(SCRIPTS)),
    *([headers.script_in_kept_text] * 3),
    pictures.jpeg_comment,
    pictures.jpeg_segments,
    pictures.jpeg_2000,
    pictures.jpeg_ls,
    pictures.run_length,
    pictures.several_fragments,
    pictures.slide,
    pictures.slide_with_offsets,
    pictures.slide_label,
    pictures.slide_label_unsaid,
    pictures.slide_overview,
    pictures.ultrasound,
    pictures.ultrasound_loop,
    pictures.ultrasound_jpeg,
    pictures.capture,
    pictures.dose_screen,
    pictures.clean_capture,
    pictures.thumbnail,
    pictures.padded_pixels,
    pictures.spare_bits,
    pictures.burned_unsaid,
    documents.report,
    documents.dose,
    documents.verified,
    documents.key_objects,
    documents.presentation,
    documents.pdf,
    documents.raw_data,
    midnight.uptake_over_midnight,
    hostile.text_in_spare_bits,
    hostile.patient_protocol,
    hostile.identity_in_one_part,
    hostile.electrocardiogram,
    hostile.subject_in_content,
    hostile.numbers_like_versions,
    hostile.makers_words,
    namesakes.namesake_of_codes,
    namesakes.namesake_of_terms,
    *([namesakes.name_of_two_characters] * 2),
    namesakes.short_name_in_a_table,
    midnight.uptake_in_two_zones,
    midnight.slice_across_midnight,
    midnight.frames_across_midnight,
    midnight.dose_across_midnight,
    midnight.beam_across_midnight,
    *([numbers.nobodys_id] * 2 * len(numbers.PLACEHOLDERS)),
    numbers.own_id_below,
    numbers.number_without_its_marks,
    numbers.day_as_a_number,
    numbers.subject_under_other_codes,
    *([pages.protocol_page] * 2),
    *([pages.derived_screen] * 2),
    pages.slide_localizer,
    pages.slide_macro,
    pages.slide_barcode,
    linked.optical_paths,
    linked.stacks,
    linked.graphic_layers,
)


def make_corpus(folder: Path, seed: int) -> AnswerKey:
    """Write `folder/source` and its answer key beside it; the folder must be empty or new."""
    source = folder / SOURCE
    source.mkdir(parents=True)
    answers = tuple(_write(source, draft) for draft in _drafts(random.Random(seed)))
    key = AnswerKey(seed=seed, files=answers)
    (folder / KEY_FILE).write_bytes(api.encode(key))
    return key


def read_key(folder: Path) -> AnswerKey:
    """The answer key of a corpus. Raises NotFound."""
    path = folder / KEY_FILE
    if not path.is_file():
        raise NotFound(f"{folder} is no corpus: it has no {KEY_FILE}; `aegle deid bench make {folder}` makes one")
    return api.decode(AnswerKey, path.read_bytes())


def _drafts(rng: random.Random) -> Iterator[Draft]:
    for n, theme in enumerate(THEMES):
        draft = Draft(theme=theme.__name__, number=1000 + n, person=draw_person(rng), rng=rng)
        theme(draft)
        yield draft
    yield from _cohort(rng, 1000 + len(THEMES))


def _cohort(rng: random.Random, number: int) -> Iterator[Draft]:
    someone = draw_person(rng)
    first, *others = (
        Draft(theme=f"cohort {part}", number=number + n, person=someone, rng=rng, patient=number)
        for n, part in enumerate(("first slice", "second slice", "report", "later study"))
    )
    cohort.first_slice(first)
    for draft, theme in zip(others, (cohort.second_slice, cohort.report_on, cohort.later_study), strict=True):
        theme(draft, first)
    yield first
    yield from others


def _write(source: Path, draft: Draft) -> FileAnswer:
    who = draft.person
    name = f"{who.family}_{who.given}/{who.patient_id}_{draft.number}.dcm"
    path = source / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(_bytes(draft))
    return draft.answer(name)


def _bytes(draft: Draft) -> bytes:
    ds: Dataset = draft.dataset
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    whole = buffer.getvalue()
    return (draft.before or whole[:128]) + whole[128:] + draft.after
