"""`aegle deid run` on corpora with an answer key: nothing leaks, nothing is destroyed, nothing clean is withheld."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aegle.bench import make_corpus, score_folder
from aegle.bench.rivals import installed, run_ours, run_rival
from aegle.cli import app

COLUMNS = ("leak", "destroyed", "relation", "withheld", "dciodvfy")


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 11))])
def test_nothing_is_found_in_what_we_write(tmp_path: Path, seed: int) -> None:
    corpus, output, scratch = (tmp_path / name for name in ("corpus", "output", "scratch"))
    scratch.mkdir()
    key = make_corpus(corpus, seed)
    run_ours(corpus, output, scratch, key)
    score = score_folder(corpus, output)
    assert [str(finding) for finding in score.findings] == []
    assert {column: score.count(column) for column in COLUMNS} == dict.fromkeys(COLUMNS, 0)
    ultrasound = [answer for answer in key.files if answer.theme.startswith("ultrasound")]
    assert len(ultrasound) == 3
    assert score.written >= sum(answer.clean for answer in key.files) + len(ultrasound)


@pytest.mark.peer("gdcmanon")
def test_a_rival_is_run_and_its_leaks_are_found(tmp_path: Path) -> None:
    corpus, output, scratch = (tmp_path / name for name in ("corpus", "output", "scratch"))
    scratch.mkdir()
    for answer in make_corpus(corpus, 1).files:
        if answer.number % 3:
            (corpus / "source" / answer.name).unlink()
    rival = next(rival for rival in installed() if rival.name.startswith("gdcmanon"))
    run_rival(rival, corpus, output, scratch)
    score = score_folder(corpus, output)
    assert score.written > 20
    assert score.count("leak") > 0


def test_the_commands_make_and_score_a_corpus(tmp_path: Path) -> None:
    corpus, copy = tmp_path / "corpus", tmp_path / "copy"
    made = CliRunner().invoke(app, ["deid", "bench", "make", str(corpus), "--seed", "3"])
    assert made.exit_code == 0, made.output
    shutil.copytree(corpus / "source", copy)
    scored = CliRunner().invoke(app, ["deid", "bench", "score", str(corpus), str(copy)])
    assert scored.exit_code == 3
    assert "patient's name" in scored.output
