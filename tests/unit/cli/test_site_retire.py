"""`aegle site retire` on one machine: freeze, then take the block out; the site's folder stays."""

from collections.abc import Sequence
from pathlib import Path

import httpx
from typer.testing import CliRunner

from aegle.cli import app
from aegle.local.home import Home
from aegle.local.supervisor import Supervisor


def run(folder: Path, *words: str) -> str:
    places = ["--config", str(folder / "aegle.yaml"), "--home", str(folder / "home")]
    result = CliRunner().invoke(app, [*words, *places], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_site_is_frozen_then_removed_and_its_folder_stays(tmp_path: Path) -> None:
    for name, kind in (("st-anna", "hospital"), ("lab", "lab")):
        run(tmp_path, "site", "add", name, "--kind", kind)
    run(tmp_path, "apply")
    kept = {path: path.read_bytes() for path in (tmp_path / "home" / "sites" / "lab").rglob("*") if path.is_file()}
    assert kept

    assert "Nothing written" in run(tmp_path, "site", "retire", "lab", "--dry-run")
    run(tmp_path, "site", "retire", "lab")
    assert "freeze" in run(tmp_path, "plan") and "frozen" in run(tmp_path, "site", "list")
    run(tmp_path, "apply")
    run(tmp_path, "site", "retire", "lab", "--remove")
    assert "retire" in run(tmp_path, "plan")
    run(tmp_path, "apply")
    assert list(Home(root=tmp_path / "home").require_applied().sites) == ["st-anna"]
    assert all(path.read_bytes() == content for path, content in kept.items())


class Answers:
    """A hub's client that is always ready."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self.known, self.told = known, list[tuple[str, object]]()

    def is_ready(self) -> bool:
        return True

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        self.told.append((f"{method} {path}", body))
        site = {"kind": "lab", "archive_url": "http://127.0.0.1:1", "account": "", "threshold": None, "frozen": False}
        return httpx.Response(200, json=[site | {"name": name} for name in self.known])


def test_a_frozen_site_is_not_started_and_the_hub_is_told_once(tmp_path: Path, monkeypatch) -> None:
    for name in ("st-anna", "mercy"):
        run(tmp_path, "site", "add", name, "--kind", "hospital")
    run(tmp_path, "site", "retire", "mercy")
    run(tmp_path, "apply")
    supervisor = Supervisor(Home(root=tmp_path / "home"))
    started, answers = list[str](), Answers(("st-anna", "mercy", "long-gone"))
    monkeypatch.setattr(supervisor, "_operator", answers)
    monkeypatch.setattr(supervisor, "_tend_hub", lambda applied: None)
    monkeypatch.setattr(supervisor, "_tend_workers", lambda applied: None)
    monkeypatch.setattr(supervisor, "_tend_site", lambda client, name, site: started.append(name))
    for _ in range(2):
        supervisor.tend()
    assert started == ["st-anna"] * 2
    told = [path for path, body in answers.told if isinstance(body, dict) and body["frozen"]]
    assert told == ["PUT /v1/admin/sites/mercy", "PUT /v1/admin/sites/long-gone"]
