"""Writes the pages of docs/reference that come from code: `make docs`. A test fails when they are not current."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from pydicom.datadict import keyword_for_tag

from aegle import config, estate
from aegle.access import ALLOWED, FACTS, Act
from aegle.cli import app
from aegle.cli.acts import ACTS
from aegle.deid import REASONS, conformance, default_profile, ps316, table
from aegle.dicom.levels import KEYS
from aegle.errors import MEANING
from aegle.hub.app import ROUTES
from aegle.hub.routes import Caller, Route
from aegle.protocols import conformance as spoken
from aegle.protocols.dicomweb_server import archive_routes
from aegle.protocols.qido import LIMIT_DEFAULT, LIMIT_MAX, OFFSET_MAX
from aegle.provision import blueprint
from aegle.provision.policy import ASSERTIONS
from aegle.provision.policy.watching import REQUIRED
from aegle.site.pages.words import REJECTED

REFERENCE = Path(__file__).parent / "reference"
_MADE = "<!-- Written by docs/generate.py; change the code, then run `make docs`. -->\n"
_MODELS: dict[str, type[BaseModel]] = {
    "": config.Config,
    "google": estate.Google,
    "google.deploy": estate.Deploy,
    "google.analysts[]": estate.Analysts,
    "hub": config.HubConfig,
    "hub.cloud": estate.HubCloud,
    "hub.cloud.database": estate.HubDatabase,
    "sites.NAME": config.SiteConfig,
    "sites.NAME.door": config.Door,
    "sites.NAME.door.allow[]": config.Peer,
    "sites.NAME.door.tls": config.Tls,
    "sites.NAME.door.stow": config.Stow,
    "sites.NAME.door.stow.tls": config.Https,
    "sites.NAME.query": config.Query,
    "sites.NAME.query.allow[]": config.Peer,
    "sites.NAME.query.tls": config.Tls,
    "sites.NAME.pacs": config.Pacs,
    "sites.NAME.pacs.tls": config.Tls,
    "sites.NAME.pages": config.Pages,
    "sites.NAME.archive": config.RemoteArchive,
    "sites.NAME.google": estate.OnGoogle,
    "sites.NAME.google.pacs": estate.PacsNetwork,
    "sites.NAME.google.vpn": estate.Vpn,
    "sites.NAME.cloud": config.Cloud,
    "sites.NAME.deid": config.Deid,
    "sites.NAME.deid.pixels[]": config.PixelRule,
    "sites.NAME.deid.pixels[].frame_masks[]": config.FrameMask,
}
NOTES = {
    "POST /v1/hello": "Both model and operating point are null for a laboratory. A hello without news is no act.",
    "POST /v1/requests": "The same study with other images supersedes what is unfinished of it. Model and operating "
    "point are pinned now. At most 5,000 images and 4 MB; a grant of at most 24 hours; `archive_url` must be the "
    "address the hub has for the site.",
    "GET /v1/outcomes": "At most 20. A poll that finds nothing is no act.",
    "POST /v1/outcomes/{request_id}/collected": "Say this only when the outcome is held durably.",
    "POST /v1/labels": "At most 500 events. Unfit events are named in `refused` and the fit ones are kept. Codes and "
    "geometry only.",
    "POST /v1/audit/heads": "Every head is kept. A head that cannot follow an earlier one (shorter, or other at the "
    "same count) is answered with `CONFLICT`.",
    "PUT /v1/admin/sites/{name}": "Another operating point is a new revision of the site's policy. The kind never "
    "changes.",
    "PUT /v1/admin/sites/{name}/bundle": "Requests that are open keep theirs.",
    "POST /v1/admin/sites/{name}/credential": "Only the secret's hash is kept. Rotate twice to end a stolen one at once.",
    "GET /v1/admin/requests": "`state` is one of waiting, running, predicted, rejected, failed, superseded; `limit` up "
    "to 1000.",
    "POST /v1/admin/bundles": "A name and version mean the same bytes for ever.",
    "POST /v1/admin/labels/query": "30 seconds, 512 MB, 100,000 rows.",
    "GET /v1/admin/audit": "`limit` up to 500.",
    "GET /v1/admin/audit/history": "`after` is the last `head_id` seen. `aegle audit verify` walks all of it.",
}
"""What a schema cannot say of a route."""


def configuration() -> str:
    """Every setting of aegle.yaml."""
    intro = (
        "One file names the sites. A site is usually three lines; everything else has a default that works on one "
        "machine. An unknown key is refused with the nearest right one. An edit does nothing before `aegle apply`."
    )
    parts = [_head("aegle.yaml", intro)]
    for place, model in _MODELS.items():
        parts += [f"\n## {place or 'The whole file'}\n\n{inspect.getdoc(model)}\n\n", *_settings(place, model)]
    environment = (
        ("AEGLE_CONFIG", "where aegle.yaml is, as `--config`"),
        ("AEGLE_HOME", "the folder that holds everything on this machine, as `--home`"),
        (
            "AEGLE_VPN_SECRETS",
            "secrets shared with hospitals' VPN devices, JSON by site; for one `aegle plan` or `apply`",
        ),
        ("AEGLE_DATABASE_URL", "an outside PostgreSQL for the hub; wins over `hub.database_url`"),
    )
    rows = [f"| `{name}` | {means} |\n" for name, means in environment]
    return "".join([*parts, "\n## Environment\n\n| variable | meaning |\n|---|---|\n", *rows])


def _settings(place: str, model: type[BaseModel]) -> Iterator[str]:
    schema, remarks = model.model_json_schema(), _remarks(model)
    yield "| setting | value | default | meaning |\n|---|---|---|---|\n"
    for name, shape in schema["properties"].items():
        required = name in schema.get("required", ())
        default = "required" if required else _default(shape.get("default"))
        path = ".".join(part for part in (place, name) if part)
        yield f"| `{path}` | {_value(shape)} | {default} | {remarks.get(name, '')} |\n"


def _default(value: Any) -> str:
    if value is None or value in ([], {}):
        return "-"
    return "as below" if isinstance(value, dict) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _value(shape: dict[str, Any]) -> str:
    """A JSON schema's type in a few words."""
    if "anyOf" in shape:
        return _value(next(item for item in shape["anyOf"] if item.get("type") != "null"))
    if "enum" in shape:
        return " or ".join(f"`{item}`" for item in shape["enum"])
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return "`hospital` or `lab`" if name == "SiteKind" else "a block, below"
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    words = [f"{word} {shape[key]:g}" for key, word in bounds.items() if key in shape]
    pattern = [f"matching `{shape['pattern']}`"] if "pattern" in shape else []
    if "enum" in shape.get("items", {}):
        return "list of " + ", ".join(f"`{item}`" for item in shape["items"]["enum"])
    kind = {"array": "list of blocks, below", "object": "blocks by name"}.get(shape["type"], shape["type"])
    return ", ".join(["path" if shape.get("format") == "path" else kind, *words, *pattern])


def commands() -> str:
    """Every command with its arguments and options."""
    intro = "`aegle COMMAND --help` says the same. A command ends with 0 when done, 1 when refused, 75 when it may succeed later."
    return _head("Commands", intro) + "".join(_command(path, command) for path, command in walk_commands())


def walk_commands() -> Iterator[tuple[str, Any]]:
    """Each command by its words; those that only `aegle up` calls are left out."""
    stack = [("aegle", typer.main.get_command(app))]
    while stack:
        path, command = stack.pop(0)
        if command.hidden:
            continue
        below = getattr(command, "commands", None)
        if below is None:
            yield path, command
        else:
            stack = [(f"{path} {name}", item) for name, item in sorted(below.items())] + stack


def _command(path: str, command: Any) -> str:
    rows = [_parameter(item) for item in command.params if item.name != "help"]
    table = "\n| argument or option | default | meaning |\n|---|---|---|\n" + "".join(rows) if rows else ""
    act = ACTS.get(path.removeprefix("aegle "))
    told = f"Audited as `{act.value}`." if act else "No audited act."
    return f"\n## `{path}`\n\n{inspect.cleandoc(command.help or '')}\n\n{told}\n{table}"


def _parameter(item: Any) -> str:
    names = f"`{item.name.upper()}`" if item.param_type_name == "argument" else ", ".join(f"`{o}`" for o in item.opts)
    default = "required" if item.required else "-" if item.default in (None, "", False) else f"`{item.default}`"
    variable = f" Also `{item.envvar}`." if item.envvar else ""
    return f"| {names} | {default} | {(item.help or '').replace('|', 'or')}{variable} |\n"


def errors() -> str:
    """Every error code."""
    intro = (
        "Every error raised on purpose has a stable code: on pages, in API answers, in audit and logs. Where a retry can "
        "help, Aegle retries by itself. DIMSE is the status of a C-STORE response (PS3.7 Annex C, PS3.4 Table B.2-1)."
    )
    rows = [
        f"| `{meaning.code}` | {inspect.getdoc(kind)} | {'yes' if meaning.retryable else 'no'} | 0x{meaning.dimse:04X} "
        f"| {meaning.http} |\n"
        for kind, meaning in MEANING.items()
    ]
    return (
        _head("Error codes", intro)
        + "\n| code | meaning | retry helps | DIMSE | HTTP |\n|---|---|---|---|---|\n"
        + "".join(rows)
    )


def audit() -> str:
    """Every act of the audit vocabulary."""
    keys = ", ".join(f"`{key}`" for key in sorted(FACTS))
    intro = (
        "An act is `source:subject:action`. Every route, command and door names its act. An event has a time, an outcome "
        "(`ok`, `refused`, `failed`), who, at which site, of what (an alias, a request, an event), and facts. Facts have "
        "only these keys, none of which can carry a name or a DICOM value: " + keys + ".\n\n"
        "Each process writes a chain of its own: a line holds the hash of the line before. Heads are lodged with the other "
        "party every 30 seconds, the sites' with the hub and the hub's with each site; `aegle audit verify` proves all of it."
    )  # fmt: skip
    remarks = _remarks(Act)
    rows = [f"| `{act.value}` | {remarks[act.name]} |\n" for act in Act]
    return _head("Audit vocabulary", intro) + "\n| act | what happened |\n|---|---|\n" + "".join(rows)


def reasons() -> str:
    """Why an instance is held, and why a study is not read."""
    held = (
        "An instance that could not be proved clean stays at the site, in quarantine, under one of these codes. The last "
        "column says whether its study waits for a person, or goes on without the instance."
    )
    rejected = (
        "A study that the model may not read ends as rejected, with one of these codes; it never becomes a result."
    )
    first = [
        f"| `{code}` | {reason.text} | {reason.remedy} | {'yes' if reason.blocks_study else 'no'} |\n"
        for code, reason in REASONS.items()
    ]
    second = [f"| `{code}` | {text} | {remedy} |\n" for code, (text, remedy) in REJECTED.items()]
    return (
        _head("Reasons", "Two lists of stable codes: why an instance is held, and why a study is not read.")
        + f"\n## Why an instance is held\n\n{_wrap(held)}\n\n"
        + "| code | what happened | what to do | study waits |\n|---|---|---|---|\n"
        + "".join(first)
        + f"\n## Why a study is not read\n\n{_wrap(rejected)}\n\n| code | what it means | what to do |\n|---|---|---|\n"
        + "".join(second)
    )


def roles() -> str:
    """Who may do what."""
    intro = "A person has one role at one site or at the hub. Whatever is not listed is refused, and the refusal is audited."
    parts = [_head("Roles", intro)]
    remarks = _remarks(Act)
    for (kind, role), acts in ALLOWED.items():
        place = kind.value if kind else "hub"
        rows = [f"| `{act.value}` | {remarks[act.name]} |\n" for act in Act if act in acts]
        parts += [f"\n## {role.value.capitalize()}, {place}\n\n| may | which is |\n|---|---|\n", *rows]
    return "".join(parts)


def hub_api() -> str:
    """The hub's HTTP API."""
    intro = (
        "The machine-readable description is served at `/openapi.json`. This page says what a schema cannot.\n\n"
        "Every call carries `Authorization: Bearer NAME.SECRET`: a site's name and its secret, or `operator.SECRET`. Bodies "
        "are JSON. An error is `{\"code\", \"detail\"}` with the status of its code; the detail never holds a patient's value. "
        "Every call is audited as the act named here, whether it is done or refused. A call without leave is audited as "
        "`access:request:refuse`.\n\n`GET /healthz` (the process answers) and `GET /openapi.json` ask for no credential."
    )  # fmt: skip
    waits = (
        "A request whose grant expires waits, without losing an attempt, until its site submits it again with a new grant; "
        "after 24 hours it ends as a failure. An archive that does not answer is tried again after pauses that double from "
        "2 seconds to 5 minutes. A request fails after ten such ends; a worker that dies in a study counts as two."
    )
    for_sites = [route for route in ROUTES if route.caller is not Caller.OPERATOR]
    for_operator = [route for route in ROUTES if route.caller is Caller.OPERATOR]
    return (
        _head("The hub's HTTP API", intro)
        + "\n## For sites\n\n" + _routes(for_sites) + f"\n{_wrap(waits)}\n"
        + "\n## For the operator\n\n" + _routes(for_operator)
    )  # fmt: skip


def dicomweb() -> str:
    """The archive's DICOMweb endpoint."""
    intro = (
        "Each site serves its archive by DICOMweb (PS3.18) at the archive's port that `aegle status` shows. Every UID and "
        "attribute there is an alias. Every call carries `Authorization: Bearer GRANT`. A grant for one study goes to the hub "
        "with each request; `aegle archive grant` prints one for the whole archive, for a DICOMweb client of the site's own. "
        "Without `--store` and `--delete` it reads only; to delete, an administrator of the site proves himself by password. "
        "`aegle archive revoke` takes one back at once. `GET /` and `OPTIONS /` answer this as an OpenAPI document; WADL is "
        "not offered."
    )
    unused: Any = None
    routes = [
        f"| `{it.method} {it.path.replace(':path', '')}` | {it.says} | `{it.act.value}` |\n"
        for it in archive_routes(unused)
    ]
    names = ((it, keyword_for_tag(int(it.tag, 16))) for it in KEYS)
    keys = [f"| `{name}` | {it.level.value} | {it.vr} |\n" for it, name in names]
    matching = (
        "An attribute is named by keyword or tag. UIDs: one, or a list. Dates and times: one, or a range. `*` and `?` elsewhere; "
        "names without regard to case. Codes (CS) also as a list. Attributes inside a sequence, and all that are not in this "
        "table, cannot be matched: the search is refused (400), never answered with too much. `fuzzymatching=true` is answered "
        "by literal matching and says so (Warning 299).",
        f"`limit` is {LIMIT_DEFAULT:,} where it is not given and at most {LIMIT_MAX:,}; `offset` at most {OFFSET_MAX:,}. An "
        'answer that leaves results out says so (Warning 299) and links to the next page (`Link: <...>; rel="next"`), which '
        "costs the same at any depth. `includefield` at the level of instances reaches the whole header; above it, what is kept "
        "there. Nothing found is 204. A search that would take seconds of work is refused (413).",
    )
    answers = (
        "Search and metadata: `application/dicom+json` or `application/json`, packed with gzip where that is accepted; XML is "
        "not offered (406). Objects, frames and pixel data come as they are stored and are never transcoded: ask for "
        "`transfer-syntax=*` or none. One object or one frame also comes alone, without multipart; one object in ranges too. "
        "Metadata tell pixels, and binary values of 4 KB or more, by their BulkDataURI. "
        "",
        "`rendered` gives images as `image/jpeg` or `image/png`: the frames named, else the first of each image, at most 32 in "
        "one answer. `viewport` (width, height, and a region of the frame; at most 4,096 pixels a side), `window` (centre, "
        "width, and `linear`, `linear-exact` or `sigmoid`) and `quality` are taken, another parameter is refused. Without a "
        "window the image's own first one is applied. `thumbnail` gives one image of 128 pixels. Pixels that are neither "
        "8-bit colour nor grey are not rendered (406).",
        'To store, send `multipart/related; type="application/dicom"`; metadata as JSON or XML is not taken (415). Each object '
        "must say that its identity was removed (0012,0062), or it is refused: identified objects enter at the site's door. "
        "200: all taken; 202: some; 409: none. Failure Reason: 0111 other bytes are held under that UID, A900 it is of another "
        "study, A700 no room, C000 no DICOM, 0110 not allowed.",
    )
    return (
        _head("The archive's DICOMweb endpoint", intro)
        + "\n## Resources\n\n| call | does | audited as |\n|---|---|---|\n" + "".join(routes)
        + "\n## Search\n\n" + "\n".join(f"{_wrap(text)}\n" for text in matching)
        + "\n| attribute | of a | VR |\n|---|---|---|\n" + "".join(keys)
        + "\n## Retrieve and store\n\n" + "\n".join(f"{_wrap(text)}\n" for text in answers)
    )  # fmt: skip


def _routes(routes: list[Route]) -> str:
    rows = [
        f"| `{route.method} {route.path}` | {route.caller.value} | `{route.act.value}` | {_name(route.takes)} "
        f"| {_name(route.gives)} | {_about(route)} |\n"
        for route in routes
    ]
    return "| call | for | act | takes | answers | what it does |\n|---|---|---|---|---|---|\n" + "".join(rows)


def _about(route: Route) -> str:
    query = f" Query: {', '.join(f'`{name}`' for name in route.query)}." if route.query else ""
    note = NOTES.get(f"{route.method} {route.path}", "")
    return f"{route.summary}{query} {note}".strip()


def _name(kind: Any) -> str:
    if kind is None:
        return "-"
    inner = getattr(kind, "__args__", None)
    return f"list of `{inner[0].__name__}`" if inner else f"`{kind.__name__}`"


def _remarks(kind: type) -> dict[str, str]:
    """The `#:` remark of each name that a class binds, as it stands in the source."""
    source = textwrap.dedent(inspect.getsource(kind))
    lines, found = source.splitlines(), {}
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Name):
            text = " ".join(lines[node.lineno - 1 : node.end_lineno])
            remark = text.partition("#: ")[2].strip()
            found[target.id] = remark.removesuffix(")").strip() if remark.count(")") > remark.count("(") else remark
    return found


def deidentification() -> str:
    """What is done to each attribute, under each option."""
    intro = (
        f"De-identification follows DICOM PS3.15 Annex E, Table E.1-1, edition {table.EDITION}: {len(table.rows())} rows for "
        f"single attributes and {len(table.ranges())} for many. This page is made from the data that the engine runs on. The "
        "default profile is the basic profile with clean structured content and modified dates; its digest is "
        f"`{default_profile().digest}`. `aegle deid profile show` prints the same for any other.\n\n"
        "What the words mean for a patient is in [de-identification](../explanation/de-identification.md), how to choose in "
        "[choose a profile](../how-to/choose-a-profile.md)."
    )
    return _head("De-identification, row by row", intro) + conformance.statement()


def _head(title: str, intro: str) -> str:
    return f"{_MADE}# {title}\n\n" + "\n\n".join(_wrap(part) for part in intro.split("\n\n")) + "\n"


def _wrap(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 118, break_long_words=False, break_on_hyphens=False))


def google_rules() -> str:
    """Who may do what on Google Cloud, and what is asserted of it."""
    intro = (
        "Written for an auditor. Every role that the blueprint grants is in this table, from `infra/roles.json`; any other is "
        "refused by the policy below. Each grant adds one member to one thing; owner, editor and viewer are granted to "
        "nobody, and no identity has a key."
    )
    grants = [f"| `{role}` | {it['who']} | {it['on']} | {it['why']} |\n" for role, it in blueprint.roles().items()]
    asserted = (
        "`aegle infra policy` asserts this of any estate, from what `terraform show -json` says of it. `aegle apply` asserts "
        "it of the plan before, and of what stands after. Each assertion is shown to fail by changes to the blueprint."
    )
    rows = [f"| `{it.__name__}` | {' '.join((it.__doc__ or '').split())} |\n" for it in ASSERTIONS]
    forbidden = (
        f"On Aegle's folder, organisation policies forbid for everybody: {', '.join(f'`{it}`' for it in REQUIRED)}."
    )
    return (
        _head("Google Cloud: roles and rules", intro)
        + "\n## Roles\n\n| role | held by | on | why |\n|---|---|---|---|\n" + "".join(grants)
        + f"\n## Rules\n\n{_wrap(asserted)}\n\n| assertion | what it says |\n|---|---|\n" + "".join(rows)
        + f"\n{_wrap(forbidden)}\n"
    )  # fmt: skip


def dicom_conformance() -> str:
    """What a site speaks, in the form of PS3.2."""
    intro = (
        "Of a site's program, in the order of PS3.2 Annex A. This page is made from the tables that the program runs on. It says "
        "what the code does, not what anybody has certified."
    )
    return _head("DICOM conformance statement", intro) + "\n" + spoken.statement()


PAGES: dict[str, Callable[[], str]] = {
    "conformance.md": dicom_conformance,
    "configuration.md": configuration,
    "commands.md": commands,
    "errors.md": errors,
    "audit.md": audit,
    "reasons.md": reasons,
    "roles.md": roles,
    "hub-api.md": hub_api,
    "dicomweb.md": dicomweb,
    "google-cloud.md": google_rules,
    "deidentification.md": deidentification,
}


def main() -> None:
    """Write every page, and the standard's words for the gate."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
    for name, text in ps316.from_pydicom().items():
        (Path(ps316.__file__).parent / "data" / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
