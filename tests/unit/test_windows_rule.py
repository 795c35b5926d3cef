"""What runs at a hospital must run on Windows: no call that exists only on POSIX, in any room a site uses."""

import ast
from pathlib import Path
from typing import TypeGuard

import pytest

import aegle

ROOMS = (
    "dicom",
    "deid",
    "protocols",
    "intake",
    "site",
    "pages",
    "records.py",
    "references.py",
    "late.py",
    "durable.py",
    "logs.py",
    "config.py",
)
MODULES = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog"}
CALLS = {"fork", "forkpty", "killpg", "setsid", "getuid", "geteuid", "setuid", "chown", "chroot", "mkfifo", "sendfile"}
GUARDED = {"pread", "copy_file_range", "writev", "pwrite"}  # only under a check of the platform


def _files() -> list[Path]:
    root = Path(aegle.__file__).parent
    return [
        path
        for room in ROOMS
        for path in ([root / room] if room.endswith(".py") else sorted((root / room).rglob("*.py")))
    ]


def _guards(tree: ast.AST) -> list[ast.If]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.If) and _asks_platform(node.test)]


def _asks_platform(test: ast.expr) -> bool:
    text = ast.unparse(test)
    return "sys.platform" in text or "os.name" in text or "hasattr(os" in text


def posix_only(source: str) -> list[str]:
    tree = ast.parse(source)
    found = []
    guarded = {id(inner) for guard in _guards(tree) for inner in ast.walk(guard)}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [f"line {node.lineno}: import {name}" for name in names if name in MODULES]
        if _is_of_os(node) and (node.attr in CALLS or (node.attr in GUARDED and id(node) not in guarded)):
            found.append(f"line {node.lineno}: os.{node.attr}")
    return found


def _is_of_os(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(Path(aegle.__file__).parent)))
def test_a_site_uses_nothing_that_only_posix_has(path: Path) -> None:
    assert posix_only(path.read_text(encoding="utf-8")) == []


def test_the_rule_finds_what_it_is_for() -> None:
    assert posix_only("import fcntl\nimport os\nos.fork()\nos.pread(1, 2, 3)") == [
        "line 1: import fcntl",
        "line 3: os.fork",
        "line 4: os.pread",
    ]
    assert posix_only("import os, sys\nif sys.platform != 'win32':\n    os.pread(1, 2, 3)") == []
