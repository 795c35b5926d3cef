"""Which rows of the warehouse a person gets: those of the sites that were declared, and through the views alone."""

import re
from typing import Final

from aegle.provision.policy.estate import Estate, Finding, Findings

_PEOPLE: Final = ("group:", "user:", "domain:")
_OF_SITES: Final = re.compile(r"site IN \(('[a-z0-9-]+'(?:, '[a-z0-9-]+')*)\)")


def rows_are_filtered(estate: Estate) -> Findings:
    """Every warehouse table has row policies, and people get their rows through the views' data set alone."""
    filtered = {
        (item.get("dataset_id"), item.get("table_id")) for item in estate.of("google_bigquery_row_access_policy")
    }
    for table in estate.of("google_bigquery_table"):
        if not table.get("view") and (table.get("dataset_id"), table.get("table_id")) not in filtered:
            yield Finding(address=table.address, why="has no row policy")
    for grant in estate.of("google_bigquery_dataset_iam_member"):
        if str(grant.get("member")).startswith(_PEOPLE) and not str(grant.get("dataset_id")).endswith("_read"):
            yield Finding(address=grant.address, why=f"{grant.get('member')} reads tables past the views")


def rows_are_of_declared_sites(estate: Estate) -> Findings:
    """People see the rows of the sites that aegle.yaml names for them, every row only where it names none."""
    for item in estate.of("google_bigquery_row_access_policy"):
        for member in filter(lambda name: str(name).startswith(_PEOPLE), item.get("grantees") or ()):
            shown = _shown(str(item.get("filter_predicate")))
            if member not in estate.analysts:
                yield Finding(address=item.address, why=f"shows rows to {member}, whom nobody declared")
            elif shown is None or shown != frozenset(estate.analysts[member]):
                yield Finding(address=item.address, why=f"shows {member} other rows than declared")


def _shown(predicate: str) -> frozenset[str] | None:
    """The sites whose rows a filter lets through, empty for all; None for a filter that cannot be read."""
    if predicate == "TRUE":
        return frozenset()
    stated = _OF_SITES.fullmatch(predicate)
    return frozenset(re.findall(r"'([^']+)'", stated[1])) if stated else None
