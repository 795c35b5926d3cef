"""The doctor's questions, answered by a stand-in for gcloud."""

import json
import sys
from pathlib import Path

import pytest
from test_estate import google

from aegle.provision import doctor

ANSWERS = {
    "auth application-default print-access-token": "a-token",
    "billing accounts describe": json.dumps({"open": True}),
    "organizations get-iam-policy": json.dumps({"bindings": []}),
    "storage buckets describe": json.dumps({"versioning_enabled": True, "public_access_prevention": "enforced"}),
    "services list": json.dumps([{"config": {"name": f"{name}.googleapis.com"}} for name in doctor._APIS]),
    "compute project-info describe": json.dumps({"quotas": [{"metric": "NETWORKS", "limit": 15.0}]}),
}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")


def machine(folder: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], terraform: str = "1.11.4") -> None:
    """A PATH with these two programs only."""
    lines = [f'case "$*" in "{words}"*) echo \'{answer}\'; exit 0;; esac' for words, answer in answers.items()]
    version = json.dumps({"terraform_version": terraform})
    for name, body in (("gcloud", [*lines, "exit 1"]), ("terraform", [f"echo '{version}'"])):
        (folder / name).write_text("\n".join(["#!/bin/sh", *body, ""]))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def found(sites: int = 3, **choices: str) -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.examine(google(state_bucket="cervix-state", **choices), sites)}


def test_a_machine_that_has_everything_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(tmp_path, monkeypatch, ANSWERS)
    checks = found()
    assert set(checks) == {"terraform", "credentials", "billing", "organizations/1", "state", "APIs", "quota"}
    assert all(check.good for check in checks.values())
    assert not any("a-token" in check.told for check in checks.values())


@pytest.mark.parametrize(
    ("answer", "name", "words"),
    [
        ("billing accounts describe", "billing", "cannot be seen"),
        ("storage buckets describe", "state", "missing, or not versioned"),
        ("services list", "APIs", "not there yet"),
        ("organizations get-iam-policy", "organizations/1", "cannot even be read"),
    ],
)
def test_what_is_missing_comes_with_the_remedy(
    answer: str, name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path, monkeypatch, {key: value for key, value in ANSWERS.items() if key != answer})
    check = found()[name]
    assert not check.good and words in check.told and check.remedy


def test_without_credentials_nothing_else_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(tmp_path, monkeypatch, {})
    checks = found()
    assert list(checks) == ["terraform", "credentials"]
    assert checks["credentials"].remedy == "gcloud auth application-default login"


def test_too_many_sites_for_the_quota_and_an_old_terraform_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path, monkeypatch, ANSWERS, terraform="1.9.8")
    checks = found(sites=20)
    assert "21 networks are wanted, 15 allowed" in checks["quota"].told and "ask for 31" in checks["quota"].remedy
    assert not checks["terraform"].good


def test_a_machine_without_gcloud_is_told_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = found()
    assert not checks["terraform"].good and not checks["gcloud"].good
