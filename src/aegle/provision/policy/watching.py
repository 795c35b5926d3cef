"""What is written down and who notices: audit logs, the locked bucket, organisation policies, the perimeter, alerts."""

import re
from typing import Any, Final

from aegle.provision.policy.estate import HUB, UNDECIDED, Estate, Finding, Findings, Resource

_AUDITED: Final = ("bigquery", "cloudkms", "healthcare", "secretmanager", "storage")
_LOG_TYPES: Final = frozenset({"ADMIN_READ", "DATA_READ", "DATA_WRITE"})
_CLAUSE: Final = re.compile(r'logName:"[A-Za-z._/-]+"')
_TAKEN: Final = frozenset(
    f'logName:"{name}"' for name in ("cloudaudit.googleapis.com", "logs/aegle", "vpc_flows", "firewall")
)
_SILENCE_S: Final = 2_700  #: 45 minutes
_YEAR_DAYS: Final = 365
_PERIMETER: Final = frozenset(
    f"{name}.googleapis.com" for name in ("bigquery", "healthcare", "secretmanager", "storage")
)
REQUIRED: Final = (
    "compute.disableNestedVirtualization", "compute.disableSerialPortAccess", "compute.requireOsLogin",
    "compute.requireShieldedVm", "compute.requireVpcFlowLogs", "compute.skipDefaultNetworkCreation",
    "compute.vmExternalIpAccess", "gcp.resourceLocations", "gcp.restrictNonCmekServices",
    "iam.allowedPolicyMemberDomains", "iam.automaticIamGrantsForDefaultServiceAccounts",
    "iam.disableServiceAccountKeyCreation", "storage.publicAccessPrevention", "storage.uniformBucketLevelAccess",
)  # fmt: skip
"""Organisation policies without which a person with a role could switch a protection off."""
_ONE: Final = frozenset({"gcp.resourceLocations", "iam.allowedPolicyMemberDomains"})
"""Policies that allow one value: our region, our people."""


def data_access_is_logged(estate: Estate) -> Findings:
    """Who read or wrote archives, rows, objects, secrets and keys is logged, for everybody."""
    if not any(estate.of("google_folder")):
        return
    configured = {item.get("service"): item for item in estate.of("google_folder_iam_audit_config")}
    for service in _AUDITED:
        item = configured.get(f"{service}.googleapis.com")
        if item is None:
            yield Finding(address="google_folder_iam_audit_config", why=f"{service} logs no access to data")
            continue
        parts = item.get("audit_log_config") or ()
        if missing := _LOG_TYPES - {part["log_type"] for part in parts}:
            yield Finding(address=item.address, why=f"{', '.join(sorted(missing))} is not logged")
        if any(part.get("exempted_members") for part in parts):
            yield Finding(address=item.address, why="somebody is exempted")
    for item in estate.of("google_project_iam_audit_config", "google_organization_iam_audit_config"):
        yield Finding(address=item.address, why="says of one project what the folder says of all")


def logs_are_locked(estate: Estate) -> Findings:
    """The bucket of audit logs is locked, for a year at least."""
    for item in estate.of("google_logging_project_bucket_config"):
        if item.get("locked") is not True:
            yield Finding(address=item.address, why="is not locked: entries can be deleted")
        if int(item.get("retention_days") or 0) < _YEAR_DAYS:
            yield Finding(address=item.address, why=f"keeps entries for {item.get('retention_days')} days")


def every_project_is_logged(estate: Estate) -> Findings:
    """A sink over the whole folder takes every project's audit logs, and may write where it says."""
    sinks = list(estate.of("google_logging_folder_sink"))
    for sink in sinks:
        if sink.get("include_children") is not True:
            yield Finding(address=sink.address, why="leaves the projects below out")
        clauses = set(str(sink.get("filter")).split(" OR "))
        if sink.get("disabled") or _TAKEN - clauses or not all(map(_CLAUSE.fullmatch, clauses)):
            yield Finding(address=sink.address, why="does not take every entry of audit, sites, flows and firewalls")
        if sink.get("exclusions"):
            yield Finding(address=sink.address, why="leaves entries out")
        writers = {
            item.get("member")
            for item in estate.of("google_project_iam_member")
            if item.get("role") == "roles/logging.bucketWriter"
        }
        if sink.get("writer_identity") and sink.get("writer_identity") not in writers:
            yield Finding(address=sink.address, why="may not write to its destination, and loses every entry")
    covered = _below(estate, {sink.get("folder") for sink in sinks})
    for project in estate.of("google_project"):
        if sinks and project.get("folder_id") not in covered:
            yield Finding(address=project.address, why="stands outside the folder that is logged")


def no_entry_is_left_out(estate: Estate) -> Findings:
    """Nothing keeps a log entry from being taken in."""
    places = ("billing_account", "folder", "organization", "project")
    for item in estate.of(*(f"google_logging_{place}_exclusion" for place in places)):
        yield Finding(address=item.address, why="drops entries")


def _below(estate: Estate, roots: set[Any]) -> set[Any]:
    covered, grown = set(roots), True
    while grown:
        more = {item.get("name") for item in estate.of("google_folder") if item.get("parent") in covered} - covered
        covered, grown = covered | more, bool(more)
    return covered


def organisation_policies_stand(estate: Estate) -> Findings:
    """Each required organisation policy is set on Aegle's folder, and says no."""
    if not any(estate.of("google_folder")):
        return
    found: dict[str, Resource] = {}
    for item in estate.of("google_org_policy_policy"):
        rules = item.block("spec").get("rules") or []
        lifts = not rules or any(not _restricts(rule) or rule.get("condition") for rule in rules)
        widened = item.block("spec").get("inherit_from_parent") or (
            _constraint(item) in _ONE and len(_allowed(rules)) > 1
        )
        if lifts or widened or item.block("spec").get("reset"):
            yield Finding(address=item.address, why="lifts a rule")
        elif not str(item.get("parent")).startswith("projects/"):
            found[_constraint(item)] = item
    for name in REQUIRED:
        if name not in found:
            yield Finding(address="google_org_policy_policy", why=f"{name} is not set, or restricts nothing")


def _constraint(item: Resource) -> str:
    """The constraint's name: the end of the policy's, which a plan may know only by its place in the blueprint."""
    name = str(item.get("name"))
    return item.address.rpartition('["')[2].removesuffix('"]') if name == UNDECIDED else name.rpartition("/")[2]


def _allowed(rules: list[Any]) -> set[str]:
    return {value for rule in rules for part in rule.get("values") or () for value in part.get("allowed_values") or ()}


def _restricts(rule: Any) -> bool:
    values = (rule.get("values") or [{}])[0]
    return (
        rule.get("enforce") == "TRUE"
        or rule.get("deny_all") == "TRUE"
        or bool(values.get("allowed_values") or values.get("denied_values"))
    )


def perimeter_holds_every_project(estate: Estate) -> Findings:
    """A service perimeter, where there is one, leaves no project but dev's out and restricts where data lies."""
    projects = [item for item in estate.of("google_project") if not str(item.get("project_id")).endswith("-dev")]
    for item in estate.of("google_access_context_manager_service_perimeter"):
        part = item.block("status") or item.block("spec")
        inside = {str(name).removeprefix("projects/") for name in part.get("resources") or ()}
        for project in projects:
            if project.get("number") and project.get("number") not in inside:
                yield Finding(address=item.address, why=f"leaves {project.get('project_id')} out")
        if missing := _PERIMETER - set(part.get("restricted_services") or ()):
            yield Finding(address=item.address, why=f"{', '.join(sorted(missing))} is not restricted")


def perimeter_has_no_holes(estate: Estate) -> Findings:
    """Into the perimeter come those alone who are named one by one, and nothing goes out by a rule of its own."""
    for item in estate.of("google_access_context_manager_service_perimeter"):
        for part in (item.block("status"), item.block("spec")):
            if part.get("ingress_policies") or part.get("egress_policies"):
                yield Finding(address=item.address, why="has a rule that lets others through")
    for item in estate.of(
        "google_access_context_manager_service_perimeter_ingress_policy",
        "google_access_context_manager_service_perimeter_egress_policy",
    ):
        yield Finding(address=item.address, why="lets others through the perimeter")
    for level in estate.of("google_access_context_manager_access_level"):
        conditions: list[dict[str, Any]] = level.block("basic").get("conditions") or [{}]
        for condition in conditions:
            if not condition.get("members") or condition.get("negate"):
                yield Finding(address=level.address, why="names nobody, and so lets in everybody who meets it")


def silence_is_noticed(estate: Estate) -> Findings:
    """Every live site has an alert for 45 minutes of silence that goes to somebody."""
    alerts = (item for item in estate.of("google_monitoring_alert_policy") if item.get("enabled") is not False)
    watched = {item.owner for item in alerts if item.get("notification_channels") and _notices_silence(item)}
    for site in estate.sites:
        if site not in watched and not estate.frozen(site):
            yield Finding(address=f'module.site["{site}"]', why="nobody would notice its silence")


def _notices_silence(alert: Resource) -> bool:
    """Whether the alert counts this site's own hellos, none at all being too few, and soon enough."""
    condition = alert.block("conditions", "condition_threshold")
    said = str(condition.get("filter"))
    return (
        _waits_s(alert) <= _SILENCE_S
        and f'metric.label.site="{alert.owner}"' in said
        and "user/aegle/hello" in said
        and condition.get("comparison") == "COMPARISON_LT"
        and condition.get("threshold_value", 0) >= 1
        and condition.get("evaluation_missing_data") == "EVALUATION_MISSING_DATA_ACTIVE"
    )


def _waits_s(alert: Resource) -> int:
    """How long silence lasts before the alert goes out."""
    condition = alert.block("conditions", "condition_threshold")
    period = str(alert.block("conditions", "condition_threshold", "aggregations").get("alignment_period"))
    spans = [str(span).removesuffix("s") for span in (period, condition.get("duration"))]
    return sum(map(int, spans)) if all(span.isdigit() for span in spans) else _SILENCE_S + 1


def alarms_reach_somebody(estate: Estate) -> Findings:
    """Every alert of the estate as a whole is on and goes to somebody, and nobody who is told is switched off."""
    for alert in estate.of("google_monitoring_alert_policy"):
        if alert.owner == HUB and (alert.get("enabled") is False or not alert.get("notification_channels")):
            yield Finding(address=alert.address, why="tells nobody")
    for channel in estate.of("google_monitoring_notification_channel"):
        if channel.get("enabled") is False:
            yield Finding(address=channel.address, why="passes nothing on")


def spending_is_watched(estate: Estate) -> Findings:
    """Every site has a budget of which somebody is told before it is spent."""
    told = {item.owner for item in estate.of("google_billing_budget") if _is_told(item)}
    for site in sorted(estate.sites - told):
        yield Finding(address=f'module.site["{site}"]', why="has no budget of which somebody is told in time")


def _is_told(budget: Resource) -> bool:
    early = [rule for rule in budget.get("threshold_rules") or () if rule.get("threshold_percent", 2) <= 1]
    return bool(early) and bool(budget.block("all_updates_rule").get("monitoring_notification_channels"))
