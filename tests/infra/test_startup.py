"""The scripts that set machines up: checked by other people's tools, and on Linux run for real below a folder."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_groovy
from tree_sitter import Language, Parser

from aegle import config
from aegle.provision import blueprint
from aegle.provision.policy import read
from aegle.provision.policy.estate import HUB
from infra import kept, powershell

STARTUP = blueprint.folder() / "startup"
PS1 = (STARTUP / "site.ps1").read_text()


@pytest.mark.parametrize("script", ["startup/site.sh", "startup/hub.sh", "startup/common.sh", "bootstrap.sh"])
def test_shellcheck_has_nothing_to_say(script: str) -> None:
    program = Path(sys.executable).with_name("shellcheck")  # of the packages that the tests install
    done = subprocess.run([program, "-x", blueprint.folder() / script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_powershell_keeps_our_rules() -> None:
    assert list(powershell.lint(PS1)) == []


SPOILED = {
    "does not parse": ("function Get-Metadata(", "function Get-Metadata("[:-1] + "{{("),
    "is not Set-StrictMode": ("Set-StrictMode -Version Latest\n", ""),
    "errors do not stop": ("$ErrorActionPreference = 'Stop'", "$ErrorActionPreference = 'Continue'"),
    "read as a drive": ("$place`:addVersion", "$place:addVersion"),
    "is not https": ("https://storage.googleapis.com", "http://storage.googleapis.com"),
    "without a digest": ("(Get-FileHash -Path $file -Algorithm SHA256).Hash.ToLowerInvariant()", "$item.sha256"),
    "runs text as a program": ("Register-Program 'Jenkins' $java", "iex $java; Register-Program 'Jenkins' $java"),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_each_rule_notices_what_it_is_for(fault: str) -> None:
    sound, spoiled = SPOILED[fault]
    assert sound in PS1
    assert any(fault in found for found in powershell.lint(PS1.replace(sound, spoiled)))


def test_the_groovy_parses_and_uses_what_jenkins_ships() -> None:
    text = (STARTUP / "jenkins" / "init.groovy").read_text()
    tree = Parser(Language(tree_sitter_groovy.language())).parse(text.encode())
    assert not tree.root_node.has_error
    imports = [line.split()[1] for line in text.splitlines() if line.startswith("import ")]
    assert all(name.startswith(("hudson.", "jenkins.model.")) for name in imports)


@pytest.mark.peer("terraform")
def test_a_machine_is_told_its_own_aegle_yaml_and_jobs_that_are_xml_with_one_command_of_ours() -> None:
    machines = [
        item
        for item in kept.whole().plans["platform"]["resource_changes"]
        if item["type"] == "google_compute_instance" and item["address"].startswith("module.site")
    ]
    assert len(machines) == 2
    for machine in machines:
        after = machine["change"]["after"]
        windows = "windows-startup-script-ps1" in after["metadata"]
        name = after["name"].removeprefix("site-")
        configured = config.parse(json.loads(after["metadata"]["aegle-facts"])["config"], Path("aegle.yaml"))
        site = configured.sites[name]
        assert site.cloud.hub_url == "https://hub.example.org" and site.pages.port == 8443
        assert (site.door.bind, site.door.plain_network) == ("0.0.0.0" if name == "st-anna" else "127.0.0.1", True)
        jobs = json.loads(after["metadata"]["aegle-jobs"])
        assert jobs.keys() == json.loads(blueprint.data("startup/jenkins/jobs.json")).keys()
        for text in jobs.values():
            job = ElementTree.fromstring(text)
            builder = job.find("builders")[0]
            assert builder.tag == ("hudson.tasks.BatchFile" if windows else "hudson.tasks.Shell")
            command = builder.find("command").text
            assert command.startswith("aegle ") and name in command
            assert len(job.find("triggers/hudson.triggers.TimerTrigger/spec").text.split()) == 5


def test_a_machine_behind_a_tunnel_listens_where_its_block_says_and_the_firewall_opens_just_that() -> None:
    found = read(kept.whole().plans["platform"])
    (machine,) = (item for item in found.of("google_compute_instance") if item.owner == "st-anna")
    facts = json.loads(machine.get("metadata")["aegle-facts"])
    site = config.parse(facts["config"], Path("aegle.yaml")).sites["st-anna"]
    assert {it.bind for it in (site.door, site.door.stow, site.query)} == {"0.0.0.0"}
    assert [peer.ae_title for peer in (*site.door.allow, *site.query.allow)] == ["PACS", "STATION"]
    assert (site.pacs.host, site.pacs.port) == ("10.9.0.4", 104)
    (rule,) = (item for item in found.of("google_compute_firewall") if item.get("name") == "site-st-anna-allow-pacs-in")
    assert rule.block("allow").get("ports") == ["11112", "11113", "11180"]
    assert rule.get("source_ranges") == ["10.9.0.0/24"]
    ours = {item.get("name") for item in found.of("google_compute_firewall") if item.owner == "mercy"}
    assert not any("pacs" in name for name in ours), "a hospital's own machine needs none"


def test_every_command_of_a_job_exists() -> None:
    commands = (Path(__file__).parents[2] / "docs" / "reference" / "commands.md").read_text()
    for job in json.loads(blueprint.data("startup/jenkins/jobs.json")).values():
        words = job["command"].split()
        assert f"## `{' '.join(words[:3])}`" in commands


class Machine:
    """A Linux machine below a folder: Google's servers on loopback, and programs that only root may run put aside."""

    def __init__(self, folder: Path) -> None:
        self.root, self.secrets, self.logged = folder / "root", dict[str, str](), list[dict[str, str]]()
        self.files = {"java_linux/21/java.tar.gz": b"", "jenkins/2/jenkins.war": b"a war", "aegle/0.1.0/aegle.zip": b""}
        for path in ("etc/systemd/system", "opt", "var/lib/aegle"):
            (self.root / path).mkdir(parents=True)
        self.stubs = folder / "stubs"
        self.stubs.mkdir()
        for name in ("useradd", "chown", "systemctl", "runuser"):
            self._stub(name, f'echo "{name} $*" >> "{folder}/asked"')
        # Owners are put aside; what is left is what `install` does for a user.
        self._stub(
            "install",
            'for a in "$@"; do case "$a" in aegle|-o|-g) ;; *) set -- "$@" "$a";; esac; shift; done; /usr/bin/install "$@"',
        )
        self.asked = folder / "asked"
        self.facts_of_role: dict[str, str] = {}
        self.script = "site.sh"
        self.digests: dict[str, str] = {}  #: stated in place of the right ones

    def _stub(self, name: str, body: str) -> None:
        (self.stubs / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.stubs / name).chmod(0o755)

    @property
    def facts(self) -> dict[str, Any]:
        software = {}
        for path, content in self.files.items():
            name, version, _ = path.split("/")
            digest = self.digests.get(name) or hashlib.sha256(content).hexdigest()
            software[name] = {"object": path, "version": version, "sha256": digest}
        return {
            "config": json.dumps({"sites": {}}),
            "site": "lab-north",
            "mirror": "mirror",
            "secrets": "projects/p/secrets/lab-north-",
            "software": software,
            **self.facts_of_role,
        }

    def boot(self, address: str) -> subprocess.CompletedProcess[str]:
        places = {
            "AEGLE_METADATA": f"{address}/metadata", "AEGLE_STORAGE": f"{address}/storage",
            "AEGLE_SECRETS": f"{address}/secrets", "AEGLE_LOGGING": f"{address}/logging",
        }  # fmt: skip
        environment = {"PATH": f"{self.stubs}:/usr/local/bin:/usr/bin:/bin", "AEGLE_ROOT": str(self.root), **places}
        environment["AEGLE_TRIES"] = "1"
        return subprocess.run(
            ["bash", STARTUP / self.script], env=environment, capture_output=True, text=True, timeout=60
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def address(machine: Machine) -> Iterator[str]:
    class Google(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, _, rest = self.path.strip("/").partition("/")
            if kind == "metadata":
                assert self.headers["Metadata-Flavor"] == "Google"
                return self._answer(200, _metadata(machine, rest))
            assert self.headers["Authorization"] == "Bearer a-token"
            if kind == "storage":
                name = rest.removeprefix("b/mirror/o/").removesuffix("?alt=media").replace("%2F", "/")
                return self._answer(200, machine.files[name])
            name = rest.removesuffix("/versions/latest:access")
            if name not in machine.secrets:
                return self._answer(404, b"{}")
            return self._answer(200, json.dumps({"payload": {"data": machine.secrets[name]}}).encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/logging":
                machine.logged.append(body["entries"][0]["jsonPayload"])
            else:
                machine.secrets[self.path.removeprefix("/secrets/").removesuffix(":addVersion")] = body["payload"][
                    "data"
                ]
            self._answer(200, b"{}")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Google)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _metadata(machine: Machine, path: str) -> bytes:
    jobs = json.dumps({"health": "<project/>"})
    known = {
        "project/project-id": "p",
        "instance/service-accounts/default/token": json.dumps({"access_token": "a-token"}),
        "instance/attributes/aegle-facts": json.dumps(machine.facts),
        "instance/attributes/aegle-jobs": jobs,
        "instance/attributes/aegle-jenkins-init": "// groovy",
        "instance/attributes/aegle-service": "[Unit]",
    }
    return known[path].encode()


def stocked(machine: Machine, tmp_path: Path) -> None:
    """Files that can be installed: a Java that is one script, and wheels of an `aegle` that says its name."""
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    (tmp_path / "jdk" / "bin" / "java").write_text("#!/bin/sh\n")
    subprocess.run(["tar", "-czf", tmp_path / "java.tar.gz", "-C", tmp_path, "jdk"], check=True)
    machine.files["java_linux/21/java.tar.gz"] = (tmp_path / "java.tar.gz").read_bytes()
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    _wheel(wheels / "aegle-0.1.0-py3-none-any.whl", "aegle", "0.1.0", {"aegle.py": "def main():\n    print('aegle')\n"})
    runner = "import pathlib, sys, zipfile\nplace = pathlib.Path(sys.prefix)\n" + _INSTALL
    _wheel(wheels / "pip-99-py3-none-any.whl", "pip", "99", {"pip/__main__.py": runner, "pip/__init__.py": ""})
    subprocess.run(["python3", "-m", "zipfile", "-c", tmp_path / "a.zip", *sorted(wheels.iterdir())], check=True)
    machine.files["aegle/0.1.0/aegle.zip"] = (tmp_path / "a.zip").read_bytes()


_INSTALL = """
assert sys.argv[1:4] == ["install", "--quiet", "--no-index"], sys.argv
wheel = next(pathlib.Path(sys.argv[5]).glob("aegle-*.whl"))
target = next((place / "lib").glob("python3*")) / "site-packages"
zipfile.ZipFile(wheel).extractall(target)
script = place / "bin" / "aegle"
script.write_text(f"#!{place}/bin/python\\nimport aegle\\naegle.main()\\n")
script.chmod(0o755)
"""


def _wheel(path: Path, name: str, version: str, files: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in {
            **files,
            f"{name}-{version}.dist-info/METADATA": f"Name: {name}\nVersion: {version}\n",
        }.items():
            wheel.writestr(member, text)


def test_a_machine_sets_itself_up_once_and_says_each_step(machine: Machine, address: str, tmp_path: Path) -> None:
    stocked(machine, tmp_path)
    done = machine.boot(address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(line["aegle_step"], line["outcome"]) for line in machine.logged] == [
        ("data-disk", "ok"), ("install-java_linux", "ok"), ("install-jenkins", "ok"), ("install-aegle", "ok"),
        ("jenkins", "ok"), ("site", "ok"), ("ready", "ok"),
    ]  # fmt: skip
    root = machine.root
    installed = root / "opt/aegle/current/bin/aegle"
    assert subprocess.run([installed], capture_output=True, text=True, env={}).stdout == "aegle\n"
    assert (root / "opt/java/bin/java").exists() and (root / "opt/jenkins/jenkins.war").read_bytes() == b"a war"
    assert (root / "var/lib/jenkins/jobs/health/config.xml").read_text() == "<project/>"
    assert (root / "opt/aegle/current/.digest").read_text().strip() == machine.facts["software"]["aegle"]["sha256"]
    assert (root / "etc/aegle/site.env").read_text() == "AEGLE_SITE=lab-north\n"
    assert json.loads((root / "etc/aegle/aegle.yaml").read_text()) == {"sites": {}}
    asked = machine.asked.read_text()
    assert asked.index("aegle apply") < asked.index("systemctl restart aegle-site jenkins")
    assert {len(base64.b64decode(value)) for value in machine.secrets.values()} == {32}
    assert len(machine.secrets) == 6 and len(set(machine.secrets.values())) == 6
    password = machine.secrets["projects/p/secrets/lab-north-jenkins-administrator"]
    assert (root / "var/lib/jenkins/password").read_text().strip() == password and len(password) >= 24
    assert not any(value in done.stdout + done.stderr for value in machine.secrets.values())


def test_a_second_boot_installs_nothing_and_makes_no_second_secret(
    machine: Machine, address: str, tmp_path: Path
) -> None:
    stocked(machine, tmp_path)
    machine.boot(address)
    secrets, machine.logged = dict(machine.secrets), []
    assert machine.boot(address).returncode == 0
    assert machine.secrets == secrets
    steps = {line["aegle_step"]: line["outcome"] for line in machine.logged}
    assert {steps[name] for name in ("install-java_linux", "install-jenkins", "install-aegle")} == {"skipped"}


def test_a_file_that_is_not_what_was_mirrored_stops_the_machine(machine: Machine, address: str, tmp_path: Path) -> None:
    stocked(machine, tmp_path)
    machine.digests["jenkins"] = "0" * 64
    done = machine.boot(address)
    assert done.returncode != 0
    assert machine.logged[-1]["aegle_step"] == "install-jenkins" and machine.logged[-1]["outcome"] == "failed"
    assert not (machine.root / "opt/jenkins/jenkins.war").exists()


@pytest.fixture
def hub_machine(machine: Machine, tmp_path: Path) -> Machine:
    stocked(machine, tmp_path)
    machine.script = "hub.sh"
    return machine


def told(machine: Machine) -> list[tuple[str, str]]:
    return [(line["aegle_step"], line["outcome"]) for line in machine.logged]


@pytest.mark.parametrize("role", ["hub", "worker"])
def test_a_machine_of_the_hub_runs_its_program_as_a_service(hub_machine: Machine, address: str, role: str) -> None:
    hub_machine.facts_of_role = {"role": role, "secrets": "projects/p/secrets/hub-"}
    done = hub_machine.boot(address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told(hub_machine) == [("install-aegle", "ok"), (role, "ok"), ("ready", "ok")]
    asked = hub_machine.asked.read_text()
    assert asked.index("aegle apply --config") < asked.index(f"systemctl restart aegle-{role}")
    assert "run migration" not in asked and "poweroff" not in asked
    unit = (STARTUP / f"aegle-{role}.service").read_text()
    assert f"ExecStart=/opt/aegle/current/bin/aegle run {role}\n" in unit
    made = {"projects/p/secrets/hub-operator-token", "projects/p/secrets/hub-page-key"} if role == "hub" else set()
    assert hub_machine.secrets.keys() == made


def test_the_machine_that_migrates_does_so_and_turns_itself_off(hub_machine: Machine, address: str) -> None:
    hub_machine.facts_of_role = {"role": "migration"}
    done = hub_machine.boot(address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told(hub_machine) == [("install-aegle", "ok"), ("migration", "ok"), ("ready", "ok")]
    asked = hub_machine.asked.read_text().splitlines()
    assert "aegle run migration --home" in asked[-2] and asked[-1] == "systemctl poweroff"
    assert not hub_machine.secrets, "it has no secret of the hub's"


def test_a_migration_that_fails_is_said_and_the_machine_stays_on(hub_machine: Machine, address: str) -> None:
    hub_machine.facts_of_role = {"role": "migration"}
    hub_machine._stub("runuser", 'case "$*" in *migration*) exit 1;; esac')
    assert hub_machine.boot(address).returncode != 0
    assert told(hub_machine)[-1] == ("migration", "failed")
    assert not hub_machine.asked.exists() or "poweroff" not in hub_machine.asked.read_text()


@pytest.mark.peer("terraform")
def test_each_machine_of_the_hub_is_told_an_aegle_yaml_that_its_programs_read() -> None:
    found = {}
    for item in read(kept.whole().states["platform"]).of(
        "google_compute_instance", "google_compute_region_instance_template"
    ):
        facts = item.get("metadata")
        if item.owner == HUB and "aegle-facts" in facts:
            told_facts = json.loads(facts["aegle-facts"])
            found[told_facts["role"]] = config.parse(told_facts["config"], Path("aegle.yaml")).hub
            assert "startup-script" in facts and "aegle run" not in facts["aegle-facts"]
    assert found.keys() == {"hub", "worker", "migration"}
    users = {role: hub.cloud.database.user for role, hub in found.items()}
    assert users == {role: f"aegle-{role}@cervix-hub-prod.iam" for role in found}
    assert (found["hub"].bind, found["hub"].port, found["worker"].bind) == ("0.0.0.0", 8080, "127.0.0.1")
    migration = found["migration"].cloud.database
    assert (migration.hub, migration.worker) == (users["hub"], users["worker"])
    assert found["hub"].cloud.database.hub is None, "only the machine that migrates knows whom to let in"
