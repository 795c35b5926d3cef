"""Draws the terminal of each step by which a data scientist adds a site on Google Cloud, from a real run of the commands.

    python docs/pictures.py

The real terraform runs on the tests' stand-in for Google; needs terraform and `make providers`. Writes how-to/pictures/*.svg.
"""

import os
import re
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from typer.testing import CliRunner  # noqa: E402

from aegle.cli import app  # noqa: E402
from aegle.provision import blueprint  # noqa: E402
from infra import estates  # noqa: E402
from infra.cloud import Cloud, open_cloud  # noqa: E402

PICTURES = Path(__file__).parent / "how-to" / "pictures"
COLUMNS, LINES_MAX, ROW_PX, COLUMN_PX, EDGE_PX = 108, 34, 18, 8.2, 14
COMPANY = """\
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
sites: {}
""".replace("SOON", f'"{estates.SOON}"')
_PROGRESS = re.compile(r"\s+\d+/\d+ ")
STEPS = {
    "1-add": ("site", "add", "lab-north", "--kind", "lab", "--operators", "group:lab@example.org"),
    "2-plan": ("plan",),
    "3-apply": ("apply", "--yes"),
    "4-list": ("site", "list"),
}


def main() -> None:
    """Run every step and draw it."""
    with tempfile.TemporaryDirectory() as name, open_cloud(Path(name) / "cloud") as cloud:
        os.chdir(name)
        Path("aegle.yaml").write_text(COMPANY, encoding="utf-8")
        backends = {root: cloud.states.backend(root) for root in blueprint.ROOTS}
        copy = blueprint.copy_to
        with patch.object(blueprint, "copy_to", lambda work, _: copy(work, backends)):
            for before in (("apply", "--foundation", "--yes"), ("apply", "--yes")):
                typed(cloud, before)  # the company's estate stands already
            for step, words in STEPS.items():
                lines = [f"$ aegle {' '.join(words)}", *shortened(typed(cloud, words).splitlines())]
                (PICTURES / f"onboard-{step}.svg").write_text(drawn(lines), encoding="utf-8")


def typed(cloud: Cloud, words: Sequence[str]) -> str:
    """What a command prints. Raises where it fails."""
    environment = cloud.environment | {"COLUMNS": str(COLUMNS), "TERMINAL_WIDTH": str(COLUMNS)}
    done = CliRunner().invoke(app, list(words), env=environment, catch_exceptions=False)
    if done.exit_code:
        raise RuntimeError(done.output)
    return done.output


def shortened(lines: Sequence[str]) -> list[str]:
    """At most `LINES_MAX`, each within the terminal; what is left out in the middle is said. Progress is cut, not folded."""
    whole = [f"{line[: COLUMNS - 1]}…" if _PROGRESS.match(line) and len(line) > COLUMNS else line for line in lines]
    folded = [line[start : start + COLUMNS] for line in whole for start in range(0, max(len(line), 1), COLUMNS)]
    if len(folded) <= LINES_MAX:
        return folded
    head, tail = LINES_MAX // 2, LINES_MAX // 2 - 1
    return [*folded[:head], f"  ... {len(folded) - head - tail} lines more ...", *folded[-tail:]]


def drawn(lines: Sequence[str]) -> str:
    """A terminal as SVG: text that can be read aloud and searched."""
    width, height = COLUMNS * COLUMN_PX + 2 * EDGE_PX, len(lines) * ROW_PX + 2 * EDGE_PX
    rows = [
        f'<text x="{EDGE_PX}" y="{EDGE_PX + ROW_PX * (number + 0.75):.0f}" fill="{_colour(line)}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-monospace, monospace" font-size="13" '
            'style="white-space: pre">',
            f"<title>{escape(lines[0].removeprefix('$ '))}</title>",
            '<rect width="100%" height="100%" rx="8" fill="#101418"/>',
            *rows,
            "</svg>\n",
        ]
    )


def _colour(line: str) -> str:
    start = line.lstrip()[:1]
    return "#7ee787" if start == "+" else "#79c0ff" if start == "$" else "#e6edf3"


if __name__ == "__main__":
    main()
