"""What a person's machine and account lack before `aegle apply` can work on Google Cloud, each with the remedy."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from aegle.estate import Google
from aegle.provision.terraform import NEEDS

_APIS: Final = ("compute", "cloudkms", "healthcare", "secretmanager", "storage", "osconfig", "iap")
_PERMISSIONS: Final = ("resourcemanager.projects.create", "resourcemanager.folders.create", "orgpolicy.policies.create")
_NETWORKS_A_SITE: Final = 1
_TIMEOUT_S: Final = 60


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    good: bool
    told: str
    remedy: str = ""


def examine(google: Google, sites: int) -> Iterator[Check]:
    """Look at everything, in the order in which it is needed. Asks Google through `gcloud`; changes nothing."""
    yield _terraform()
    if shutil.which("gcloud") is None:
        yield Check(
            name="gcloud", good=False, told="the Google Cloud CLI is not on this machine",
            remedy="install it from https://cloud.google.com/sdk/docs/install",
        )  # fmt: skip
        return
    credentials = _credentials()
    yield credentials
    if not credentials.good:
        return
    yield _billing(google)
    yield _permissions(google)
    yield _state(google)
    yield _apis(google)
    yield _networks(google, sites)


def _terraform() -> Check:
    wanted = ".".join(map(str, NEEDS))
    remedy = f"install terraform {wanted} or newer: https://developer.hashicorp.com/terraform/install"
    if shutil.which("terraform") is None:
        return Check(name="terraform", good=False, told="terraform is not on this machine", remedy=remedy)
    code, out = _run("terraform", "version", "-json")
    version = _json(out).get("terraform_version", "0.0.0") if code == 0 else "0.0.0"
    good = tuple(int(part) for part in version.split("-")[0].split(".")[:2]) >= NEEDS
    return Check(name="terraform", good=good, told=f"terraform {version}", remedy=remedy)


def _credentials() -> Check:
    code, out = _run("gcloud", "auth", "application-default", "print-access-token")
    good = code == 0 and bool(out.strip())  # the token itself is never shown
    told = "application-default credentials are there" if good else "no credentials that terraform could use"
    return Check(name="credentials", good=good, told=told, remedy="gcloud auth application-default login")


def _billing(google: Google) -> Check:
    code, out = _run("gcloud", "billing", "accounts", "describe", google.billing_account, "--format=json")
    account = _json(out) if code == 0 else {}
    if account.get("open") is True:
        return Check(name="billing", good=True, told=f"{google.billing_account} is open")
    told = f"{google.billing_account} is closed" if account else f"{google.billing_account} cannot be seen"
    remedy = "ask for Billing Account User on it, or correct google.billing_account in aegle.yaml"
    return Check(name="billing", good=False, told=told, remedy=remedy)


def _permissions(google: Google) -> Check:
    command: tuple[str, ...]
    if google.folder:
        place = google.folder
        command = ("resource-manager", "folders", "get-iam-policy", place.removeprefix("folders/"))
    else:
        place = f"organizations/{google.organisation}"
        command = ("organizations", "get-iam-policy", google.organisation)
    code, out = _run("gcloud", *command, "--format=json")
    told = "rights can be read" if code == 0 else "your rights over it cannot even be read"
    remedy = (
        f"for the foundation, ask an organisation administrator to run it, or for rights with {', '.join(_PERMISSIONS)}; "
        "for the platform, let the pipeline apply"
    )
    return Check(name=place, good=code == 0 and bool(out), told=told, remedy=remedy)


def _state(google: Google) -> Check:
    if google.state_bucket is None:
        remedy = "run infra/bootstrap.sh and name the bucket as google.state_bucket"
        return Check(
            name="state",
            good=False,
            told="state is a file on this machine: a colleague cannot go on with it",
            remedy=remedy,
        )
    code, out = _run("gcloud", "storage", "buckets", "describe", f"gs://{google.state_bucket}", "--format=json")
    bucket = _json(out) if code == 0 else {}
    good = bucket.get("versioning_enabled") is True and bucket.get("public_access_prevention") == "enforced"
    told = (
        f"gs://{google.state_bucket} is {'versioned and private' if good else 'missing, or not versioned and private'}"
    )
    return Check(
        name="state", good=good, told=told, remedy="run infra/bootstrap.sh again: it changes only what is not so yet"
    )


def _apis(google: Google) -> Check:
    project = f"{google.prefix}-sites-prod"
    code, out = _run("gcloud", "services", "list", "--enabled", f"--project={project}", "--format=json")
    if code != 0:
        return Check(name="APIs", good=False, told=f"{project} is not there yet", remedy="aegle apply --foundation")
    on = {item["config"]["name"] for item in _json(out, [])}
    missing = [name for name in _APIS if f"{name}.googleapis.com" not in on]
    told = f"off in {project}: {', '.join(missing)}" if missing else f"all are on in {project}"
    return Check(name="APIs", good=not missing, told=told, remedy="aegle apply --foundation")


def _networks(google: Google, sites: int) -> Check:
    project = f"{google.prefix}-net"
    code, out = _run("gcloud", "compute", "project-info", "describe", f"--project={project}", "--format=json")
    quotas = {item["metric"]: item for item in _json(out).get("quotas", [])} if code == 0 else {}
    if "NETWORKS" not in quotas:
        return Check(name="quota", good=False, told=f"{project} is not there yet", remedy="aegle apply --foundation")
    limit = int(quotas["NETWORKS"]["limit"])
    wanted = sites * _NETWORKS_A_SITE + 1
    remedy = f"ask for {wanted + 10} networks: https://console.cloud.google.com/iam-admin/quotas?project={project}"
    return Check(
        name="quota", good=limit >= wanted, told=f"{wanted} networks are wanted, {limit} allowed", remedy=remedy
    )


def _run(*command: str) -> tuple[int, str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return 124, ""
    return done.returncode, done.stdout


def _json(text: str, empty: Any = None) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {} if empty is None else empty
