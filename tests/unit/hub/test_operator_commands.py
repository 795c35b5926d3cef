"""The operator's commands against a running hub, and the audit's proof with and without one."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubworld import Running, label, submission
from typer.testing import CliRunner, Result

from aegle import api
from aegle.access import Act, Role
from aegle.cli import app
from aegle.config import HubConfig, SiteConfig
from aegle.errors import AegleError, BadMessage, Conflict, NotFound
from aegle.hub.people import HubAccounts
from aegle.local.audit import ChainedLines, heads_in, read_newest
from aegle.local.home import Applied, AppliedHub, AppliedSite, Home
from aegle.local.secrets import FileSecrets
from aegle.records import Label, SiteKind
from aegle.site.heads import keep_heads

SECRET = bytes.fromhex("0badc0de" * 8)


@pytest.fixture
def place(hub: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home whose applied state leads to the running hub."""
    object.__setattr__(hub.services, "operator_secret", SECRET.hex())
    home = Home(root=tmp_path / "home")
    FileSecrets(home.hub / "secrets").put("operator-token", SECRET)
    port = hub.client.base_url.port or 0
    sites = {
        name: AppliedSite(door_port=1, archive_port=2, pages_port=3, config=SiteConfig(kind=kind))
        for name, kind in (("st-anna", SiteKind.HOSPITAL), ("cytolab", SiteKind.LAB))
    }
    for name in sites:
        home.site(name).mkdir(parents=True)
    home.write_applied(Applied(hub=AppliedHub(port=port, pages_port=1, config=HubConfig()), sites=sites))
    monkeypatch.setenv("AEGLE_HOME", str(home.root))
    monkeypatch.setenv("COLUMNS", "200")
    yield home


def aegle(*words: str) -> Result:
    """Run a command; an error of ours is raised."""
    done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, AegleError):
        raise done.exception
    return done


def send_labels(hub: Running, *labels: Label) -> None:
    hub.call("cytolab", "POST", api.LABELS, api.encode(api.LabelBatch(labels=labels)))


def acts(home: Home, owner: str = "hub") -> list[str]:
    folder = home.hub if owner == "hub" else home.site(owner)
    path = folder / "audit" / "cli.jsonl"
    return [event.act for event in read_newest(path, 9)] if path.exists() else []


def test_status_tells_sites_requests_and_alerts_and_ends_with_one_when_they_are_grave(
    hub: Running, place: Home
) -> None:
    hub.call("st-anna", "POST", api.REQUESTS, api.encode(submission()))
    done = aegle("status")
    assert done.exit_code == 1
    for expected in ("st-anna", "cytolab", "papnet 1.0.0 at 0.400", "Requests wait and no worker is alive."):
        assert expected in done.stdout
    only = aegle("status", "--site", "cytolab")
    assert "st-anna" not in only.stdout and only.exit_code == 0
    with pytest.raises(NotFound):
        aegle("status", "--site", "nowhere")


def test_a_person_is_added_at_the_hub_and_listed(hub: Running, place: Home) -> None:
    added = aegle("account", "add", "omar", "--hub", "--role", "operator")
    account = HubAccounts(hub.database).find("omar")
    assert account and account.role is Role.OPERATOR
    assert "Password" in added.stdout
    assert "omar" in aegle("account", "list", "--hub").stdout
    with pytest.raises(BadMessage, match="no role 'clinician'"):
        aegle("account", "add", "omar", "--hub", "--role", "clinician")
    with pytest.raises(BadMessage, match="say where"):
        aegle("account", "list")


def test_a_person_is_added_at_a_site_without_the_hub(place: Home) -> None:
    aegle("account", "add", "anna", "--site", "st-anna", "--role", "clinician")
    assert "anna" in aegle("account", "list", "--site", "st-anna").stdout
    assert acts(place, "st-anna") == [Act.HUB_CONSOLE_VIEW, Act.PAGE_ACCOUNT_CHANGE]


def test_a_query_prints_its_rows_and_anything_but_a_select_is_refused(hub: Running, place: Home) -> None:
    send_labels(hub, label(1), label(2, code="NILM"))
    assert "NILM" in aegle("labels", "query", "SELECT code, count(*) AS n FROM label_current GROUP BY code").stdout
    assert "There are more rows" in aegle("labels", "query", "SELECT * FROM label", "--limit", "1").stdout
    with pytest.raises(BadMessage, match="only SELECT"):
        aegle("labels", "query", "DROP TABLE label")


def test_an_export_holds_every_label_once_over_several_pages(
    hub: Running, place: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegle.cli.labels._PAGE", 3)
    made = [label(number) for number in range(1, 9)]
    correction = label(9, label_id=made[0].label_id, supersedes=made[0].event_id, code="SCC")
    send_labels(hub, *made, correction)
    aegle("labels", "export", str(tmp_path / "current.csv"))
    aegle("labels", "export", str(tmp_path / "events.csv"), "--events")
    with (tmp_path / "current.csv").open(newline="") as stream:
        current = list(csv.DictReader(stream))
    assert [row["event_id"] for row in current] == [item.event_id for item in [*made[1:], correction]]
    assert json.loads(current[0]["points_px"])[1] == {"column_px": 3.0, "row_px": 4.0}
    assert len((tmp_path / "events.csv").read_text().splitlines()) == 10
    with pytest.raises(Conflict):
        aegle("labels", "export", str(tmp_path / "events.csv"))


def test_a_rotated_credential_is_put_into_the_sites_own_secrets_and_holds(hub: Running, place: Home) -> None:
    aegle("site", "rotate-credential", "st-anna")
    secret = FileSecrets(place.site("st-anna") / "secrets").get("hub-credential").decode()
    hub.tokens["st-anna"] = f"st-anna.{secret}"
    assert hub.call("st-anna", "GET", api.OUTCOMES)[0] == 200


def exchange(hub: Running, home: Home) -> None:
    """Write trails at a site, the hub and a worker, and lodge their heads with the other party."""
    for folder, owner, process in ((home.site("st-anna"), "st-anna", "site"), (home.hub, "hub", "worker-1")):
        trail = ChainedLines(folder / "audit", owner, process)
        for _ in range(3):
            trail.append(*hub.trail.events[:1])
        trail.close()
    heads = api.HeadList(heads=heads_in(home.site("st-anna") / "audit", "st-anna"))
    hub.call("st-anna", "POST", api.AUDIT_HEADS, api.encode(heads))
    keep_heads(home.site("st-anna") / "audit" / "lodged.heads", heads_in(home.hub / "audit", "hub"))


def stop_answering(home: Home, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """As if the hub's program were down: nobody answers, the database stays."""
    applied = home.require_applied()
    home.write_applied(applied.model_copy(update={"hub": applied.hub.model_copy(update={"port": 1})}))
    monkeypatch.setenv("AEGLE_DATABASE_URL", database_url)


@pytest.mark.parametrize("runs", [True, False], ids=["hub-up", "hub-down"])
def test_trails_are_proved_and_a_cut_one_is_named_with_its_line(
    hub: Running, place: Home, database_url: str, monkeypatch: pytest.MonkeyPatch, runs: bool
) -> None:
    hub.call("operator", "GET", "/v1/admin/status")
    exchange(hub, place)
    if not runs:
        stop_answering(place, monkeypatch, database_url)
    done = aegle("audit", "verify")
    assert done.exit_code == 0, done.stdout
    assert "2 chains, 6 lines proved; 0 of them newer" in done.stdout
    for folder, name in ((place.site("st-anna"), "site"), (place.hub, "worker-1")):
        path = folder / "audit" / f"{name}.jsonl"
        path.write_text("".join(path.read_text().splitlines(True)[:2]))
    done = aegle("audit", "verify")
    assert done.exit_code == 1
    assert "st-anna/site, line 3: the other party holds a digest of line 3: lines are cut" in done.stdout
    assert "hub/worker-1, line 3: the other party holds a digest of line 3: lines are cut" in done.stdout
    assert acts(place) == [Act.CLI_AUDIT_VERIFY, Act.CLI_AUDIT_VERIFY]


def test_the_latest_acts_are_shown_of_one_site_or_of_all(hub: Running, place: Home) -> None:
    hub.call("operator", "GET", "/v1/admin/status")
    exchange(hub, place)
    assert "hub/worker-1" in aegle("audit", "show").stdout
    only = aegle("audit", "show", "--site", "st-anna").stdout
    assert "st-anna/site" in only and "worker" not in only


def test_an_applied_change_is_audited_once(place: Home, tmp_path: Path) -> None:
    config = tmp_path / "aegle.yaml"
    config.write_text("sites: {st-anna: {kind: hospital}, cytolab: {kind: lab}}\n")
    aegle("site", "add", "st-berta", "--kind", "hospital", "--config", str(config))
    aegle("apply", "--config", str(config))
    aegle("apply", "--config", str(config))
    assert acts(place) == [Act.CLI_CONFIG_APPLY, Act.CLI_CONFIG_CHANGE]
