"""Shared by all tests: peers that must be on the machine, and the summary that names those which are not."""

import os
import shutil
from pathlib import Path

import pytest

_PROGRAMS = {
    "chromium": ("chromium",),
    "dcmtk": ("storescu", "dcmdump", "echoscu"),
    "dciodvfy": ("dciodvfy",),
    "orthanc": ("Orthanc",),
    "orthanc-dicomweb": ("Orthanc", "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),
    "pixelmed": ("/usr/share/java/pixelmed.jar", "java"),
    "psql": ("psql",),
}
_MISSING = "missing peer"  #: a property of a test's report, which also reaches the process that sums up


def _is_here(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program) is not None


def pytest_configure(config: pytest.Config) -> None:
    os.environ.pop("AEGLE_HOME", None)
    os.environ.pop("AEGLE_CONFIG", None)
    os.environ.pop("COLUMNS", None)  # set by pytest-xdist, and then the width of every console whatever a test asks for


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--live", action="store_true", help="run the contract suites on a real Google Cloud project, and nothing else"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    live = bool(config.getoption("--live"))
    items[:] = [item for item in items if (item.get_closest_marker("live") is not None) == live]
    if "soak" not in (config.option.markexpr or ""):
        items[:] = [item for item in items if item.get_closest_marker("soak") is None]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("peer"):
        for name in mark.args:
            if not all(_is_here(program) for program in _PROGRAMS.get(name, (name,))):
                item.user_properties.append((_MISSING, name))
                reason = f"{name} is not on this machine"
                if os.environ.get("AEGLE_REQUIRE_PEERS"):
                    pytest.fail(f"{reason}, and AEGLE_REQUIRE_PEERS is set")
                pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for name in ("skipped", "error") for report in terminalreporter.stats.get(name, ())]
    told = (told for report in reports if hasattr(report, "user_properties") for told in report.user_properties)
    missing = {str(value) for name, value in told if name == _MISSING}
    if missing:
        packages = os.environ.get("AEGLE_PEER_PACKAGES", "")
        terminalreporter.write_line(f"Peers missing: {', '.join(sorted(missing))}. Install them with:")
        terminalreporter.write_line(f"  sudo apt-get install {packages}    (or: make test PEERS=1)")
