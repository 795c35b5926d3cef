"""A laboratory's slide viewer, driven as a cytologist does: by keyboard, and with the site away for a while."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Person, until
from playwright.sync_api import Browser, Page
from webstage import Stage

from aegle.demo.studies import write_slide

pytestmark = pytest.mark.peer("chromium")


@pytest.fixture(scope="module")
def study(laboratory: Stage, drawn: Path) -> str:
    """A slide of three levels, ready to be labelled."""
    laboratory.take_in(*write_slide(drawn, seed=2, finding="HSIL", size_px=4096))
    laboratory.until(laboratory.is_settled)
    return laboratory.program.state.studies()[0].study_uid


@pytest.fixture
def cyra(laboratory: Stage, browser: Browser) -> Iterator[Person]:
    """A cytologist, signed in."""
    someone = Person(browser, laboratory.address, viewport={"width": 1280, "height": 800})
    someone.sign_in("cyra")
    yield someone
    someone.context.close()


def open_slide(person: Person, study: str) -> Page:
    page = person.go(f"/slides/{study}")
    until(page, "document.querySelector('.scale span')?.textContent.includes('µm')")
    return page


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def is_saved(page: Page) -> None:
    until(page, "document.querySelector('.status span').textContent === 'Saved'")


def standing(laboratory: Stage, study: str, name: str = "cyra") -> list[tuple[str, str]]:
    labels = laboratory.program.labels.current(study, name)
    return sorted((label.code, label.shape) for label in labels)


def test_an_empty_laboratory_points_to_the_upload_and_sends_nothing_to_a_model(
    laboratory: Stage, browser: Browser
) -> None:
    someone = Person(browser, laboratory.address)
    someone.sign_in("cyra")
    assert "Nothing here is sent to a model" in someone.page.inner_text("main")
    assert someone.page.get_by_role("link", name="Upload files").is_visible()
    assert someone.violations() == []
    assert someone.complaints == []
    someone.context.close()


def test_points_boxes_and_the_slides_class_are_given_by_keyboard_alone(
    laboratory: Stage, cyra: Person, study: str
) -> None:
    page = open_slide(cyra, study)
    press(page, "5", "p", "Enter")  # a point in the middle
    press(page, "+", "b", "4", "Enter", "ArrowRight", "ArrowDown")
    page.wait_for_timeout(500)  # the slide glides to where the arrows sent it
    press(page, "Enter", "Escape", "s")
    is_saved(page)
    assert standing(laboratory, study) == [("HSIL", "point"), ("LSIL", "box"), ("LSIL", "none")]
    (box,) = [label for label in laboratory.program.labels.current(study, "cyra") if label.shape == "box"]
    (left, top), (right, bottom) = box.points_px
    assert 0 <= left < right <= 4096
    assert 0 <= top < bottom <= 4096
    assert page.inner_text("#slide-class") == "LSIL"
    assert cyra.violations() == []
    assert cyra.complaints == []


def test_marks_are_reclassified_removed_and_brought_back(laboratory: Stage, cyra: Person, study: str) -> None:
    page = open_slide(cyra, study)
    press(page, "n", "3")
    is_saved(page)
    assert ("ASC-H", "point") in standing(laboratory, study)
    press(page, "Delete")
    is_saved(page)
    until(page, "document.querySelectorAll('.marks li').length === 1")
    press(page, "Control+z")
    until(page, "document.querySelectorAll('.marks li').length === 2")
    is_saved(page)
    press(page, "Control+z")
    is_saved(page)
    laboratory.until(lambda: ("HSIL", "point") in standing(laboratory, study))
    assert standing(laboratory, study) == [("HSIL", "point"), ("LSIL", "box"), ("LSIL", "none")]


def test_a_mouse_draws_and_selects_as_well(laboratory: Stage, cyra: Person, study: str) -> None:
    page = open_slide(cyra, study)
    press(page, "6", "b")
    page.mouse.move(300, 300)
    page.mouse.down()
    page.mouse.move(360, 350, steps=4)
    page.mouse.up()
    is_saved(page)
    laboratory.until(lambda: ("SCC", "box") in standing(laboratory, study))
    press(page, "Escape", "Escape")
    page.mouse.click(330, 325)
    until(page, "document.querySelector('.marks [aria-current]')?.textContent.includes('SCC')")
    press(page, "Delete")
    laboratory.until(lambda: ("SCC", "box") not in standing(laboratory, study))


def test_a_reload_shows_the_labels_and_another_reader_starts_from_nothing(
    laboratory: Stage, browser: Browser, cyra: Person, study: str
) -> None:
    page = open_slide(cyra, study)
    assert page.locator(".marks li").count() == 2
    yves = Person(browser, laboratory.address)
    yves.sign_in("yves")
    theirs = open_slide(yves, study)
    assert theirs.locator(".marks li").count() == 0
    assert theirs.inner_text("#slide-class") == "not classified yet"
    assert "HSIL" not in theirs.inner_text("#counts")
    yves.context.close()


def test_every_label_event_reaches_the_hub_in_order_under_a_pseudonym(laboratory: Stage, study: str) -> None:
    laboratory.until(lambda: not laboratory.program.labels.waiting())
    sent = laboratory.hub.labels
    assert len({label.event_id for label in sent}) == len(sent) >= 6
    assert {label.study_uid for label in sent} == {study}
    assert all(label.reader.startswith("reader-") and "cyra" not in label.reader for label in sent)
    assert laboratory.hub.submissions == {}, "nothing at a laboratory is sent to the model"


def test_a_label_made_while_the_site_is_away_is_kept_and_saved_once_it_is_back(
    laboratory: Stage, cyra: Person, study: str
) -> None:
    page = open_slide(cyra, study)
    cyra.context.set_offline(True)
    press(page, "9", "p", "Enter")
    page.get_by_role("button", name="Try again now").wait_for()
    assert "1 change not saved yet" in page.inner_text(".status")
    assert cyra.violations() == []
    cyra.context.set_offline(False)
    is_saved(page)
    assert ("ADENO", "point") in standing(laboratory, study)


def test_a_session_that_ended_keeps_the_label_until_the_same_person_is_back(
    laboratory: Stage, cyra: Person, study: str
) -> None:
    page = open_slide(cyra, study)
    other = cyra.context.new_page()
    cyra.context.clear_cookies()
    press(page, "0", "p", "Enter")
    until(page, "document.querySelector('.status').textContent.includes('Sign in again in another tab, as cyra')")
    for name in ("yves", "cyra"):
        other.goto(laboratory.address + "/sign-in")
        other.get_by_label("Name").fill(name)
        other.get_by_label("Password").fill("a password for tests")
        other.get_by_role("button", name="Sign in").click()
        other.wait_for_url(laboratory.address + "/")
        page.evaluate("document.querySelector('#retry').click()")  # it tries by itself too, so the button may be gone
        if name == "yves":
            page.wait_for_timeout(300)
            assert standing(laboratory, study, "yves") == [], "never under another's name"
    is_saved(page)
    assert ("UNSAT", "point") in standing(laboratory, study)


def test_the_viewer_has_a_map_a_scale_help_and_a_way_to_hide_the_marks(cyra: Person, study: str) -> None:
    page = open_slide(cyra, study)
    assert page.locator(".navigator").count() == 1
    press(page, "v")
    assert page.get_by_role("button", name="Hide marks").get_attribute("aria-pressed") == "true"
    press(page, "?")
    page.get_by_role("dialog").wait_for()
    assert cyra.violations() == []
    page.get_by_label("Single keys work").uncheck()
    page.get_by_role("button", name="Close").click()
    press(page, "b")
    assert page.get_by_role("button", name="Box b").get_attribute("aria-pressed") == "false"
    assert cyra.complaints == []


def test_the_list_of_a_laboratory_counts_labels_and_is_clean(cyra: Person, study: str) -> None:
    page = cyra.go("/")
    assert "ready" in page.inner_text("main")
    assert cyra.violations() == []
    assert cyra.complaints == []
