"""The laboratory's viewer on a slide of 20,000 x 20,000 pixels, in Chromium without a graphics card.

Time to the first tile and to a whole view, frames while panning and zooming, tiles a second. The floor for frames is an empty
page on the same machine. The stage is the one of tests/web: a real site's program in this process.
"""

import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "web"))
from browsing import Person, launch, until
from webstage import running

from aegle.access import Role
from aegle.demo.studies import write_slide
from aegle.records import SiteKind

SIZE_PX = 20_000
SECONDS = 5.0
_FRAMES = """() => {
  window.frames_seen = [];
  const note = (at) => { window.frames_seen.push(at); requestAnimationFrame(note); };
  requestAnimationFrame(note);
}"""
_TILES = (
    "performance.getEntriesByType('resource').filter((it) => it.name.includes('/tiles/')).map((it) => it.responseEnd)"
)


def tiles(page: Page) -> list[float]:
    """When each tile was there, in milliseconds after the page was asked for."""
    found: list[float] = page.evaluate(_TILES)
    return found


def frames(page: Page, act: str) -> list[float]:
    """Milliseconds between frames while keys are held: `act` is pan, zoom or nothing."""
    keys = {"pan": ["ArrowRight"] * 12 + ["ArrowDown"] * 12, "zoom": ["-"] * 4 + ["+"] * 4, "rest": [""]}[act]
    page.evaluate("window.frames_seen.length = 0")
    end, number = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        if key := keys[number % len(keys)]:
            page.keyboard.press(key)
        number += 1
        page.wait_for_timeout(60)
    at: list[float] = page.evaluate("window.frames_seen")
    return [after - before for before, after in itertools.pairwise(at)]


def told(what: str, between: list[float]) -> None:
    """One line of figures."""
    slow = sorted(between)[int(0.95 * len(between))]
    print(
        f"  {what:<24} {1000 / statistics.mean(between):5.1f} frames/s, 95 % within {slow:5.1f} ms, worst {max(between):5.0f} ms"
    )


def main() -> None:
    """Draw the slide, take it in, look at it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "lab", "cytolab", SiteKind.LAB) as stage,
        sync_playwright() as playwright,
    ):
        files = write_slide(Path(folder) / "drawn", seed=1, finding="HSIL", size_px=SIZE_PX)
        print(
            f"slide of {SIZE_PX:,} px, {sum(path.stat().st_size for path in files) / 1e6:,.0f} MB in {len(files)} files"
        )
        started = time.perf_counter()
        stage.take_in(*files)
        stage.until(stage.is_settled, seconds=300)
        print(f"  taken in, de-identified, archived in {time.perf_counter() - started:.1f} s")
        stage.add_person("cyra", Role.CYTOLOGIST)
        browser = launch(playwright)
        person = Person(browser, stage.address, viewport={"width": 1280, "height": 800})
        person.sign_in("cyra")
        person.page.evaluate(_FRAMES)
        told("floor: the list, at rest", frames(person.page, "rest"))
        page = person.go(f"/slides/{stage.program.state.studies()[0].study_uid}")
        page.evaluate("performance.setResourceTimingBufferSize(20000)")
        until(page, "document.querySelector('.scale span')?.textContent.includes('m')", 60)
        page.wait_for_timeout(1500)
        there = tiles(page)
        print(f"  first tile after {min(there):.0f} ms, whole view ({len(there)} tiles) after {max(there):.0f} ms")
        page.evaluate(_FRAMES)
        for _ in range(8):
            page.keyboard.press("+")
        page.wait_for_timeout(1500)
        before = len(tiles(page))
        told("panning at full detail", frames(page, "pan"))
        print(f"  {'tiles while panning':<24} {(len(tiles(page)) - before) / SECONDS:5.1f} a second")
        told("zooming out and in", frames(page, "zoom"))
        browser.close()


if __name__ == "__main__":
    main()
