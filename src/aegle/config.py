"""`aegle.yaml` as one typed model: read, checked, explained.

Unknown keys are refused with the nearest right one. Everything has a default that works on one machine, so a site is
usually three lines. The JSON schema is `aegle.config.schema()`.
"""

import difflib
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from aegle.errors import BadConfig
from aegle.estate import Analysts, Deploy, Google, HubCloud, HubDatabase, OnGoogle, PacsNetwork, Vpn
from aegle.records import SiteKind

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T", "Tls", "Https")
_GOOGLE_NAME_MAX = 20  # a service account's name has 30 letters
SITE_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}[a-z0-9]")
RESERVED = ("hub", "operator")  #: they name parts of the hub
AeTitle = Annotated[str, Field(pattern=r"^[A-Z0-9_-]{1,16}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
OptionName = Literal[
    "modified_dates", "full_dates", "structured", "uids", "device", "institution", "patient", "descriptors", "graphics",
    "safe_private",
]  # fmt: skip
DEFAULT_OPTIONS: tuple[OptionName, ...] = ("structured", "modified_dates")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Peer(_Model):
    """A DICOM node that may send to the door."""

    ae_title: AeTitle  #: by which it calls
    address: str = "127.0.0.1"  #: source address or network (CIDR)

    @field_validator("address")
    @classmethod
    def _network(cls, value: str) -> str:
        ipaddress.ip_network(value, strict=False)
        return value


class Tls(_Model):
    """DICOM over TLS 1.2 or 1.3 with certificates on both sides (PS3.15 B.12, BCP 195). PEM files, beside aegle.yaml if
    relative."""

    certificate: Path  #: ours, with the chain up to its authority
    key: Path  #: its private key, without a password, readable by its owner alone
    authorities: Path  #: only peers with a certificate of one of these are spoken to


class Pacs(_Model):
    """Where results are delivered by C-STORE."""

    host: str = "127.0.0.1"  #: name or address
    port: Port  #: of its DICOM listener
    ae_title: AeTitle  #: by which it is called
    tls: Tls | None = None  #: default: plain DIMSE


class Https(_Model):
    """HTTPS by TLS 1.2 or 1.3. PEM files, beside aegle.yaml if relative."""

    certificate: Path  #: ours, with the chain up to its authority
    key: Path  #: its private key, without a password, readable by its owner alone
    authorities: Path | None = None  #: with it, only callers with a certificate of one of these are spoken to


class Stow(_Model):
    """STOW-RS at the door: identified studies over HTTP, from programs that hold a key (`aegle door add-key`). Off unless this
    block is there."""

    port: Port  #: of its own
    bind: str = "127.0.0.1"  #: address it listens on
    tls: Https | None = None  #: default: plain HTTP; with it this port speaks nothing else
    max_requests: Annotated[int, Field(ge=1, le=64)] = 8  #: at once; one more is asked to come back later


class Door(_Model):
    """How DICOM enters a site."""

    ae_title: AeTitle | None = None  #: default: the site's name in capitals
    port: Port | None = None  #: default: given by `aegle apply`
    bind: str = "127.0.0.1"  #: address the door listens on
    allow: tuple[Peer, ...] = ()  #: nobody else may open an association
    stow: Stow | None = None  #: default: no STOW-RS
    watch_folder: Path | None = None  #: files put here are taken in and removed
    quiet_seconds: Annotated[float, Field(ge=0.2, le=86_400)] = (
        30.0  #: a study is complete after this long without news
    )
    max_instance_mb: Annotated[int, Field(ge=1)] = 20_000  #: a larger object is refused while it arrives
    max_associations: Annotated[int, Field(ge=1, le=256)] = 16  #: at once; one more is asked to come back later
    tls: Tls | None = None  #: default: plain DIMSE; with it the door speaks nothing else
    upper_layer: Literal["aegle", "pynetdicom"] = (
        "aegle"  #: pynetdicom: the library's door, slower and without TLS, for a peer that ours does not understand
    )
    plain_network: bool = False  #: allow plain DIMSE and HTTP beyond loopback
    compare_one_in: Annotated[int, Field(ge=0)] = (
        0  #: of how many objects one is compared with its source by dciodvfy, where that is installed; 0 for none
    )

    @model_validator(mode="after")
    def _tls_is_ours(self) -> Self:
        if self.tls is not None and self.upper_layer != "aegle":
            raise ValueError("TLS at the door needs upper_layer: aegle")
        return self


class Query(_Model):
    """Query/Retrieve (C-FIND, C-GET) for the site's own staff tools. It reads the archive, so it knows aliases alone: no
    name, number or date of a patient can be asked for. Off unless this block is there."""

    port: Port  #: of its own, beside the door's
    ae_title: AeTitle | None = None  #: default: the site's name in capitals, shortened, and `-QR`
    bind: str = "127.0.0.1"  #: address it listens on
    allow: tuple[Peer, ...] = ()  #: nobody else may open an association
    max_associations: Annotated[int, Field(ge=1, le=64)] = 4  #: at once; one more is asked to come back later
    tls: Tls | None = None  #: default: plain DIMSE; with it this port speaks nothing else


class Pages(_Model):
    """The site's or hub's web pages."""

    port: Port | None = None  #: default: given by `aegle apply`
    bind: str = "127.0.0.1"  #: address the pages listen on


_Boxes = tuple[tuple[NonNegativeInt, NonNegativeInt, PositiveInt, PositiveInt], ...]


class FrameMask(_Model):
    """What is painted over in some frames of a loop only: a title page, a last frame with measurements."""

    frames: Annotated[
        str, Field(pattern=r"^[a-z0-9]{1,9}(-[a-z0-9]{1,9})?$")
    ]  #: `first`, `last`, a number from 1, or a range as `2-9` or `2-last`
    mask: Annotated[_Boxes, Field(min_length=1)]  #: [left, top, width, height] in pixels


class PixelRule(_Model):
    """What somebody who looked at one device's pictures knows of them. It needs two people of the site, as options do."""

    manufacturer: Annotated[str, Field(min_length=1)]  #: as the objects say, capitals apart
    model: Annotated[str, Field(min_length=1)]  #: Manufacturer's Model Name, the same way
    modality: str = ""  #: for pictures of this modality only
    size: Annotated[str, Field(pattern=r"^[1-9]\d*x[1-9]\d*$")] | None = (
        None  #: COLUMNSxROWS, for pictures of this size only
    )
    keep: Literal["all", "regions", "unmasked"] = (
        "unmasked"  #: all: nothing is burned in; regions: the declared ultrasound regions; unmasked: all but the mask
    )
    mask: _Boxes = ()  #: [left, top, width, height] in pixels, painted over in every frame; needs a size
    frame_masks: tuple[FrameMask, ...] = ()  #: what is painted over in some frames only, beside the mask; needs a size
    by: Annotated[str, Field(min_length=3)]  #: who looked, and when

    @model_validator(mode="after")
    def _mask_fits(self) -> Self:
        masked = self.mask or self.frame_masks
        if self.keep == "unmasked" and not masked:
            raise ValueError("say what to mask, or keep: all, or keep: regions")
        if masked and self.size is None:
            raise ValueError("a mask is for pictures of one size: say size: COLUMNSxROWS")
        return self


class Deid(_Model):
    """What de-identification does at a site. More than the default options lets more out, and needs two people of the
    site: `aegle deid profile propose` and `agree`."""

    profile: Path | None = None  #: a file with the settings below, in place of them; beside aegle.yaml if relative
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] | None = (
        None  #: written into every object; default: `aegle-basic`, or `aegle-custom` with other options
    )
    options: tuple[OptionName, ...] = (
        DEFAULT_OPTIONS  #: of PS3.15 §E.3; `aegle deid profile show` prints what each does
    )

    second_look: Literal["none", "unvouched", "risky", "all"] = (
        "unvouched"  #: pictures a text detector looks at before they leave: captures without a rule (risky: more)
    )
    pixels: tuple[PixelRule, ...] = ()  #: what is known of the pictures of devices that may burn text in

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        here = (
            self.name is not None or self.options != DEFAULT_OPTIONS or self.pixels or self.second_look != "unvouched"
        )
        if self.profile is not None and here:
            raise ValueError("name a profile file, or its settings here, not both")
        return self


class RemoteArchive(_Model):
    """Somebody else's DICOMweb archive as the site's: Orthanc, dcm4chee, another Aegle, or Google's Healthcare API."""

    url: Annotated[
        str, Field(pattern=r"^https?://[^?#@]+$")
    ]  #: of the DICOMweb service; only this site may write to it
    token_secret: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")] | None = (
        None  #: the site's secret that holds a bearer token; Google's archive takes the machine's identity instead
    )


class Cloud(_Model):
    """Where the program of a site on Google Cloud finds its ports. The blueprint writes it onto the site's machine."""

    project: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]  #: of the site's secrets and audit log
    hub_url: Annotated[
        str, Field(pattern=r"^(https://|http://127\.)")
    ]  #: the hub's API, which is also what the site's token is for
    reader: str | None = (
        None  #: hospitals: the service account whose hour-long tokens the site lends to workers, to read its archive
    )
    bucket: str | None = None  #: the site's own, where backups go; nothing in it is ever changed
    mirror: str | None = None  #: bucket of releases, from which `aegle site update` installs
    keys_here: bool = (
        False  #: on a hospital's own machine: its secrets are made there and lie in its folder, none in Secret Manager
    )
    endpoint: Annotated[str, Field(pattern=r"^https?://[^?#@]+[^/]$")] | None = (
        None  #: answers in place of every SERVICE.googleapis.com, as ENDPOINT/SERVICE; default: Google
    )


class SiteConfig(_Model):
    """One hospital or laboratory."""

    kind: SiteKind  #: a hospital sends studies and gets predictions, a lab uploads and labels
    door: Door = Door()  #: how DICOM enters
    query: Query | None = None  #: C-FIND and C-GET on the archive; default: none
    pacs: Pacs | None = None  #: hospitals: where results go; without it they stay on the page
    pages: Pages = Pages()  #: its web pages
    archive: RemoteArchive | None = None  #: default: files in the site's own folder
    cloud: Cloud | None = None  #: on a site's machine on Google Cloud: secrets, audit log and hub are there
    deid: Deid = Deid()  #: what de-identification does
    google: OnGoogle | None = None  #: its place on Google Cloud; with `target: gcp`
    frozen: bool = False  #: stopped, its data kept; set by `aegle site retire`
    archive_port: Port | None = None  #: of its DICOMweb endpoint; default: given by `aegle apply`
    operating_point: Annotated[float, Field(gt=0, lt=1)] | None = (
        None  #: threshold for this site; default: the bundle's
    )

    def reaches_beyond(self) -> bool:
        """Whether the door, the pages or Query/Retrieve listen beyond this machine in plain."""
        is_near = all(it.tls or _is_loopback(it.bind) for it in (self.door, self.door.stow, self.query) if it)
        return not (is_near and _is_loopback(self.pages.bind))


class HubConfig(_Model):
    """The company's side."""

    port: Port | None = None  #: of the API for sites; default: given by `aegle apply`
    pages_port: Port | None = None  #: of the operator's console; default: given by `aegle apply`
    bind: str = "127.0.0.1"  #: address the API listens on; the console stays on loopback
    plain_network: bool = False  #: allow plain HTTP beyond loopback
    database_url: str | None = None  #: default: an embedded PostgreSQL; `AEGLE_DATABASE_URL` wins over both
    workers: Annotated[int, Field(ge=0, le=64)] = 1  #: inference processes on this machine
    audience: str | None = None  #: https:// address that sites' Google ID tokens are for; default: none is accepted
    bundle: Path | None = None  #: folder of the model bundle; default: the synthetic reference model
    cloud: HubCloud | None = (
        None  #: on the hub's machines on Google Cloud: database, secrets, warehouse, audit log are there
    )


class Config(_Model):
    """The whole of `aegle.yaml`."""

    target: Literal["local", "gcp"] = "local"  #: this machine, or Google Cloud
    google: Google | None = None  #: the estate on Google Cloud; with `target: gcp`
    hub: HubConfig = HubConfig()  #: the company's side
    sites: dict[str, SiteConfig] = {}  #: by name: 2 to 31 of a-z, 0-9 and hyphen, starting with a letter

    @model_validator(mode="after")
    def _plain_network_is_meant(self) -> Self:
        beyond = [
            f"sites.{name}"
            for name, site in self.sites.items()
            if not site.door.plain_network and site.reaches_beyond()
        ]
        if not self.hub.plain_network and not _is_loopback(self.hub.bind):
            beyond.append("hub")
        if beyond:
            raise ValueError(
                f"{', '.join(beyond)}: binds beyond loopback, where DIMSE and HTTP are plain; set plain_network: true "
                "(hub.plain_network, door.plain_network) where the network itself is protected"
            )
        return self

    @model_validator(mode="after")
    def _has_its_place_on_google(self) -> Self:
        if self.target != "gcp":
            return self
        if self.google is None:
            raise ValueError("target: gcp needs the block google: see docs/how-to/google-cloud.md")
        networks: dict[str, Any] = {}
        for name, site in self.sites.items():
            if len(name) > _GOOGLE_NAME_MAX or site.google is None:
                raise ValueError(
                    f"sites.{name}: on Google Cloud a name has {_GOOGLE_NAME_MAX} letters at most, and google.cidr"
                )
            mine = ipaddress.ip_network(site.google.cidr)
            for other, network in networks.items():
                if mine.overlaps(network):
                    raise ValueError(f"sites.{name}.google.cidr: {mine} overlaps that of {other}")
            networks[name] = mine
        return self

    @field_validator("sites")
    @classmethod
    def _names(cls, value: dict[str, SiteConfig]) -> dict[str, SiteConfig]:
        for name in value:
            if name in RESERVED:
                raise ValueError(f"{name!r} names a part of the hub; choose another name for the site")
            if not SITE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a site name: 2 to 31 of a-z, 0-9 and hyphen, starting with a letter")
        return value


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def load(path: Path) -> Config:
    """Read and check `aegle.yaml`. Raises BadConfig with every mistake, one a line, each with its remedy."""
    config = _read(path, Config, f"{path} is not there. Make it with: aegle site add NAME --kind hospital")
    return config.model_copy(
        update={
            "sites": {
                name: _beside(_with_profile(site, path.parent), path.parent) for name, site in config.sites.items()
            }
        }
    )


def read_profile(path: Path) -> Deid:
    """Read a de-identification profile: `name` and `options`. Raises BadConfig as `load` does."""
    return _read(path, Deid, f"{path} is not there: a file with the name and the options of a profile")


def _with_profile(site: SiteConfig, beside: Path) -> SiteConfig:
    """The site with what its profile file says in place of the file's name."""
    if site.deid.profile is None:
        return site
    return site.model_copy(update={"deid": read_profile(beside / site.deid.profile)})


def _beside(site: SiteConfig, folder: Path) -> SiteConfig:
    """The site with the files of its TLS named in full: its programs run elsewhere."""
    stow = site.door.stow and site.door.stow.model_copy(update={"tls": _in_full(site.door.stow.tls, folder)})
    door = site.door.model_copy(update={"tls": _in_full(site.door.tls, folder), "stow": stow})
    pacs = site.pacs and site.pacs.model_copy(update={"tls": _in_full(site.pacs.tls, folder)})
    query = site.query and site.query.model_copy(update={"tls": _in_full(site.query.tls, folder)})
    return site.model_copy(update={"door": door, "pacs": pacs, "query": query})


def _in_full(tls: T | None, folder: Path) -> T | None:
    return tls and tls.model_copy(update={name: (folder / file).absolute() for name, file in tls if file})


def _read(path: Path, model: type[M], missing: str) -> M:
    try:
        return _parsed(path.read_text(encoding="utf-8"), path, model)
    except FileNotFoundError:
        raise BadConfig(missing) from None
    except UnicodeDecodeError as error:
        raise BadConfig(f"{path} is not YAML: {error}") from None


def parse(text: str, path: Path) -> Config:
    """`aegle.yaml` as text, not yet written at `path`. Raises BadConfig as `load` does; profile files are not read."""
    return _parsed(text, path, Config)


def _parsed(text: str, path: Path, model: type[M]) -> M:
    try:
        raw = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise BadConfig(f"{path} is not YAML: {error}") from None
    try:
        return model.model_validate(raw or {})
    except ValidationError as error:
        lines = [_explain(model, item) for item in error.errors(include_url=False)]
        raise BadConfig(f"{path}:\n  " + "\n  ".join(lines)) from None


def schema() -> dict[str, Any]:
    """JSON schema of `aegle.yaml`, for editors."""
    return Config.model_json_schema()


def _explain(model: type[BaseModel], item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"{where}: {item['msg'].removeprefix('Value error, ')}"
    known = list(model.model_fields) if len(item["loc"]) == 1 else _keys_at(item["loc"][:-1])
    near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return f"{where}: unknown key; {hint}"


def _keys_at(path: tuple[str | int, ...]) -> list[str]:
    """Field names of the model that stands at a location of the file."""
    names = [part for part in path if isinstance(part, str)]
    if names[0] == "sites":
        names[1:2] = ["NAME"]
    model = _PLACES.get(".".join(names))
    return list(model.model_fields) if model else []


_PLACES: dict[str, type[BaseModel]] = {
    "google": Google,
    "google.deploy": Deploy,
    "google.analysts": Analysts,
    "hub": HubConfig,
    "hub.cloud": HubCloud,
    "hub.cloud.database": HubDatabase,
    "sites.NAME": SiteConfig,
    "sites.NAME.door": Door,
    "sites.NAME.door.allow": Peer,
    "sites.NAME.door.tls": Tls,
    "sites.NAME.pacs": Pacs,
    "sites.NAME.pacs.tls": Tls,
    "sites.NAME.pages": Pages,
    "sites.NAME.google": OnGoogle,
    "sites.NAME.google.pacs": PacsNetwork,
    "sites.NAME.google.vpn": Vpn,
    "sites.NAME.deid": Deid,
}
"""Which model stands where in the file."""
