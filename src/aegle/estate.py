"""The part of `aegle.yaml` that is only about Google Cloud: the company's estate there, and a site's place in it."""

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Cidr = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+\.\d+/\d+$")]
Person = Annotated[str, Field(pattern=r"^(user|group):[^@\s]+@[^@\s]+$")]
SITE_BITS = 26
"""A site's network is a /26: 64 addresses."""
MIGRATION_MAX = timedelta(days=90)
"""How long the identity that changes the hub's tables may be given."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Deploy(_Model):
    """The pipeline that applies the platform. It shows its own token; there is no key of it."""

    issuer: Annotated[str, Field(pattern="^https://")]  #: of the pipeline's tokens
    subject: str  #: that a token must carry


class Analysts(_Model):
    """A group of people who ask the warehouse."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{1,30}$")]  #: short
    group: Annotated[str, Field(pattern=r"^group:[^@\s]+@[^@\s]+$")]  #: whom it is, as group:NAME@DOMAIN
    sites: tuple[str, ...] = ()  #: whose rows it sees; none named: all


class Google(_Model):
    """The company's estate on Google Cloud."""

    prefix: Annotated[
        str, Field(pattern="^[a-z][a-z0-9-]{1,13}[a-z0-9]$")
    ]  #: starts every project's id; unique in the world
    organisation: Annotated[str, Field(pattern="^[0-9]+$")]  #: number of the organisation
    folder: Annotated[str, Field(pattern="^folders/[0-9]+$")] | None = None  #: to stand in; default: the organisation
    customer: Annotated[str, Field(pattern="^C0[a-z0-9]+$")]  #: directory customer id: nobody else can be let in
    billing_account: Annotated[str, Field(pattern="^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$")]  #: who pays
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "EUR"  #: of the billing account, for budgets
    region: Annotated[str, Field(pattern="^[a-z]+-[a-z]+[0-9]+$")]  #: the one region where data lies
    zone: Annotated[str, Field(pattern="^[a-d]$")] = "a"  #: of the region, for sites' machines
    mail: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]  #: where alerts go
    hub_name: Annotated[str, Field(pattern=r"^[a-z0-9.-]+\.[a-z]{2,}$")]  #: DNS name of the hub, as hub.example.org
    deploy: Deploy  #: who applies the platform
    state_bucket: str | None = None  #: made by infra/bootstrap.sh; default: a file on this machine, for trying out only
    sites_range: Cidr = "10.64.0.0/12"  #: sites' networks are taken from it
    access_policy: Annotated[str, Field(pattern="^[0-9]+$")] | None = (
        None  #: number; with it comes the service perimeter
    )
    perimeter: Literal["dry_run", "enforced"] = "dry_run"  #: only log what would be refused, or refuse it
    perimeter_members: tuple[str, ...] = ()  #: who may come in from outside it, beside the pipeline
    analysts: tuple[Analysts, ...] = ()  #: who asks the warehouse
    workers_max: Annotated[int, Field(ge=1, le=64)] = 8  #: machines that infer, at most
    gpu: str | None = None  #: of such a machine, as nvidia-l4; default: CPU
    bundle: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$")] | None = (
        None  #: model that reads: its folder in `gs://PREFIX-hub-bundles/bundles/`; default: the synthetic reference model
    )
    migration_until: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")] | None = (
        None  #: while a release is brought in: when the identity that changes the hub's tables ends, within 90 days
    )

    @field_validator("sites_range")
    @classmethod
    def _range(cls, value: str) -> str:
        if ipaddress.ip_network(value).prefixlen > SITE_BITS:
            raise ValueError(f"holds no site: give a range of /{SITE_BITS} or larger")
        return value

    @field_validator("migration_until")
    @classmethod
    def _soon(cls, value: str | None) -> str | None:
        if value is not None and datetime.fromisoformat(value) > datetime.now(UTC) + MIGRATION_MAX:
            raise ValueError("is too far away: give a time within 90 days, and another with the next release")
        return value


class HubDatabase(_Model):
    """The hub's PostgreSQL on Cloud SQL, at its private address. This machine's identity signs in; there is no password."""

    instance: Annotated[str, Field(pattern=r"^[a-z0-9-]+:[a-z0-9-]+:[a-z0-9-]+$")]  #: PROJECT:REGION:NAME
    user: str  #: the identity of this machine, without `.gserviceaccount.com`
    name: str = "aegle"  #: of the database
    port: Annotated[int, Field(ge=1, le=65535)] = 5432  #: of its listener
    hub: str | None = None  #: for the machine that migrates: whom it lets work with the tables, as the hub
    worker: str | None = None  #: for the machine that migrates: whom it lets work with the tables, as workers


class HubCloud(_Model):
    """Where the programs of a hub on Google Cloud find their ports. The blueprint writes it onto the hub's machines."""

    project: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]  #: of secrets, audit log and warehouse
    region: str  #: where the warehouse lies
    database: HubDatabase
    bucket: str  #: with model bundles below `bundles/`, and an enrolment a site below `sites/`
    dataset: str = "aegle"  #: of the warehouse; its views are in DATASET_read
    bundle: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$")] | None = (
        None  #: folder below `bundles/` of the bucket; default: the synthetic reference model
    )
    endpoint: Annotated[str, Field(pattern=r"^https?://[^?#@]+[^/]$")] | None = (
        None  #: answers in place of every SERVICE.googleapis.com, as ENDPOINT/SERVICE; default: Google
    )


class Vpn(_Model):
    """The hospital's end of a tunnel. Its shared secret comes in the environment: AEGLE_VPN_SECRETS, JSON by site."""

    peer: str  #: public address of the hospital's device
    asn: Annotated[int, Field(ge=64512, le=4294967294)]  #: its BGP number

    @field_validator("peer")
    @classmethod
    def _address(cls, value: str) -> str:
        return str(ipaddress.IPv4Address(value))


class PacsNetwork(_Model):
    """The hospital's PACS, behind the tunnel."""

    cidr: Cidr  #: whence its DICOM comes, and whither results go
    port: Annotated[int, Field(ge=1, le=65535)] = 104  #: of its listener


class OnGoogle(_Model):
    """A site's place on Google Cloud."""

    cidr: Cidr  #: of its network; `aegle site add` takes the next free one
    operators: tuple[Person, ...] = ()  #: user:NAME@DOMAIN or group:NAME@DOMAIN, who may reach its machine
    gateway: Literal["vm", "on_premises"] = "vm"  #: a machine on Google Cloud, or the hospital's own
    system: Literal["windows", "linux"] = "windows"  #: of the machine
    machine: str = "n2-standard-4"  #: its type
    disk_gb: Annotated[int, Field(ge=50, le=64_000)] = 500  #: of its data disk
    budget: Annotated[int, Field(ge=1)] = 500  #: a month; an alert says when it is near
    pacs: PacsNetwork | None = None  #: with gateway vm: DICOM from and to the hospital; default: by the pages only
    vpn: Vpn | None = None  #: the tunnel to the hospital
    ca_file: str | None = None  #: on_premises: PEM file of the authority that signs the machine's certificate

    @field_validator("cidr")
    @classmethod
    def _network(cls, value: str) -> str:
        if ipaddress.ip_network(value).prefixlen > 28:
            raise ValueError("needs 16 addresses at least, as 10.64.0.0/26")
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.gateway == "on_premises" and (self.vpn is None or self.ca_file is None or self.pacs is not None):
            raise ValueError(
                "on_premises needs vpn and ca_file, and no pacs: the hospital's machine reaches its PACS itself"
            )
        if self.pacs is not None and self.vpn is None:
            raise ValueError("pacs needs vpn: the tunnel that leads there")
        return self


def next_cidr(google: Google, taken: tuple[str, ...]) -> str | None:
    """The first /26 of the sites' range that touches none of these; None when the range is full."""
    used = [ipaddress.ip_network(cidr) for cidr in taken]
    for network in ipaddress.ip_network(google.sites_range).subnets(new_prefix=SITE_BITS):
        if not any(network.overlaps(other) for other in used):
            return str(network)
    return None
