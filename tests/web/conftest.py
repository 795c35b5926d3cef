"""One browser for the whole run, one running site a module."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import ROOT, launch
from playwright.sync_api import Browser, sync_playwright
from webstage import Stage, running

from aegle.access import Role
from aegle.records import SiteKind


@pytest.fixture(scope="session")
def assets() -> None:
    """The pages' scripts, built from the sources as they are now."""
    subprocess.run([sys.executable, str(ROOT / "web" / "build.py")], check=True, capture_output=True)


@pytest.fixture(scope="session")
def browser(assets: None) -> Iterator[Browser]:
    """Chromium."""
    with sync_playwright() as playwright:
        opened = launch(playwright)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A hospital whose PACS does not answer, with one person of each role."""
    with running(tmp_path_factory.mktemp("hospital"), "st-anna", SiteKind.HOSPITAL, pacs=True) as stage:
        for name, role in (("adam", Role.ADMINISTRATOR), ("clara", Role.CLINICIAN), ("tom", Role.TECHNICIAN)):
            stage.add_person(name, role)
        yield stage


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A laboratory with two readers and an administrator."""
    with running(tmp_path_factory.mktemp("laboratory"), "cytolab", SiteKind.LAB) as stage:
        for name, role in (("adam", Role.ADMINISTRATOR), ("cyra", Role.CYTOLOGIST), ("yves", Role.CYTOLOGIST)):
            stage.add_person(name, role)
        yield stage


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a module's synthetic files are drawn."""
    return tmp_path_factory.mktemp("drawn")
