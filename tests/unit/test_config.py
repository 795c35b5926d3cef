"""aegle.yaml: what is right is read, what is wrong is explained with its remedy."""

from pathlib import Path

import pytest

from aegle.config import Config, load, schema
from aegle.errors import BadConfig


def read(tmp_path: Path, text: str) -> Config:
    (tmp_path / "aegle.yaml").write_text(text)
    return load(tmp_path / "aegle.yaml")


def test_three_lines_are_a_site(tmp_path: Path) -> None:
    config = read(tmp_path, "sites:\n  st-anna:\n    kind: hospital\n")
    assert config.sites["st-anna"].door.allow == ()
    assert config.target == "local"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sites: {st-anna: {kind: hospital, dor: {}}}", "did you mean 'door'"),
        ("sites: {st-anna: {kind: hospital, door: {alow: []}}}", "did you mean 'allow'"),
        ("hub: {wrokers: 2}", "did you mean 'workers'"),
        ("sites: {x1: {kind: lab, door: {tls: {kee: k}}}}", "did you mean 'key'"),
        ("site: {}", "did you mean 'sites'"),
        ("sites: {St_Anna: {kind: hospital}}", "not a site name"),
        ("sites: {hub: {kind: lab}}", "names a part of the hub"),
        ("sites: {st-anna: {kind: clinic}}", "hospital"),
        ("sites: {st-anna: {}}", "sites.st-anna.kind"),
        ("sites: {st-anna: {kind: lab, door: {allow: [{ae_title: a b}]}}}", "ae_title"),
        ("sites: {st-anna: {kind: lab, door: {allow: [{ae_title: A, address: nowhere}]}}}", "nowhere"),
        ("sites: {st-anna: {kind: hospital, operating_point: 1.5}}", "operating_point"),
        ("sites: {st-anna: {kind: lab}, ../etc: {kind: lab}}", "not a site name"),
        (
            "sites: {st-anna: {kind: lab, deid: {pixels: [{manufacturer: A, model: B, by: Me Too}]}}}",
            "say what to mask",
        ),
        (
            "sites: {st-anna: {kind: lab, deid: {pixels: [{manufacturer: A, model: B, by: Me Too, mask: [[0, 0, 9, 9]]}]}}}",
            "say size: COLUMNSxROWS",
        ),
        ("sites: {st-anna: {kind: lab, deid: {pixels: [{manufacturer: A, model: B, keep: all}]}}}", "by"),
        ("a: [", "not YAML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        read(tmp_path, text)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as caught:
        read(tmp_path, "hubb: {}\nsites: {a1: {kind: lab, x: 1}}")
    assert str(caught.value).count("unknown key") == 2


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="aegle site add"):
        load(tmp_path / "none.yaml")


def test_the_schema_names_every_setting() -> None:
    assert "SiteConfig" in schema()["$defs"]


def test_plain_network_must_be_said(tmp_path: Path) -> None:
    text = "sites: {st-anna: {kind: hospital, door: {bind: 0.0.0.0}}}"
    with pytest.raises(BadConfig, match="plain_network"):
        read(tmp_path, text)
    assert (
        read(tmp_path, text.replace("0.0.0.0", "0.0.0.0, plain_network: true")).sites["st-anna"].door.bind == "0.0.0.0"
    )


TLS = "tls: {certificate: c.pem, key: /secret/k.pem, authorities: a.pem}"


def test_tls_files_lie_beside_the_file_and_a_door_with_tls_may_listen_to_the_network(tmp_path: Path) -> None:
    text = f"sites: {{x1: {{kind: lab, door: {{bind: 0.0.0.0, {TLS}}}, pacs: {{port: 104, ae_title: P, {TLS}}}}}}}"
    site = read(tmp_path, text).sites["x1"]
    assert site.pacs is not None
    for tls in (site.door.tls, site.pacs.tls):
        assert tls is not None
        assert (tls.certificate, tls.key) == (tmp_path / "c.pem", Path("/secret/k.pem"))


def test_the_librarys_door_speaks_no_tls(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="upper_layer: aegle"):
        read(tmp_path, f"sites: {{x1: {{kind: lab, door: {{upper_layer: pynetdicom, {TLS}}}}}}}")
