"""A person at a browser: signs in, looks, and collects what the page complained of."""

import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright
from webstage import PASSWORD

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def launch(playwright: Playwright) -> Browser:
    """The machine's Chromium, without a screen."""
    return playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_ARGUMENTS)


def until(page: Page, condition: str, seconds: float = 15) -> None:
    """Wait until a JavaScript expression holds. Playwright's own wait evaluates in the page, which the policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"Boolean({condition})"):
        assert time.monotonic() < end, f"it did not come about: {condition}"
        page.wait_for_timeout(20)


class Person:
    """One browser context with one page. Its Content Security Policy stays on."""

    def __init__(self, browser: Browser, address: str, **context: Any) -> None:
        self.address = address
        self.context: BrowserContext = browser.new_context(**context)
        self.context.set_default_timeout(15_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def sign_in(self, name: str, password: str = PASSWORD) -> None:
        """Through the form."""
        self.page.goto(self.address + "/sign-in")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "/sign-in" not in url)

    def go(self, path: str) -> Page:
        """Open a page of the site and wait until its scripts ran."""
        self.page.goto(self.address + path)
        self.page.wait_for_load_state("load")
        return self.page

    def violations(self) -> list[str]:
        """What axe finds wrong on the page as it stands: rule and element."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)
