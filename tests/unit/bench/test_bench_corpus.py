"""The corpus says the truth about itself: what its key calls planted is there to be found, and a seed decides all."""

from pathlib import Path

import pytest

from aegle.bench import AnswerKey, Leak, make_corpus, read_key, score_folder
from aegle.bench.corpus import SOURCE
from aegle.bench.reading import Written
from aegle.errors import NotFound


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AnswerKey]:
    folder = tmp_path_factory.mktemp("corpus") / "one"
    return folder, make_corpus(folder, 1)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_corpus_has_at_least_forty_files_of_as_many_themes(corpus):
    _, key = corpus
    assert len(key.files) >= 40
    assert len({answer.theme for answer in key.files}) >= 40


def test_everything_that_is_planted_can_be_found_in_an_untouched_copy(corpus):
    folder, key = corpus
    score = score_folder(folder, folder / SOURCE)
    planted = sum(len(answer.plants) for answer in key.files)
    burned = sum(len(answer.burned) for answer in key.files)
    assert score.count("leak") == planted + burned + score.leaks[Leak.FILE_NAME]
    assert score.leaks[Leak.FILE_NAME] == len(key.files)


def test_an_untouched_copy_destroys_and_withholds_nothing(corpus):
    folder, key = corpus
    score = score_folder(folder, folder / SOURCE)
    assert score.written == len(key.files)
    assert [score.count(column) for column in ("destroyed", "relation", "withheld", "dciodvfy")] == [0, 0, 0, 0]


def test_every_value_that_must_survive_is_there_to_begin_with(corpus):
    folder, key = corpus
    missing = [
        (answer.theme, path)
        for answer in key.files
        for path in answer.kept
        if Written(folder / SOURCE / answer.name).value(path) is None
    ]
    assert missing == []


def test_every_class_of_leak_is_planted_somewhere(corpus):
    _, key = corpus
    planted = {plant.kind for answer in key.files for plant in answer.plants}
    assert planted | {Leak.PIXELS, Leak.FILE_NAME} == set(Leak)


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        make_corpus(tmp_path / name, seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_the_key_is_read_back_as_it_was_written(corpus):
    folder, key = corpus
    assert read_key(folder) == key


def test_a_folder_that_is_no_corpus_says_how_to_make_one(tmp_path):
    with pytest.raises(NotFound, match="aegle deid bench make"):
        read_key(tmp_path)
