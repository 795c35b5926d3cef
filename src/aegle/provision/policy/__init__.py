"""What must hold of an estate on Google Cloud, whoever made it. `examine` reads `terraform show -json`, of a state or a plan."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from aegle.errors import BadConfig
from aegle.provision.policy import (
    data,
    database,
    exits,
    identity,
    kinds,
    lasting,
    machines,
    network,
    people,
    rows,
    watching,
)
from aegle.provision.policy.estate import Estate, Finding, Findings, read

__all__ = ["ASSERTIONS", "Estate", "Finding", "examine", "read"]

ASSERTIONS: Final[tuple[Callable[[Estate], Findings], ...]] = (
    identity.no_basic_role,
    identity.no_public_member,
    identity.grants_add_one_member,
    identity.no_key,
    identity.roles_are_listed,
    identity.site_reaches_only_itself,
    identity.lab_has_no_training_data,
    identity.hub_has_no_role_at_a_site,
    identity.operators_reach_named_ports,
    identity.migration_ends,
    identity.outside_identities_are_named,
    people.people_hold_few_roles,
    people.members_are_known,
    people.roles_fit_their_holder,
    people.agents_serve_our_projects,
    people.deploy_gives_listed_roles,
    network.no_external_address,
    network.no_default_network,
    network.networks_start_closed,
    network.rules_name_their_ports,
    network.rules_are_logged,
    network.ingress_is_from_iap,
    network.rules_are_aimed,
    network.egress_is_known,
    network.no_way_between_sites,
    network.only_the_hub_reaches_the_internet,
    network.flow_logs_are_on,
    exits.no_hidden_rules,
    exits.published_to_our_projects,
    exits.names_stay_inside,
    exits.tunnels_lead_where_declared,
    exits.data_goes_nowhere_else,
    data.encrypted_with_our_keys,
    data.keys_serve_one_owner,
    data.keys_rotate,
    data.keys_can_be_brought_back,
    data.buckets_are_private,
    data.protected_against_deletion,
    data.labels_are_set,
    data.no_secret_in_sight,
    data.one_region,
    rows.rows_are_filtered,
    rows.rows_are_of_declared_sites,
    lasting.nothing_expires,
    lasting.deletion_can_be_undone,
    database.database_insists_on_tls,
    database.database_takes_no_password,
    database.database_is_copied,
    machines.machines_start_verified,
    machines.machines_run_what_is_here,
    machines.machines_have_their_own_identity,
    machines.machines_let_nobody_in_past_iap,
    machines.machines_are_patched_and_copied,
    machines.machines_of_sites_stay,
    watching.data_access_is_logged,
    watching.logs_are_locked,
    watching.every_project_is_logged,
    watching.no_entry_is_left_out,
    watching.organisation_policies_stand,
    watching.perimeter_holds_every_project,
    watching.perimeter_has_no_holes,
    watching.silence_is_noticed,
    watching.alarms_reach_somebody,
    watching.spending_is_watched,
    kinds.kinds_are_known,
)
"""Each by its name; its docstring says what it proves."""


def examine(*documents: Mapping[str, Any]) -> dict[str, list[Finding]]:
    """What each assertion found, by its name; empty lists where everything holds. Raises BadConfig, also where nothing stands:
    of nothing, every assertion would hold."""
    estate = read(*documents)
    if not estate.resources:
        raise BadConfig(
            "there is nothing to judge: no resource stands yet. Run `aegle apply --foundation`, then `aegle apply`"
        )
    return {assertion.__name__: list(assertion(estate)) for assertion in ASSERTIONS}
