"""`aegle send`: a folder of DICOM files to a site's door by C-STORE, as a modality or PACS would."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import pydicom.misc
import typer
from rich.progress import Progress

from aegle.access import Act
from aegle.cli.acts import record
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import terminal
from aegle.errors import BadConfig, NotFound
from aegle.local.home import AppliedSite
from aegle.protocols import dimse
from aegle.records import AuditOutcome

console = terminal()


def register(root: typer.Typer) -> None:
    """Add `send` to the root command."""
    root.command()(send)


def send(
    folder: Annotated[Path, typer.Argument(help="A folder, searched to any depth, or one file.", exists=True)],
    site: Annotated[str, typer.Option(help="The site whose door takes them.")],
    calling: Annotated[
        str | None, typer.Option("--as", help="AE title to call with; default: the first the door allows.")
    ] = None,
    home_path: HomePath = HOME,
) -> None:
    """Send DICOM files to a site. Each file's answer is counted; files that are not DICOM are named and left out.

    Example: `aegle send ~/studies/case-17 --site st-anna`
    """
    place = home(home_path)
    target = _target(place.require_applied().site(site), site, calling)
    files, others = _sort(folder)
    for path in others:
        console.print(f"  not DICOM, left out: {path}", highlight=False, markup=False)
    if not files:
        raise NotFound(f"no DICOM file below {folder}")
    answers: Counter[str] = Counter()
    with Progress(console=console) as progress:
        task = progress.add_task(f"to {target.called}", total=len(files))

        def told(sent: dimse.Sent) -> None:
            answers["taken" if sent.accepted else _problem(sent)] += 1
            progress.advance(task)

        dimse.send(target, files, told)
    outcome = AuditOutcome.OK if answers["taken"] == len(files) else AuditOutcome.FAILED
    record(place, Act.CLI_FILES_SEND, outcome, site=site, peer=target.calling, count=answers["taken"])
    for answer, count in answers.items():
        console.print(f"  {count} {answer}")
    console.print(f"Follow them on the site's page, or with `aegle status --site {site}`.")
    if answers["taken"] != len(files):
        raise typer.Exit(1)


def _target(applied: AppliedSite, name: str, calling: str | None) -> dimse.Target:
    allowed = [peer.ae_title for peer in applied.config.door.allow]
    if not allowed and calling is None:
        raise BadConfig(
            f"the door of {name} lets nobody in yet. Name a sender in aegle.yaml:\n"
            f"  sites:\n    {name}:\n      door:\n        allow: [{{ae_title: MY-SENDER}}]\nthen run `aegle apply`"
        )
    if applied.config.door.tls is not None:
        raise BadConfig(
            f"the door of {name} asks for a certificate, and this command has none; send with dcmtk:\n"
            f"  storescu +tls KEY CERTIFICATE +cf AUTHORITIES 127.0.0.1 {applied.door_port} FILES"
        )
    called = applied.config.door.ae_title or name.upper()[:16]
    return dimse.Target(host="127.0.0.1", port=applied.door_port, called=called, calling=calling or allowed[0])


def _sort(folder: Path) -> tuple[list[Path], list[Path]]:
    """DICOM files, and the others."""
    paths = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    dicom = [path for path in paths if pydicom.misc.is_dicom(path)]
    return dicom, [path for path in paths if path not in set(dicom)]


def _problem(sent: dimse.Sent) -> str:
    return (
        "not sent: the connection was lost or the class refused"
        if sent.status is None
        else f"refused with 0x{sent.status:04X}"
    )
