"""Plan and apply on Google Cloud: terraform run in a private copy, judged by policy, guarded against losing data."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from aegle.config import Config
from aegle.errors import BadConfig, Conflict
from aegle.estate import Google
from aegle.provision import blueprint, inputs, policy, telling
from aegle.provision.policy.estate import Estate, Finding
from aegle.provision.telling import Step
from aegle.provision.terraform import Terraform

_KEYS: Final = ("google_kms_crypto_key", "google_kms_key_ring", "google_kms_crypto_key_iam_member")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one root would do."""

    root: str
    steps: tuple[Step, ...]
    findings: Mapping[str, list[Finding]]  #: of the policy, by assertion; those that found something
    refused: tuple[str, ...]  #: deletions that nobody allowed


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One aegle.yaml on Google Cloud. Everything it writes is below `work`."""

    config: Config
    folder: Path  #: where aegle.yaml lies
    work: Path
    allowed: frozenset[str] = frozenset()  #: owners whose data may be destroyed
    environment: Mapping[str, str] = field(default_factory=dict)
    _opened: dict[str, Terraform] = field(default_factory=dict)

    @property
    def google(self) -> Google:
        """The estate. Raises BadConfig when aegle.yaml is for another target."""
        if self.config.google is None:
            raise BadConfig("aegle.yaml has no block google; see docs/how-to/google-cloud.md")
        return self.config.google

    @cached_property
    def _blueprint(self) -> Path:
        backends: dict[str, Any] = {}
        if self.google.state_bucket is None:
            backends = {name: {"local": {"path": str(self.work / f"{name}.tfstate")}} for name in blueprint.ROOTS}
        return blueprint.copy_to(self.work, backends)

    def terraform(self, root: str) -> Terraform:
        """A root, ready to run."""
        secrets = os.environ.get("AEGLE_VPN_SECRETS")
        environment = dict(self.environment) | (
            {"TF_VAR_vpn_secrets": secrets} if secrets and root == "platform" else {}
        )
        found = Terraform(root=self._blueprint / root, work=self.work / root, environment=environment)
        bucket = self.google.state_bucket
        found.init(*([f"bucket={bucket}"] if bucket else []))
        return found

    def plan_foundation(self) -> tuple[Terraform, Plan]:
        """Folders, projects and organisation policies."""
        terraform = self.terraform("foundation")
        terraform.plan(inputs.foundation(self.google))
        return terraform, self._judged("foundation", terraform)

    def plan_platform(self) -> tuple[Terraform, Plan]:
        """The hub and every site. Raises Conflict where a site left aegle.yaml in a way that would lose data."""
        foundation = self.terraform("foundation")
        made = foundation.outputs()
        if "estate" not in made:
            raise BadConfig("the projects are not there yet; run `aegle apply --foundation` first")
        terraform = self.terraform("platform")
        self._check_removed(terraform)
        terraform.plan(inputs.platform(self.config, self.google, made, self.folder))
        return terraform, self._judged("platform", terraform, foundation.state())

    def _judged(self, root: str, terraform: Terraform, *others: Mapping[str, Any]) -> Plan:
        document = terraform.planned()
        found = telling.steps(document)
        findings = policy.examine(*others, document)
        return Plan(
            root=root,
            steps=found,
            findings={name: items for name, items in findings.items() if items},
            refused=tuple(telling.refused(found, self.allowed)),
        )

    def judge(self) -> dict[str, list[Finding]]:
        """What the policy finds in what was applied, of both roots: a plan cannot know all that an assertion asks for."""
        states = [self.terraform(root).state() for root in blueprint.ROOTS]
        findings = policy.examine(*(state for state in states if "values" in state))
        return {name: items for name, items in findings.items() if items}

    def removed(self, terraform: Terraform) -> tuple[Estate, list[str]]:
        """What was applied, and the sites in it that are no longer in aegle.yaml."""
        state = terraform.state()
        estate = policy.read(state) if "values" in state else Estate(resources=())
        return estate, sorted(estate.sites - self.config.sites.keys())

    def _check_removed(self, terraform: Terraform) -> None:
        estate, gone = self.removed(terraform)
        for site in gone:
            if not estate.frozen(site):
                raise Conflict(
                    f"{site} is gone from aegle.yaml and still alive: put its block back, then `aegle site retire {site}`"
                )
            if site not in self.allowed:
                raise Conflict(
                    f"{site} is gone from aegle.yaml; its archive, bucket and secrets would be destroyed. Keep its block "
                    f"with frozen: true to keep them, or run `aegle apply --allow-delete {site}`"
                )
            if any(item.owner == site for item in estate.of(*_KEYS)):
                raise Conflict(
                    f"the keys of {site} are never destroyed: `aegle apply --allow-delete {site}` leaves them in Cloud KMS"
                )

    def keys_to_leave(self) -> list[str]:
        """Addresses of the keys of removed sites that may be destroyed."""
        estate, gone = self.removed(self.terraform("platform"))
        leaving = {site for site in gone if site in self.allowed and estate.frozen(site)}
        return [item.address for item in estate.of(*_KEYS) if item.owner in leaving]

    def leave(self, keys: Sequence[str]) -> None:
        """Take keys out of terraform's hands; they stay in Cloud KMS."""
        self.terraform("platform").forget(keys)


def progress(messages: Iterator[Mapping[str, Any]], total: int) -> Iterator[str]:
    """Terraform's messages while applying as lines to read: what was done, and how much of it."""
    done = 0
    for message in messages:
        hook = message.get("hook", {})
        resource = hook.get("resource", {})
        if message.get("type") == "apply_complete":
            done += 1
            what = telling.word(
                policy.estate.Resource(address=resource["addr"], kind=resource["resource_type"], values={})
            )
            yield f"{done}/{total}  {hook['action']}d {what} ({hook.get('elapsed_seconds', 0):.0f} s)  {resource['addr']}"
        elif message.get("type") == "apply_errored":
            yield f"failed  {resource.get('addr', '')}"


def vpn_secrets(text: str) -> dict[str, str]:
    """The environment's AEGLE_VPN_SECRETS. Raises BadConfig."""
    try:
        found = json.loads(text)
    except ValueError:
        raise BadConfig('AEGLE_VPN_SECRETS is JSON: {"st-anna": "..."}') from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise BadConfig("AEGLE_VPN_SECRETS is JSON: a text for each site")
    return found
