"""What the page says is saved is saved: the site's process is killed right after it said so."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Person, until
from playwright.sync_api import Browser
from webstage import PASSWORD

from aegle import config as configuration
from aegle.access import Role
from aegle.demo.studies import write_slide
from aegle.local.accounts import SqliteAccounts
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner, free_port
from aegle.pages.accounts import new_account
from aegle.records import SiteKind

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.skipif(os.name == "nt", reason="kill -9")]
YAML = """\
sites:
  cytolab:
    kind: lab
    door: {{quiet_seconds: 0.2, port: {}}}
    pages: {{port: {}}}
    archive_port: {}
"""


@contextlib.contextmanager
def site_process(home: Home, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`aegle run site cytolab`, a process of its own; killed at the end of the block."""
    command = [sys.executable, "-m", "aegle", "run", "site", "cytolab", "--home", str(home.root)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, "the site's process ended by itself"
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_label_that_the_page_called_saved_survives_a_kill_and_the_page_goes_on_where_it_was(
    tmp_path: Path, browser: Browser
) -> None:
    yaml, home = tmp_path / "aegle.yaml", Home(root=tmp_path)
    yaml.write_text(YAML.format(free_port(), free_port(), free_port()))
    LocalProvisioner(configuration.load(yaml), home).apply()
    place = home.require_applied().site("cytolab")
    accounts = SqliteAccounts(home.site("cytolab") / "accounts.db")
    accounts.put(new_account("cyra", Role.CYTOLOGIST, SiteKind.LAB, PASSWORD)[0])
    accounts.close()
    files = write_slide(tmp_path / "drawn", seed=3, finding="LSIL", size_px=2048)

    with site_process(home, place.pages_port) as process:
        person = Person(browser, f"http://cytolab.localhost:{place.pages_port}")
        person.sign_in("cyra")
        page = person.go("/upload")
        page.get_by_label("Files").set_input_files(files)
        until(page, "!/Waiting|Sending|checked/.test(document.querySelector('#rows').textContent)")
        person.go("/")
        page.get_by_role("link", name="…").first.click()
        until(page, "document.querySelector('.scale span')?.textContent.includes('µm')")
        for key in ("4", "p", "Enter"):
            page.keyboard.press(key)
        until(page, "document.querySelector('.status span').textContent === 'Saved'")
        os.kill(process.pid, signal.SIGKILL)

    page.keyboard.press("p")
    page.keyboard.press("p")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Try again now").wait_for()
    with site_process(home, place.pages_port):
        until(page, "document.querySelector('.status span').textContent === 'Saved'")
        page.reload()
        until(page, "document.querySelectorAll('.marks li').length === 2")
        assert page.locator(".marks li").all_inner_texts()[0].startswith("1. LSIL, point")
    person.context.close()
