"""What a person's machine and account lack before `aegle apply` can work on Google Cloud, each with the remedy."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from aegle.errors import Unavailable
from aegle.estate import Google
from aegle.provision.terraform import NEEDS

_MACHINES: Final = ("compute", "cloudkms", "iap", "osconfig", "secretmanager", "storage", "iamcredentials", "sts")
APIS: Final = {
    "hub-prod": (*_MACHINES, "bigquery", "certificatemanager", "sqladmin", "servicenetworking"),
    "sites-prod": (*_MACHINES, "healthcare", "billingbudgets"),
    "net": ("compute", "dns", "servicenetworking"),
}
"""Services that must be on, by project; the foundation turns them on."""

FOUNDATION: Final = (
    "resourcemanager.projects.create", "resourcemanager.folders.create", "orgpolicy.policies.create",
    "iam.serviceAccounts.create", "resourcemanager.folders.setIamPolicy",
)  # fmt: skip
"""Permissions over the organisation or folder, without which the foundation cannot be made."""

PLATFORM: Final = {
    "hub-prod": (
        "compute.instanceTemplates.create", "cloudsql.instances.create", "cloudkms.keyRings.create", "storage.buckets.create",
        "secretmanager.secrets.create", "bigquery.datasets.create", "resourcemanager.projects.setIamPolicy",
    ),
    "sites-prod": (
        "compute.instances.create", "healthcare.datasets.create", "cloudkms.keyRings.create", "storage.buckets.create",
        "secretmanager.secrets.create", "iam.serviceAccounts.create", "resourcemanager.projects.setIamPolicy",
    ),
    "net": ("compute.networks.create", "compute.firewalls.create", "dns.managedZones.create"),
}  # fmt: skip
"""Permissions by project, without which the platform cannot be made."""

BILLING: Final = ("billing.resourceAssociations.create",)
_NETWORKS_A_SITE: Final = 1
_CPUS: Final = {"site": 4, "hub": 4, "worker": 8}  #: virtual CPUs of a machine, by what it is
_HUBS: Final = 3
_GPU_METRIC: Final = {"nvidia-l4": "NVIDIA_L4_GPUS", "nvidia-tesla-t4": "NVIDIA_T4_GPUS"}
_TIMEOUT_S: Final = 120  #: of a program
_ANSWER_S: Final = 30  #: of an interface
_ATTEMPTS: Final = 2  #: at an interface that does not answer
_NOT_ASKED: Final = "your rights over it cannot be asked for"
_SERVICE: Final = "https://{}.googleapis.com"
Unseen = tuple[str, str]  #: what is told of a resource that cannot be seen, and the remedy


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    good: bool
    told: str
    remedy: str = ""


def examine(google: Google, sites: int, service: str = _SERVICE) -> Iterator[Check]:
    """Look at everything, in the order in which it is needed. Asks Google through `gcloud` and by its own interfaces at
    `service` ({} is the service's name); changes nothing. A program that hangs ends the list."""
    try:
        yield from _each(google, sites, service)
    except Unavailable as error:
        yield Check(
            name="answers", good=False, told=str(error), remedy="see that this machine reaches Google, and try again"
        )


def _each(google: Google, sites: int, service: str) -> Iterator[Check]:
    yield _terraform()
    if shutil.which("gcloud") is None:
        yield Check(
            name="gcloud", good=False, told="the Google Cloud CLI is not on this machine",
            remedy="install it from https://cloud.google.com/sdk/docs/install",
        )  # fmt: skip
        return
    credentials, token = _credentials()
    yield credentials
    if not credentials.good:
        return
    with httpx.Client(timeout=_ANSWER_S, headers={"Authorization": f"Bearer {token}"}) as client:
        ask = _Rights(client, service)
        yield _billing(google)
        yield _billing_rights(google, ask)
        yield _foundation_rights(google, ask)
        yield _state(google)
        yield from (_apis(google, project) for project in APIS)
        yield from (_platform_rights(google, project, ask) for project in PLATFORM)
    yield _networks(google, sites)
    yield from _processors(google, sites)


@dataclass(frozen=True)
class _Rights:
    """What the person may do (the method testIamPermissions, which anybody may call)."""

    client: httpx.Client
    service: str

    def check(self, name: str, api: str, resource: str, wanted: Sequence[str], remedy: str, unseen: Unseen) -> Check:
        """Whether the person has all of `wanted`, and `remedy` where not; `unseen` is for a resource that is not there or
        cannot be seen. An interface that does not answer is asked again before it is told of."""
        url = f"{self.service.format(api)}/{resource}:testIamPermissions"
        fault = ""
        for _ in range(_ATTEMPTS):
            try:
                answer = self.client.post(url, json={"permissions": list(wanted)})
                granted = answer.json().get("permissions", ()) if answer.is_success else ()
            except (
                httpx.RequestError,
                ValueError,
                AttributeError,
            ) as error:  # no connection, or something else answered
                fault = type(error).__name__
                continue
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
                fault = f"status {answer.status_code}"
                continue
            if not answer.is_success:
                return Check(name=name, good=False, told=unseen[0], remedy=unseen[1])
            missing = [each for each in wanted if each not in granted]
            told = f"missing: {', '.join(missing)}" if missing else "all that are needed are there"
            return Check(name=name, good=not missing, told=told, remedy=remedy)
        reach = f"see that this machine reaches {self.service.format(api)}; behind a proxy, set HTTPS_PROXY"
        return Check(name=name, good=False, told=f"no answer from Google ({fault})", remedy=reach)


def _terraform() -> Check:
    wanted = ".".join(map(str, NEEDS))
    remedy = f"install terraform {wanted} or newer: https://developer.hashicorp.com/terraform/install"
    if shutil.which("terraform") is None:
        return Check(name="terraform", good=False, told="terraform is not on this machine", remedy=remedy)
    code, out = _run("terraform", "version", "-json")
    version = _json(out).get("terraform_version", "0.0.0") if code == 0 else "0.0.0"
    good = tuple(int(part) for part in version.split("-")[0].split(".")[:2]) >= NEEDS
    return Check(name="terraform", good=good, told=f"terraform {version}", remedy=remedy)


def _credentials() -> tuple[Check, str]:
    code, out = _run("gcloud", "auth", "application-default", "print-access-token")
    good = code == 0 and bool(out.strip())  # the token itself is never shown
    told = "application-default credentials are there" if good else "no credentials that terraform could use"
    return Check(name="credentials", good=good, told=told, remedy="gcloud auth application-default login"), out.strip()


def _billing(google: Google) -> Check:
    code, out = _run("gcloud", "billing", "accounts", "describe", google.billing_account, "--format=json")
    account = _json(out) if code == 0 else {}
    if account.get("open") is True:
        return Check(name="billing", good=True, told=f"{google.billing_account} is open")
    told = f"{google.billing_account} is closed" if account else f"{google.billing_account} cannot be seen"
    remedy = "ask for Billing Account User on it, or correct google.billing_account in aegle.yaml"
    return Check(name="billing", good=False, told=told, remedy=remedy)


def _billing_rights(google: Google, ask: _Rights) -> Check:
    remedy = f"ask a billing administrator for Billing Account User on {google.billing_account}"
    account = f"v1/billingAccounts/{google.billing_account}"
    return ask.check("rights over billing", "cloudbilling", account, BILLING, remedy, (_NOT_ASKED, remedy))


def _foundation_rights(google: Google, ask: _Rights) -> Check:
    place = google.folder or f"organizations/{google.organisation}"
    remedy = (
        f"for the foundation, ask an administrator of {place} for Folder Admin, Project Creator and Organization Policy "
        "Administrator there, or to run it; for the platform, let the pipeline apply"
    )
    return ask.check(place, "cloudresourcemanager", f"v3/{place}", FOUNDATION, remedy, (_NOT_ASKED, remedy))


def _platform_rights(google: Google, short: str, ask: _Rights) -> Check:
    project = f"{google.prefix}-{short}"
    remedy = (
        "let the pipeline apply, or sign in as aegle-deploy: "
        "gcloud auth application-default login --impersonate-service-account=ADDRESS"
    )
    unseen = (f"{project} is not there yet, or cannot be seen", "aegle apply --foundation")
    resource = f"v3/projects/{project}"
    return ask.check(f"rights in {project}", "cloudresourcemanager", resource, PLATFORM[short], remedy, unseen)


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


def _apis(google: Google, short: str) -> Check:
    project = f"{google.prefix}-{short}"
    code, out = _run("gcloud", "services", "list", "--enabled", f"--project={project}", "--format=json")
    name, remedy = f"APIs of {project}", "aegle apply --foundation"
    if code != 0:
        return Check(name=name, good=False, told=f"{project} is not there yet", remedy=remedy)
    on = {item["config"]["name"] for item in _json(out, [])}
    missing = [service for service in APIS[short] if f"{service}.googleapis.com" not in on]
    told = f"off: {', '.join(missing)}" if missing else "all are on"
    remedy = f"gcloud services enable {' '.join(f'{item}.googleapis.com' for item in missing)} --project={project}"
    return Check(name=name, good=not missing, told=told, remedy=remedy)


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


def _processors(google: Google, sites: int) -> Iterator[Check]:
    """Virtual CPUs of sites and hub, and what the workers infer on, in the region."""
    needs = {
        "sites-prod": {"CPUS": sites * _CPUS["site"]},
        "hub-prod": {"CPUS": _HUBS * _CPUS["hub"] + google.workers_max * _CPUS["worker"]},
    }
    if google.gpu in _GPU_METRIC:
        needs["hub-prod"][_GPU_METRIC[google.gpu]] = google.workers_max
    for short, wanted in needs.items():
        project = f"{google.prefix}-{short}"
        code, out = _run(
            "gcloud", "compute", "regions", "describe", google.region, f"--project={project}", "--format=json"
        )
        limits = {item["metric"]: int(item["limit"]) for item in _json(out).get("quotas", [])} if code == 0 else {}
        for metric, count in wanted.items():
            yield _quota(project, google.region, metric, count, limits.get(metric))


def _quota(project: str, region: str, metric: str, wanted: int, limit: int | None) -> Check:
    name = f"quota {metric} of {project}"
    if limit is None:
        told = f"{project} is not there yet, or {region} has no {metric}"
        return Check(name=name, good=False, told=told, remedy="aegle apply --foundation")
    told = f"{wanted} are wanted in {region} at most, {limit} allowed"
    remedy = f"ask for {wanted}: https://console.cloud.google.com/iam-admin/quotas?project={project}"
    return Check(name=name, good=limit >= wanted, told=told, remedy=remedy)


def _run(*command: str) -> tuple[int, str]:
    """Exit status and output. Raises Unavailable for a program that hangs: nothing is known then of what it was asked for."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"no answer within {_TIMEOUT_S} s from: {' '.join(command)}") from error
    return done.returncode, done.stdout


def _json(text: str, empty: Any = None) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {} if empty is None else empty
