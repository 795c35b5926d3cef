"""The hub's heads at a site: each kept once, for ever."""

from pathlib import Path

from aegle.records import AuditHead
from aegle.site.heads import keep_heads, kept_heads


def head(count: int, digest: str = "a", chain: str = "hub/hub") -> AuditHead:
    return AuditHead(chain=chain, count=count, digest=digest * 64)


def test_a_head_is_kept_once_while_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "lodged.heads"
    for _ in range(3):
        keep_heads(path, [head(1), head(2, chain="hub/worker-1")])
    assert kept_heads(path) == [head(1), head(2, chain="hub/worker-1")]


def test_a_rewritten_chains_new_head_does_not_replace_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "lodged.heads"
    for item in (head(5), head(3, "b"), head(9, "c")):
        keep_heads(path, [item])
    assert kept_heads(path) == [head(5), head(3, "b"), head(9, "c")]


def test_a_line_cut_by_a_crash_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "lodged.heads"
    keep_heads(path, [head(1)])
    with path.open("ab") as stream:
        stream.write(b'{"chain":"hub/h')
    keep_heads(path, [head(2)])
    keep_heads(path, [head(3)])
    assert kept_heads(path)[0] == head(1)
    assert kept_heads(path)[-1] == head(3)


def test_an_empty_chain_is_no_evidence(tmp_path: Path) -> None:
    keep_heads(tmp_path / "lodged.heads", [head(0, "0")])
    assert list(kept_heads(tmp_path / "lodged.heads")) == []


def test_long_lists_are_read_from_their_end(tmp_path: Path) -> None:
    path = tmp_path / "lodged.heads"
    for count in range(1, 801):
        path.open("a").write(f'{{"chain":"hub/hub","count":{count},"digest":"{"a" * 64}"}}\n')
    keep_heads(path, [head(800)])
    assert len(kept_heads(path)) == 800
