"""Runs the terraform binary on one root of the blueprint and hands back what it says, as data."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aegle.errors import BadConfig, ProvisionFailed

_NOTHING_TO_DO, _FAILED, _CHANGES = 0, 1, 2  #: of `terraform plan -detailed-exitcode`
NEEDS: Final = (1, 11)
"""The oldest terraform: the first with write-only arguments, which keep a VPN's secret out of the state."""


@dataclass(frozen=True, kw_only=True)
class Terraform:
    """One root in one work folder. Every method raises ProvisionFailed with terraform's own words where it fails."""

    root: Path  #: folder of the root's `.tf` files
    work: Path  #: plan, inputs and terraform's own data
    environment: Mapping[str, str] = field(default_factory=dict)  #: added to ours, for secrets of one run

    @property
    def plan_file(self) -> Path:
        """The plan that `plan` writes and `apply` carries out."""
        return self.work / "plan"

    @property
    def inputs_file(self) -> Path:
        """The root's variables."""
        return self.work / "inputs.json"

    def init(self, *backend: str) -> None:
        """Fetch providers and open the state; `backend` are its settings, `key=value`."""
        self.work.mkdir(parents=True, exist_ok=True)
        settings = [f"-backend-config={setting}" for setting in backend]
        try:
            self._run("init", "-input=false", "-no-color", "-reconfigure", *settings)
        except ProvisionFailed as failed:
            raise ProvisionFailed(f"{failed}\n`aegle infra doctor` says what is missing, with the remedy") from None

    def validate(self) -> None:
        """Check the configuration alone."""
        self._run("validate", "-no-color")

    def plan(self, inputs: Mapping[str, Any], *, destroy: bool = False, refresh: bool = True) -> bool:
        """Compare with what is there; whether there is anything to do. The plan is kept in `plan_file`.

        Without `refresh` the state is believed, and the cloud is not asked."""
        self.inputs_file.write_text(json.dumps(inputs, indent=1), encoding="utf-8")
        options = ["-input=false", "-no-color", f"-var-file={self.inputs_file}", f"-out={self.plan_file}"]
        options += ["-destroy"] if destroy else []
        options += [] if refresh else ["-refresh=false"]
        code = self._run("plan", "-detailed-exitcode", *options, good=(_NOTHING_TO_DO, _CHANGES)).returncode
        return code == _CHANGES

    def planned(self) -> dict[str, Any]:
        """The plan as JSON (terraform's plan representation)."""
        return self._json("show", "-json", str(self.plan_file))

    def state(self) -> dict[str, Any]:
        """What was applied, as JSON (terraform's state representation)."""
        return self._json("show", "-json")

    def outputs(self) -> dict[str, Any]:
        """The root's outputs by name."""
        return {name: item["value"] for name, item in self._json("output", "-json").items()}

    def forget(self, addresses: Sequence[str]) -> None:
        """Take resources out of the state; they stay in the cloud."""
        if addresses:
            self._run("state", "rm", *addresses)

    def apply(self) -> Iterator[dict[str, Any]]:
        """Carry out the plan; yields terraform's progress as it comes, one message each (its machine-readable UI).

        What was done before a failure is in the state, so a new plan and apply goes on where this one stopped."""
        command = self._command("apply", "-json", "-input=false", str(self.plan_file))
        errors: list[str] = []
        with subprocess.Popen(
            command,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        ) as process:
            for line in process.stdout or ():
                message = _message(line)
                if message.get("@level") == "error":
                    errors.append(_error_of(message))
                yield message
        if process.returncode:
            said = "\n".join(errors) or "terraform apply failed"
            raise ProvisionFailed(
                f"{said}\nWhat was made stands. Mend this, then run the same command: it goes on from here"
            )

    def _json(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._run(*arguments).stdout)
        return found

    def _run(self, *arguments: str, good: tuple[int, ...] = (0,)) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self._command(*arguments),
            env=self._environment(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode not in good:
            raise ProvisionFailed(f"terraform {arguments[0]}: {_words(done.stderr or done.stdout)}")
        return done

    def _command(self, *arguments: str) -> list[str]:
        return [binary(), f"-chdir={self.root}", *arguments]

    def _environment(self) -> dict[str, str]:
        own = {"TF_DATA_DIR": str(self.work / "data"), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
        return {**os.environ, **own, **self.environment}


def binary() -> str:
    """The terraform binary. Raises BadConfig with the remedy."""
    found = shutil.which("terraform")
    if found is None:
        wanted = ".".join(map(str, NEEDS))
        raise BadConfig(f"terraform is not on this machine; install version {wanted} or newer and put it on the PATH")
    return found


def _message(line: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:  # what is not JSON is a message that terraform could not put into words
        return {"@level": "info", "@message": line.strip(), "type": "log"}
    return found


def _error_of(message: Mapping[str, Any]) -> str:
    diagnostic = message.get("diagnostic", {})
    parts = [
        diagnostic.get("address", ""),
        diagnostic.get("summary", message.get("@message", "")),
        diagnostic.get("detail", ""),
    ]
    return ": ".join(part.strip() for part in parts if part)


def _words(text: str) -> str:
    """Terraform's error without its drawn frame."""
    lines = (line.strip("│╷╵ \t") for line in text.splitlines())
    return "\n".join(line for line in lines if line)
