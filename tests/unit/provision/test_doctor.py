"""The doctor's questions, answered by a stand-in for gcloud."""

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_estate import google

from aegle.provision import blueprint, doctor

ANSWERS = {
    "auth application-default print-access-token": "a-token",
    "billing accounts describe": json.dumps({"open": True}),
    "storage buckets describe": json.dumps({"versioning_enabled": True, "public_access_prevention": "enforced"}),
    "services list": json.dumps(
        [{"config": {"name": f"{name}.googleapis.com"}} for names in doctor.APIS.values() for name in names]
    ),
    "compute project-info describe": json.dumps({"quotas": [{"metric": "NETWORKS", "limit": 15.0}]}),
    "compute regions describe": json.dumps(
        {"quotas": [{"metric": "CPUS", "limit": 200.0}, {"metric": "NVIDIA_L4_GPUS", "limit": 4.0}]}
    ),
}
PLACES = (
    "organizations/1",
    "billingAccounts/0A1B2C-3D4E5F-678901",
    *(f"projects/cervix-{name}" for name in doctor.PLATFORM),
)
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")


def machine(folder: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], terraform: str = "1.11.4") -> None:
    """A PATH with these two programs only."""
    lines = [f'case "$*" in "{words}"*) echo \'{answer}\'; exit 0;; esac' for words, answer in answers.items()]
    version = json.dumps({"terraform_version": terraform})
    for name, body in (("gcloud", [*lines, "exit 1"]), ("terraform", [f"echo '{version}'"])):
        (folder / name).write_text("\n".join(["#!/bin/sh", *body, ""]))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


class Rights:
    """testIamPermissions, which leaves out what the person lacks: https://cloud.google.com/iam/docs/testing-permissions."""

    def __init__(self) -> None:
        self.lacking: set[str] = set()
        self.hidden: set[str] = set()  #: resources that answer 403
        self.broken: dict[str, int] = {}  #: resources whose next so many connections end without an answer
        self.instead = b""  #: what they say instead of an answer
        self.asked: set[str] = set()
        self.service = ""


@pytest.fixture
def rights() -> Iterator[Rights]:
    given = Rights()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Authorization"] == "Bearer a-token"
            resource = self.path.removesuffix(":testIamPermissions").partition("/v")[2].partition("/")[2]
            given.asked.add(resource)
            if given.broken.get(resource, 0):
                given.broken[resource] -= 1
                self.rfile.read(int(self.headers["Content-Length"]))
                self.wfile.write(given.instead)
                return
            wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["permissions"]
            body = json.dumps({"permissions": [name for name in wanted if name not in given.lacking]}).encode()
            self.send_response(403 if resource in given.hidden else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    given.service = f"http://127.0.0.1:{server.server_port}/{{}}"
    yield given
    server.shutdown()
    server.server_close()
    thread.join()


def found(rights: Rights, sites: int = 3, **choices: object) -> dict[str, doctor.Check]:
    estate = google(state_bucket="cervix-state", **choices)
    return {check.name: check for check in doctor.examine(estate, sites, rights.service)}


def test_a_machine_that_has_everything_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> None:
    machine(tmp_path, monkeypatch, ANSWERS)
    checks = found(rights)
    assert {name: check.told for name, check in checks.items() if not check.good} == {}
    projects = [f"cervix-{name}" for name in ("hub-prod", "sites-prod", "net")]
    assert set(checks) == {
        "terraform", "credentials", "billing", "rights over billing", "organizations/1", "state", "quota",
        *(f"APIs of {name}" for name in projects), *(f"rights in {name}" for name in projects),
        "quota CPUS of cervix-sites-prod", "quota CPUS of cervix-hub-prod",
    }  # fmt: skip
    assert rights.asked == set(PLACES)
    assert not any("a-token" in check.told for check in checks.values())


@pytest.mark.parametrize(
    ("answer", "name", "words"),
    [
        ("billing accounts describe", "billing", "cannot be seen"),
        ("storage buckets describe", "state", "missing, or not versioned"),
        ("services list", "APIs of cervix-net", "not there yet"),
        ("compute regions describe", "quota CPUS of cervix-sites-prod", "not there yet"),
    ],
)
def test_what_is_missing_comes_with_the_remedy(
    answer: str, name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> None:
    machine(tmp_path, monkeypatch, {key: value for key, value in ANSWERS.items() if key != answer})
    check = found(rights)[name]
    assert not check.good and words in check.told and check.remedy


EVERY = {name for names in (doctor.FOUNDATION, doctor.BILLING, *doctor.PLATFORM.values()) for name in names}


@pytest.mark.parametrize("permission", sorted(EVERY))
def test_a_permission_that_the_person_lacks_is_named(
    permission: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> None:
    machine(tmp_path, monkeypatch, ANSWERS)
    rights.lacking = {permission}
    bad = [check for check in found(rights).values() if not check.good]
    assert bad and all(check.told == f"missing: {permission}" and check.remedy for check in bad)


@pytest.mark.parametrize("place", PLACES)
def test_what_cannot_be_seen_is_said(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> None:
    machine(tmp_path, monkeypatch, ANSWERS)
    rights.hidden = {place}
    bads = [check for check in found(rights).values() if not check.good]
    assert len(bads) == 1, bads
    (bad,) = bads
    assert "cannot be" in bad.told and bad.remedy


def test_a_program_that_hangs_is_told_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> None:
    machine(tmp_path, monkeypatch, ANSWERS)
    (tmp_path / "gcloud").write_text("#!/bin/sh\nread forever < ./pipe\n")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "_TIMEOUT_S", 1)
    checks = found(rights)
    assert checks["terraform"].good
    assert "gcloud auth application-default" in checks["answers"].told and not checks["answers"].good


def test_an_interface_that_is_off_is_turned_on_by_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> None:
    on = [item for item in json.loads(ANSWERS["services list"]) if "healthcare" not in item["config"]["name"]]
    machine(tmp_path, monkeypatch, ANSWERS | {"services list": json.dumps(on)})
    (bad,) = [check for check in found(rights).values() if not check.good]
    assert bad.remedy == "gcloud services enable healthcare.googleapis.com --project=cervix-sites-prod"


def test_the_interfaces_are_those_that_the_foundation_turns_on() -> None:
    text = (blueprint.folder() / "foundation" / "main.tf").read_text()
    turned_on = set(re.findall(r'"(\w+)\.googleapis\.com"', text.partition("\nresource ")[0]))
    assert {name for names in doctor.APIS.values() for name in names} <= turned_on


def test_without_credentials_nothing_else_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> None:
    machine(tmp_path, monkeypatch, {})
    checks = found(rights)
    assert list(checks) == ["terraform", "credentials"] and not rights.asked
    assert checks["credentials"].remedy == "gcloud auth application-default login"


def test_too_little_quota_and_an_old_terraform_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> None:
    machine(tmp_path, monkeypatch, ANSWERS, terraform="1.9.8")
    checks = found(rights, sites=60, gpu="nvidia-l4")
    assert "61 networks are wanted, 15 allowed" in checks["quota"].told and "ask for 71" in checks["quota"].remedy
    assert "240 are wanted in europe-west4 at most, 200 allowed" in checks["quota CPUS of cervix-sites-prod"].told
    assert "8 are wanted" in checks["quota NVIDIA_L4_GPUS of cervix-hub-prod"].told
    assert not checks["terraform"].good


def test_a_machine_without_gcloud_is_told_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = found(rights)
    assert not checks["terraform"].good and not checks["gcloud"].good
