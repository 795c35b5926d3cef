"""The standard's own words, as the gate for words has them."""

from importlib.resources import files

import pytest

from aegle.deid import ps316
from aegle.deid.values import Decision, Values


@pytest.mark.parametrize("name", [ps316.CODES, ps316.MEANINGS, ps316.STRUCTURES])
def test_the_list_is_that_of_the_table(name: str) -> None:
    text = files("aegle.deid").joinpath("data", name).read_text(encoding="utf-8")
    assert text == ps316.from_pydicom()[name], "run `make docs`"


@pytest.mark.parametrize(
    ("keyword", "value", "decision"),
    [
        ("CodeMeaning", "Uterine Cervix", Decision.APPROVE),
        ("CodeMeaning", "UTERINE  cervix", Decision.APPROVE),
        ("CodeMeaning", "Uterine Cer", Decision.PENDING),
        ("CodeMeaning", "Ottokar's uterine cervix", Decision.PENDING),
        ("CodeValue", "113100", Decision.APPROVE),
        ("CodeValue", "1131001", Decision.PENDING),
        ("Manufacturer", "Uterine Cervix", Decision.PENDING),
        ("CodeMeaning", "Individual Impression/\u200bRecommendation", Decision.APPROVE),
        ("CodeMeaning", "Jaw region structure", Decision.APPROVE),
        ("SegmentLabel", "Gallbladder", Decision.APPROVE),
        ("CodeMeaning", "Miller", Decision.APPROVE),
        ("SegmentLabel", "Miller", Decision.PENDING),
    ],
)
def test_only_whole_codes_and_meanings_pass_and_only_where_codes_stand(
    keyword: str, value: str, decision: Decision
) -> None:
    assert Values().decision(keyword, value) is decision
