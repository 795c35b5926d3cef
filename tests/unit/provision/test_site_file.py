"""aegle.yaml is changed by whole lines; what a person wrote around them stays."""

import pytest

from aegle.errors import BadConfig, Conflict, NotFound
from aegle.provision.site_file import add_site, freeze_site, remove_site

FILE = """\
# ours
target: gcp
sites:
  st-anna:   # the first
    kind: hospital
    google: {cidr: 10.64.0.0/26}
  # the lab of the university
  lab-north:
    kind: lab

    google:
      cidr: 10.64.0.64/26
hub: {workers: 2}
"""


def test_the_first_site_leaves_what_stands_around_it_as_it_was_written() -> None:
    before = 'google:\n  organisation: "123"  # ours\n  deploy: {issuer: "https://ci.example.org"}\nsites: {}\n'
    after = add_site(before, "lab-north", {"kind": "lab"})
    assert after.startswith(before.removesuffix("sites: {}\n"))


def test_a_block_comes_after_the_last_site_and_before_what_follows() -> None:
    changed = add_site(
        FILE, "lab-south", {"kind": "lab", "google": {"cidr": "10.64.0.128/26", "operators": ["user:a@b.c"]}}
    )
    block = "  lab-south:\n    kind: lab\n    google:\n      cidr: 10.64.0.128/26\n      operators: [user:a@b.c]\n"
    assert changed == FILE.replace("hub:", f"{block}hub:")


def test_a_frozen_site_has_one_line_more() -> None:
    assert freeze_site(FILE, "lab-north") == FILE.replace("    kind: lab\n", "    frozen: true\n    kind: lab\n")


def test_a_site_in_braces_is_frozen_too() -> None:
    assert "frozen: true" in freeze_site("sites: {lab: {kind: lab}}\n", "lab")


def test_a_removed_site_takes_its_own_lines_only() -> None:
    first = freeze_site(FILE, "st-anna")
    assert remove_site(first, "st-anna") == FILE.replace(
        "  st-anna:   # the first\n    kind: hospital\n    google: {cidr: 10.64.0.0/26}\n", ""
    )
    last = remove_site(freeze_site(FILE, "lab-north"), "lab-north")
    assert "st-anna:   # the first" in last and "lab-north" not in last and last.endswith("hub: {workers: 2}\n")


def test_the_only_site_leaves_a_file_that_still_loads() -> None:
    assert remove_site("sites:\n  lab:\n    frozen: true\n    kind: lab\n", "lab") == "sites: {}\n"


@pytest.mark.parametrize("name", ["A", "hub", "st-anna"])
def test_a_bad_or_known_name_is_refused(name: str) -> None:
    with pytest.raises(BadConfig):
        add_site(FILE, name, {"kind": "lab"})


def test_a_live_site_is_not_removed_and_an_unknown_one_is_named() -> None:
    with pytest.raises(Conflict, match="alive"):
        remove_site(FILE, "st-anna")
    with pytest.raises(NotFound, match="there: st-anna, lab-north"):
        freeze_site(FILE, "st-ana")
    with pytest.raises(Conflict, match="frozen already"):
        freeze_site(freeze_site(FILE, "st-anna"), "st-anna")
