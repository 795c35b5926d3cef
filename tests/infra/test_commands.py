"""The commands a data scientist types, from an empty folder to a retired site, with the real terraform."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aegle.cli import app
from aegle.config import load
from aegle.provision import blueprint
from infra import estates
from infra.cloud import Cloud, open_cloud

pytestmark = pytest.mark.peer("terraform")

COMPANY = """\
# Everything about us.
target: gcp
google:
  prefix: cervix
  organisation: "123456789012"
  customer: C0abc123
  billing_account: 0A1B2C-3D4E5F-678901
  region: europe-west4
  mail: operators@example.org
  hub_name: hub.example.org
  deploy: {issuer: "https://ci.example.org", subject: "repo:example/aegle:main"}
  migration_until: SOON
sites:
  st-anna:  # our first
    kind: hospital
    google:
      cidr: 10.64.0.0/26
      operators: ["user:jo@st-anna.example"]
""".replace("SOON", f'"{estates.SOON}"')


class Operator:
    """Types commands in a folder with aegle.yaml."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.file, self.cloud = folder / "aegle.yaml", cloud
        self.file.write_text(COMPANY)

    def run(self, *words: str) -> Result:
        found = CliRunner().invoke(
            app,
            [*words, "--config", str(self.file), *self._home(words)],
            env=self.cloud.environment | {"COLUMNS": "250"},
        )
        if isinstance(found.exception, Exception) and not isinstance(found.exception, SystemExit):
            found.stdout_bytes += f"\n{found.exception}".encode()
        return found

    def does(self, *words: str) -> str:
        found = self.run(*words)
        assert found.exit_code == 0, found.output
        return found.output

    def _home(self, words: tuple[str, ...]) -> list[str]:
        return [] if words[0] == "infra" else ["--home", str(self.file.parent / ".aegle")]


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("commands")
    copy = blueprint.copy_to
    with open_cloud(folder / "cloud") as cloud, pytest.MonkeyPatch.context() as patch:
        backends = {root: cloud.states.backend(root) for root in blueprint.ROOTS}  # a file is slow; see `states`
        patch.setattr(blueprint, "copy_to", lambda work, _: copy(work, backends))
        yield Operator(folder, cloud)


def test_the_platform_asks_for_the_foundation_first(operator: Operator) -> None:
    refused = operator.run("plan")
    assert refused.exit_code == 1
    assert "apply --foundation" in str(refused.exception)


def test_of_nothing_no_assertion_is_said_to_hold(operator: Operator, tmp_path: Path) -> None:
    assert "nothing to judge" in str(operator.run("infra", "policy", "--home", str(tmp_path / "home")).exception)
    empty = tmp_path / "state.json"
    empty.write_text('{"values": {"root_module": {}}}')
    assert "nothing to judge" in str(operator.run("infra", "policy", str(empty)).exception)


def test_the_foundation_is_told_and_applied(operator: Operator) -> None:
    told = operator.does("plan", "--foundation")
    assert "6 projects" in told and "organisation polic" in told
    assert not operator.cloud.world.objects
    operator.does("apply", "--foundation", "--yes")
    assert len(operator.cloud.world.of("google_project")) == 6


def test_apply_says_what_comes_and_what_it_costs_asks_and_shows_progress(operator: Operator) -> None:
    asked = operator.run("apply")
    hub, _, site = asked.output.partition("st-anna")
    assert re.search(r"create \d+: .*grants", hub) and re.search(r"roughly \+[\d,]+ USD", hub)
    assert re.search(r"create \d+: .*machine", site) and re.search(r"roughly \+[\d,]+ USD", site)
    assert asked.exit_code == 1, "nobody said yes"
    assert not operator.cloud.world.of("google_compute_instance")
    done = operator.does("apply", "--yes")
    assert re.search(r"\d+/\d+  created machine", done)


def test_what_stands_is_judged_by_one_command_and_by_what_terraform_writes_down(operator: Operator) -> None:
    home = operator.file.parent / ".aegle"
    held = operator.does("infra", "policy", "--home", str(home))
    assert re.search(r"(\d+) of \1 assertions hold", held)
    written = []
    for root in blueprint.ROOTS:  # as the auditor's page says
        data = {"TF_DATA_DIR": f"../../{root}/data"} | operator.cloud.environment
        command = ["terraform", f"-chdir={root}", "show", "-json"]
        place = home / "google" / "blueprint"
        done = subprocess.run(command, cwd=place, env=os.environ | data, capture_output=True, check=True)
        written.append(home / f"{root}.json")
        written[-1].write_bytes(done.stdout)
    assert operator.does("infra", "policy", *map(str, written)) == held


def test_a_site_is_one_command_and_at_most_eight_lines(operator: Operator) -> None:
    shown = operator.does(
        "site", "add", "lab-north", "--kind", "lab", "--operators", "group:lab@example.org", "--dry-run"
    )
    assert "+  lab-north:" in shown and operator.file.read_text() == COMPANY
    operator.does("site", "add", "lab-north", "--kind", "lab", "--operators", "group:lab@example.org")
    text = operator.file.read_text()
    assert text.startswith(COMPANY), "what a person wrote is as it was"
    assert len(text.removeprefix(COMPANY).splitlines()) <= 8
    assert load(operator.file).sites["lab-north"].google.cidr == "10.64.0.64/26"
    told = operator.does("plan")
    assert "st-anna" not in told and "hub\n" not in told and "lab-north" in told


def test_apply_goes_on_after_a_failure(operator: Operator) -> None:
    operator.cloud.world.failing["google_compute_instance"] = "Error 429: quota CPUS exceeded"
    stopped = operator.run("apply", "--yes")
    assert stopped.exit_code != 0 and "quota CPUS exceeded" in str(stopped.exception)
    assert "run the same command: it goes on from here" in str(stopped.exception)
    told = operator.does("apply", "--yes")
    assert re.search(r"create [1-9]: .*machine", told), "only what is missing"


def test_what_breaks_a_rule_is_not_applied(operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled = tmp_path / "infra"
    shutil.copytree(blueprint.folder(), spoiled)
    buckets = spoiled / "modules" / "site" / "main.tf"
    buckets.write_text(buckets.read_text().replace('"enforced"', '"inherited"'))
    monkeypatch.setattr(blueprint, "folder", lambda: spoiled)
    calls = len(operator.cloud.world.calls)
    refused = operator.run("apply", "--yes")
    assert refused.exit_code == 1 and "breaks a rule" in str(refused.exception)
    assert "may be opened to the world" in refused.output
    assert len(operator.cloud.world.calls) == calls


def test_a_site_leaves_in_steps_and_its_keys_stay(operator: Operator) -> None:
    text = operator.file.read_text()
    assert "alive" in str(operator.run("site", "retire", "st-anna", "--remove").exception)
    operator.file.write_text(re.sub(r"  st-anna:.*?(?=  lab-north)", "", text, flags=re.DOTALL))
    assert "still alive" in str(operator.run("apply", "--yes").exception), "cut out by hand"
    operator.file.write_text(text)

    operator.does("site", "retire", "st-anna")
    assert "our first" in operator.file.read_text()
    assert "stops the machine" in operator.does("apply", "--yes")
    operator.does("site", "retire", "st-anna", "--remove")
    assert operator.file.read_text() == text[: text.index("  st-anna")] + text[text.index("  lab-north") :]
    assert "--allow-delete st-anna" in str(operator.run("apply", "--yes").exception)
    before = dict(operator.cloud.world.objects)
    asked = operator.run("apply", "--allow-delete", "st-anna")
    assert "Leave these there" in asked.output and asked.exit_code == 1, "nobody said yes"
    assert operator.cloud.world.objects == before and "keys of st-anna are never destroyed" in str(
        operator.run("plan", "--allow-delete", "st-anna").exception
    ), "a no leaves them looked after"
    done = operator.does("apply", "--yes", "--allow-delete", "st-anna")
    assert "says hello" not in done
    assert "stays in Cloud KMS" in done and "destroys data or a key: archive" in done
    left = {kind for kind, identity in operator.cloud.world.objects if "st-anna" in identity}
    assert left <= {"google_kms_key_ring", "google_kms_crypto_key", "google_kms_crypto_key_iam_member"} and left
    assert "Nothing to do" in operator.does("plan")
    assert list(load(operator.file).sites) == ["lab-north"]


def test_a_hospitals_own_machine_is_given_its_files_and_no_secret(operator: Operator) -> None:
    text = operator.file.read_text()
    (operator.file.parent / "hospital-ca.pem").write_text(estates.CERTIFICATE)
    operator.does("site", "add", "mercy", "--kind", "hospital")
    more = "      gateway: on_premises\n      ca_file: hospital-ca.pem\n      vpn: {peer: 203.0.113.10, asn: 64601}\n"
    operator.file.write_text(operator.file.read_text().rstrip("\n") + "\n" + more)
    secret = {"AEGLE_VPN_SECRETS": '{"mercy": "a shared secret"}'}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(operator.cloud.environment, *secret.popitem())
        told = operator.does("apply", "--yes")
    place = operator.file.parent / "gateway-mercy"
    assert "give the hospital the files in" in told and "gateway-mercy" in told
    machine = load(place / "aegle.yaml").sites["mercy"]
    assert machine.cloud is not None and machine.cloud.keys_here
    assert machine.archive is not None and "site-mercy/dicomStores/archive" in machine.archive.url
    who = json.loads((place / "google.json").read_text())
    assert who["audience"].startswith("//iam.googleapis.com/") and "site-mercy@" in str(who)
    assert "aegle run site ${AEGLE_SITE}" in (place / "aegle-site.service").read_text()
    assert not any("a shared secret" in file.read_text() for file in place.iterdir())
    operator.file.write_text(text)


def test_sites_are_listed(operator: Operator) -> None:
    told = operator.does("site", "list")
    assert "lab-north" in told and "10.64.0.64/26" in told and "group:lab@example.org" in told
