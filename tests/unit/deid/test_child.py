"""Children that open files: each question by itself, whatever the one before it did."""

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aegle.deid.child import Child, Children

MODULE = """
import os, signal, sys, time
from aegle.deid.serving import serve

met = []

def answer(wish):
    met.append(wish)
    what = wish["do"]
    if what == "raise":
        raise ValueError("Quillfeather")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "print":
        print("words of a decoder")
    if what == "wait":
        open(wish["note"], "w").write(str(os.getpid()))
        time.sleep(wish["seconds"])
    if what == "count":
        while True:
            pass
    return {"met": len(met), "by": os.getpid(), "of": os.getppid()}

serve(answer, 1 << 32, 1)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="a process is copied on Linux alone")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_child.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)  # the child gets our path
    return "a_child"


@pytest.fixture
def child(module: str) -> Iterator[Child]:
    asked = Child(module, seconds=30)
    yield asked
    asked.close()


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@linux
def test_no_question_meets_another(child: Child) -> None:
    first, second = child.ask({"do": "answer"}), child.ask({"do": "answer"})
    assert first and second and first["met"] == second["met"] == 1
    assert first["by"] != second["by"] and first["of"] == second["of"]


@linux
@pytest.mark.parametrize("what", ["raise", "die"])
def test_a_question_without_an_answer_costs_no_new_child(what: str, child: Child) -> None:
    before = child.ask({"do": "answer"})
    assert child.ask({"do": what}) is None and child.is_running
    after = child.ask({"do": "answer"})
    assert before and after and before["of"] == after["of"]


def test_what_a_decoder_prints_is_no_answer(child: Child) -> None:
    assert child.ask({"do": "print"}) is None
    assert child.ask({"do": "answer"}) is not None


@linux
def test_a_child_over_its_time_ends_with_its_copy(child: Child, tmp_path: Path) -> None:
    assert child.ask({"do": "answer"})
    child._seconds = 1
    assert child.ask({"do": "wait", "note": str(tmp_path / "pid"), "seconds": 60}) is None
    assert not child.is_running
    for _ in range(100):
        if not is_there(int((tmp_path / "pid").read_text())):
            break
        time.sleep(0.05)
    assert not is_there(int((tmp_path / "pid").read_text()))


@linux
def test_an_answer_takes_no_more_of_the_processor_than_it_may(child: Child) -> None:
    assert child.ask({"do": "count"}) is None and child.is_running


@linux
def test_questions_at_the_same_time_have_a_child_each(module: str, tmp_path: Path) -> None:
    children = Children(module, seconds=30)
    children.begin()
    wishes = [{"do": "wait", "note": str(tmp_path / str(number)), "seconds": 0.5} for number in range(3)]
    with ThreadPoolExecutor(3) as threads:
        answers = [answer for answer in threads.map(children.ask, wishes) if answer]
    assert len({answer["of"] for answer in answers}) == 3
    again = children.ask({"do": "answer"})
    assert again and again["of"] in {answer["of"] for answer in answers}
    assert len(children._idle) == 2
    for child in children._idle:
        child.close()


def test_ending_a_child_twice_ends_it_once(child: Child) -> None:
    child.begin()
    threads = [threading.Thread(target=child.close) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not child.is_running
