"""A hub wired for Google Cloud, each program a process of its own identity: a real PostgreSQL behind TLS, and doubles of
Google for the rest. A study goes from the PACS to the hub's worker and back.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from cloud_double import Cloud, clouded
from cloudsql_double import Instance, instance
from stage import HOSPITAL, LAB, Stage

from aegle import __version__, api
from aegle import config as configuration
from aegle.demo import pacs
from aegle.local.enrolment import rotate
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner, free_port
from aegle.local.secrets import FileSecrets

AUDIENCE = "https://hub.example.org"
ACCOUNTS = {who: f"aegle-{who}@cervix-hub-prod.iam.gserviceaccount.com" for who in ("hub", "worker", "migration")}
USERS = {who: account.removesuffix(".gserviceaccount.com") for who, account in ACCOUNTS.items()}
SITE_ACCOUNT = "site-{}@cervix-sites-prod.iam.gserviceaccount.com"


@dataclass(kw_only=True)
class Estate:
    """The hub's machines, one home each, and a hospital and a laboratory beside them."""

    cloud: Cloud
    database: Instance
    stage: Stage
    homes: dict[str, Home]

    def run(self, who: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A program of ours to its end, on that machine."""
        command = [sys.executable, "-m", "aegle", *words, "--home", str(self.homes[who].root)]
        return subprocess.run(command, env=self._machine(who), capture_output=True, text=True, timeout=120)

    def start(self, name: str) -> None:
        """`hub` or `worker`, on its machine; it is ended with the stage."""
        log = self.stage.home.logs / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as output:
            self.stage.processes[f"{name}-1" if name == "worker" else name] = subprocess.Popen(
                [sys.executable, "-m", "aegle", "run", name, "--home", str(self.homes[name].root)],
                stdin=subprocess.PIPE, stdout=output, stderr=output, env=self._machine(name),
            )  # fmt: skip

    def _machine(self, who: str) -> dict[str, str]:
        host = self.cloud.machine(ACCOUNTS[who])
        return {**os.environ, "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "AEGLE_FAULT": ""}

    def tables(self, who: str, statement: str) -> list[Any]:
        """A statement under the database user of an identity."""
        passwords = (self.homes[who].hub / "database" / "database-token").read_text().strip()
        word = passwords.rpartition(":")[2]
        where = {"host": "127.0.0.1", "port": self.database.port, "dbname": "aegle", "user": USERS[who]}
        with psycopg.connect(**where, password=word, sslmode="require", autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def cloud_block(cloud: Cloud, database: Instance, who: str) -> dict[str, Any]:
    """What the blueprint writes onto a machine of the hub."""
    users = {"hub": USERS["hub"], "worker": USERS["worker"]} if who == "migration" else {}
    return {
        "project": "cervix-hub-prod", "region": "europe-west4", "bucket": "cervix-hub-bundles", "endpoint": cloud.url,
        "bundle": "papnet-1.0.0",
        "database": {"instance": database.name, "user": USERS[who], "port": database.port, **users},
    }  # fmt: skip


def _home(folder: Path, who: str, hub: dict[str, Any], sites: dict[str, Any]) -> Home:
    file = folder / f"{who}.yaml"
    file.write_text(json.dumps({"hub": hub, "sites": sites}))  # JSON is YAML
    home = Home(root=folder / who)
    LocalProvisioner(configuration.load(file), home).apply()
    return home


def _stocked(cloud: Cloud, ports: dict[str, int]) -> None:
    """What the blueprint and an operator put there: secrets, the model's bundle, an enrolment a site."""
    cloud.rest.secrets = {
        f"projects/cervix-hub-prod/secrets/hub-{name}": [os.urandom(32)] for name in ("operator-token", "page-key")
    }
    bundle = Path(str(resources.files("aegle.demo"))) / "bundle" / "papnet-1.0.0"
    for path in bundle.rglob("*"):
        if path.is_file():
            name = f"bundles/papnet-1.0.0/{path.relative_to(bundle).as_posix()}"
            cloud.objects["cervix-hub-bundles", name] = path.read_bytes()
    for site, kind in ((HOSPITAL, "hospital"), (LAB, "lab")):
        said = {"kind": kind, "account": SITE_ACCOUNT.format(site), "archive_url": f"http://127.0.0.1:{ports[site]}"}
        cloud.objects["cervix-hub-bundles", f"sites/{site}.json"] = json.dumps(said).encode()


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    folder = tmp_path_factory.mktemp("cloud-hub")
    with ExitStack() as stack:
        cloud, database = stack.enter_context(clouded()), stack.enter_context(instance(folder))
        cloud.settings, cloud.new_token = database.settings(), database.sign_in
        for who, account in ACCOUNTS.items():
            database.add_user(account, owns=who == "migration")
        ports = {name: free_port() for name in ("hub", "pages", "pacs", HOSPITAL, LAB)}
        _stocked(cloud, ports)
        hub = {"port": ports["hub"], "pages_port": ports["pages"], "audience": AUDIENCE}
        sites = {
            HOSPITAL: {
                "kind": "hospital", "archive_port": ports[HOSPITAL],
                "door": {"quiet_seconds": 0.3, "allow": [{"ae_title": pacs.TITLE}]},
                "pacs": {"port": ports["pacs"], "ae_title": pacs.TITLE},
            },
            LAB: {"kind": "lab", "archive_port": ports[LAB], "door": {"quiet_seconds": 0.3}},
        }  # fmt: skip
        homes = {who: _home(folder, who, hub | {"cloud": cloud_block(cloud, database, who)}, {}) for who in ACCOUNTS}
        stage = Stage(
            home=_home(folder, "sites", hub, sites), pacs_folder=folder / "pacs", pacs_port=ports["pacs"],
            hub_port=ports["hub"],
        )  # fmt: skip
        (stage.pacs_folder / "outgoing").mkdir(parents=True)
        made = Estate(cloud=cloud, database=database, stage=stage, homes=homes)
        yield made
        for name in sorted(stage.processes, key=lambda name: name == "hub"):
            stage.end(name)


@pytest.fixture(scope="module")
def running(estate: Estate) -> Estate:
    """Hub and worker start first, as their machines would, and wait; then the migration comes, then the sites."""
    stage = estate.stage
    estate.start("hub")
    estate.start("worker")
    log = stage.home.logs / "hub.log"
    stage.until(lambda: "waiting for the migration" in log.read_text(), "the hub waits for its tables", 150)
    done = estate.run("migration", "run", "migration")
    for _ in range(3):  # as its machine does: a database that is slow today is asked again
        if done.returncode == 75:
            done = estate.run("migration", "run", "migration")
    assert done.returncode == 0, done.stdout + done.stderr
    token = FileSecrets(estate.homes["hub"].hub / "secrets").get("operator-token")
    FileSecrets(stage.home.hub / "secrets").put("operator-token", token)
    stage.until(stage.operator().is_ready, "the hub answers", 150)
    stage.until(lambda: len(stage.operator().call("GET", "/v1/admin/sites").json()) == 2, "the sites are enrolled", 150)
    for name in (HOSPITAL, LAB):
        rotate(stage.operator(), FileSecrets(stage.home.site(name) / "secrets"), name)
    for name in (HOSPITAL, "pacs"):
        stage.start(name)
    return estate


def test_a_study_is_read_end_to_end_by_a_hub_wired_for_google(running: Estate) -> None:
    stage, cloud = running.stage, running.cloud
    sent = stage.send()
    stage.until(lambda: stage.is_delivered(sent), "the result lies in the PACS", 120)
    stage.until(lambda: cloud.warehouse.rows("prediction"), "the prediction is a row of the warehouse")
    (row,) = cloud.warehouse.rows("prediction")
    assert (row["site"], row["outcome"], row["bundle"]) == (HOSPITAL, "prediction", "papnet 1.0.0")
    assert not running.database.plain, "nobody spoke to the database in the open"


def test_the_depth_of_the_queue_is_published_for_the_autoscaler(running: Estate) -> None:
    running.stage.until(lambda: running.cloud.figures, "a figure is written")
    series = running.cloud.figures[0]
    assert series["metric"]["type"] == "custom.googleapis.com/aegle/queue_depth"
    assert int(series["points"][0]["value"]["int64Value"]) >= 0


def test_every_act_of_hub_and_worker_lies_in_cloud_logging_and_the_hubs_in_the_warehouse(running: Estate) -> None:
    stage, cloud = running.stage, running.cloud

    def acts() -> set[str]:
        return {entry["jsonPayload"]["act"] for entry in cloud.rest.log.values()}  # type: ignore[index]

    stage.until(lambda: {"hub:site:enroll", "hub:request:accept", "worker:study:read"} <= acts(), "the acts are there")
    chains = {entry["labels"]["chain"].partition("-")[0] for entry in cloud.rest.log.values()}  # type: ignore[index]
    assert chains == {"hub/hub", "hub/worker", "hub/migration"}
    stage.until(lambda: "hub:site:enroll" in {row["act"] for row in cloud.warehouse.rows("audit")}, "audit as rows")


def test_a_site_signs_in_as_its_service_account_and_no_other_account_does(running: Estate) -> None:
    stage, issuer = running.stage, running.cloud.issuer
    hello = api.Hello(software=__version__, held=0, spooled=0, undelivered=0, disk_free_bytes=1)

    def greet(**claims: object) -> int:
        headers = {"Authorization": f"Bearer {issuer.token(aud=AUDIENCE, **claims)}"}
        place = f"http://127.0.0.1:{stage.hub_port}{api.HELLO}"
        return httpx.post(place, content=api.encode(hello), headers=headers).status_code

    assert greet(email=SITE_ACCOUNT.format(LAB)) == 200
    assert greet(email=ACCOUNTS["worker"]) == 401


def test_a_label_lies_in_the_warehouse_and_is_asked_for_there(running: Estate) -> None:
    stage = running.stage
    stage.start(LAB)
    stage.label(stage.upload_still(LAB))
    stage.until(lambda: stage.labels(), "the label has arrived")
    assert [row["code"] for row in running.cloud.warehouse.rows("label")] == ["HSIL"]


FORBIDDEN = {
    "hub": ("CREATE TABLE mine (a int)", "DROP TABLE request", "DELETE FROM outcome", "UPDATE audit_head SET count = 1",
            "TRUNCATE site_policy", "ALTER TABLE outcome DISABLE TRIGGER append_only"),
    "worker": ("SELECT * FROM site_credential", "SELECT * FROM person", "DELETE FROM request", "INSERT INTO site VALUES ('a')",
               "DELETE FROM outcome", "CREATE TABLE mine (a int)"),
}  # fmt: skip


@pytest.mark.parametrize(("who", "statement"), [(who, item) for who, items in FORBIDDEN.items() for item in items])
def test_hub_and_worker_may_change_neither_tables_nor_evidence(running: Estate, who: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        running.tables(who, statement)


def test_no_token_reaches_a_log(running: Estate) -> None:
    logs = "".join(path.read_text() for path in running.stage.home.logs.glob("*.log"))
    assert logs and not any(token in logs for token in running.cloud.tokens)
    assert not running.cloud.refused
