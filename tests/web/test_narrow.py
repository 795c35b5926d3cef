"""A site's pages on a telephone, and by the keyboard alone: nothing scrolls sideways, every stop of the focus is seen."""

from collections.abc import Iterator

import pytest
from browsing import Person
from playwright.sync_api import Browser
from webstage import Stage

from aegle.deid.reasons import FirstSeen
from aegle.deid.values import Decision

pytestmark = pytest.mark.peer("chromium")

PATHS = ["/", "/upload", "/held", "/values", "/people", "/password", "/audit"]
_WIDE = """[document.scrollingElement, ...document.querySelectorAll('.scroll.stack')]
    .filter(element => element.scrollWidth > element.clientWidth).length"""
#: What has the focus: its place in the page, and whether it is to be seen and outlined; null for nothing.
_FOCUS = """() => {
    const element = document.activeElement, box = element.getBoundingClientRect(), style = getComputedStyle(element);
    if (element === document.body) return null;
    const inside = box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight;
    const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    return [[...document.querySelectorAll('*')].indexOf(element), inside && outlined];
}"""


@pytest.fixture(scope="module")
def adam(hospital: Stage, browser: Browser) -> Iterator[Person]:
    """The administrator of a site with words that wait and words that are decided, on a telephone."""
    words = ("SomaScan Definition Edge Plus 64", "Thorax routine with contrast", "A" * 64)
    hospital.program.values.add({FirstSeen(keyword="ProtocolName", value=word) for word in words})
    hospital.program.values.decide(hospital.program.values.words()[0].digest, Decision.APPROVE, "adam")
    someone = Person(browser, hospital.address, viewport={"width": 390, "height": 844})
    someone.sign_in("adam")
    yield someone
    someone.context.close()


@pytest.mark.parametrize("path", PATHS)
def test_nothing_scrolls_sideways(path: str, adam: Person) -> None:
    assert adam.go(path).evaluate(_WIDE) == 0


def test_a_long_word_leaves_the_buttons_in_a_window_of_1280_pixels(adam: Person) -> None:
    adam.page.set_viewport_size({"width": 1280, "height": 900})
    assert adam.go("/values").evaluate(_WIDE) == 0
    adam.page.set_viewport_size({"width": 390, "height": 844})


@pytest.mark.parametrize("path", PATHS)
def test_the_focus_goes_through_the_page_in_its_order_and_is_seen(path: str, adam: Person) -> None:
    page = adam.go(path)
    stops: list[tuple[int, bool]] = []
    while len(stops) < 100:
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUS)
        if stop is None or (stops and stop[0] == stops[0][0]):
            break
        stops.append((stop[0], stop[1]))
    places = [place for place, _ in stops]
    assert len(places) > 5 and places == sorted(places)
    assert all(seen for _, seen in stops)
