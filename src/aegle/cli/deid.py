"""`aegle deid run|preview|profile`: de-identification on its own, with no site running."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text

from aegle.cli.chosen import Options, ProfileFile
from aegle.cli.folder import JOBS, KEY, SOME_HELD, VALUES, deidentify_folder
from aegle.cli.profile import chosen
from aegle.cli.terminal import listed, terminal
from aegle.deid import REASONS, Pseudonyms, value_file
from aegle.deid.places import load_key
from aegle.deid.preview import preview as run_dry
from aegle.deid.second_look import Looking
from aegle.deid.second_look import SecondLook as SecondLooking

app = typer.Typer(help="De-identify DICOM by PS3.15 Annex E.", no_args_is_help=True)
console = terminal()

Values = Annotated[
    Path,
    typer.Option(
        help="CSV of decisions about words: keyword,value,decision (approve, deny or pending). What nobody has seen "
        "is added as pending, and its file held. Keep it beside the key."
    ),
]
SecondLook = Annotated[
    Looking | None,
    typer.Option(
        help="Which pictures a text detector looks at before they are written, and holds where it sees some: captures, "
        "ultrasound, endoscopy and saved screens for which no rule speaks (unvouched); also photographs and what has a rule "
        "(risky); all, or none. Default: what the profile says (unvouched). Half a second a megapixel; with the extra `text`, "
        "which reads better, two."
    ),
]
Compare = Annotated[
    int,
    typer.Option(min=0, help="Compare one file in so many with its source by dciodvfy, and tell new errors. 0: none."),
]


Recipient = Annotated[
    str,
    typer.Option(
        help="Whom the copy is for, in a word: each recipient gets aliases of its own from the same key, which cannot be linked."
    ),
]


@app.command()
def run(
    source: Annotated[Path, typer.Argument(help="Folder to read, to any depth.", exists=True, file_okay=False)],
    output: Annotated[
        Path, typer.Argument(help="Folder to write: STUDY/SERIES/INSTANCE.dcm by alias, and report.json.")
    ],
    key: Annotated[Path, typer.Option(help="The secret that makes the aliases; made the first time. Keep it.")] = KEY,
    quarantine: Annotated[Path | None, typer.Option(help="Where held files are copied, with reasons.json.")] = None,
    values: Values = VALUES,
    options: Options = None,
    profile_file: ProfileFile = None,
    second_look: SecondLook = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = JOBS,
    compare: Compare = 0,
    recipient: Recipient = "",
) -> None:
    """De-identify a folder. Stop it at any time; the same command goes on, also after words were decided.

    Exit status: 0 when every file was written, 3 when some are held (also by an earlier run) or could not be read, 1 for an
    error, 2 for a command line that cannot be followed, 75 when trying again may help.
    Without a vault nothing here can be given back its patient: use a site for that.

    Example: `aegle deid run exports/ clean/ --quarantine held/`
    """
    status = deidentify_folder(
        source=source,
        output=output,
        key=key,
        quarantine=quarantine,
        values=values,
        options=options,
        profile_file=profile_file,
        second_look=second_look,
        jobs=jobs,
        compare=compare,
        recipient=recipient,
    )
    if status:
        raise typer.Exit(status)


@app.command()
def preview(
    file: Annotated[Path, typer.Argument(help="One DICOM file.", exists=True, dir_okay=False)],
    key: Annotated[Path | None, typer.Option(help="Show the aliases of this key; default: of a random one.")] = None,
    options: Options = None,
    profile_file: ProfileFile = None,
    values: Annotated[
        Path | None, typer.Option(help="CSV of decisions about words, as in `run`.", exists=True, dir_okay=False)
    ] = None,
    second_look: SecondLook = None,
) -> None:
    """Show what would become of a file, attribute by attribute, from the same engine, check and second look run dry.

    The output holds the file's identifiers: look at it where you may look at the file.

    Example: `aegle deid preview exports/slice.dcm --values aegle-deid-values.csv`
    """
    pseudonyms = Pseudonyms.from_secret(load_key(key, make=False) if key else os.urandom(32))
    decided = value_file.values_of(value_file.read(values) if values else [])
    rules = chosen(options, profile_file, second_look)
    with tempfile.TemporaryDirectory() as folder, SecondLooking(rules.looking) as look:
        found = run_dry(file, rules, pseudonyms, decided, Path(folder), look)
    rows = []
    for change in found.changes:
        style = "" if change.before != change.after else "dim"
        rows.append([Text(word, style) for word in (change.tag, change.name, change.before, change.after)])
    if found.changes:
        console.print(listed(("tag", "name", "before", "after"), rows, whole=("tag",)))
        console.print("A dash: the attribute is not there. Nothing after it: it stays, and is emptied.")
    if found.painted:
        console.print(f"In the picture {found.painted} place(s) would be painted over.")
    if found.held is not None:
        reason = REASONS[found.held.reason]
        console.print(f"[bold red]{found.held.reason}[/]  {reason.text} {escape(found.held.detail)}")
        console.print(reason.remedy, markup=False)
        raise typer.Exit(SOME_HELD)
