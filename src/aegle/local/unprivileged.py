"""How to start a program that refuses to run as root, when we are root.

PostgreSQL checks its effective user id. A user of its own could not read a virtual environment below a closed home, so
we keep root's reach over files and change only the number:

- `unshare`: a user namespace in which our files and we belong to user 1000. Nothing changes hands.
- `setpriv`: user 65534 who keeps the one capability to pass closed folders; for containers that forbid namespaces.
  The data folder is given to that user.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from aegle.errors import BadConfig

NOBODY = 65534


@dataclass(frozen=True, kw_only=True)
class Unprivileged:
    """One way to start a program as somebody who is not root."""

    prefix: tuple[str, ...]  #: put before the command
    uid: int  #: who must own the program's files; as the operating system outside sees it

    def give(self, *folders: Path) -> None:
        """Hand these trees over to the program's user. Only root can, and only root has another user to give to."""
        if os.geteuid() != 0:
            return
        for folder in folders:
            if folder.stat().st_uid != self.uid:
                _hand_over(folder, self.uid)


AS_WE_ARE = Unprivileged(prefix=(), uid=os.geteuid() if hasattr(os, "geteuid") else 0)
NAMESPACE = Unprivileged(prefix=("unshare", "--user", "--map-user=1000", "--map-group=1000", "--"), uid=0)
CAPABILITY = Unprivileged(
    prefix=(
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override", "--bounding-set=-all,+dac_override", "--",
    ),
    uid=NOBODY,
)  # fmt: skip


def choose() -> Unprivileged:
    """The first way that works here. Raises BadConfig when we are root and none does."""
    if AS_WE_ARE.uid != 0:
        return AS_WE_ARE
    for way in (NAMESPACE, CAPABILITY):
        if _works(way):
            return way
    raise BadConfig("PostgreSQL will not run as root and this machine lets us change to nobody. Run as another user")


def _works(way: Unprivileged) -> bool:
    if shutil.which(way.prefix[0]) is None:
        return False
    return subprocess.run([*way.prefix, "true"], capture_output=True, check=False).returncode == 0


def _hand_over(folder: Path, uid: int) -> None:
    os.chown(folder, uid, uid, follow_symlinks=False)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent) / name, uid, uid, follow_symlinks=False)
