"""What the page of a held object proposes to paint over."""

from aegle.deid.masks import Box, Device
from aegle.site.pages.held_object import _boxes

DEVICE = Device(manufacturer="Lumenoptik", model="Colpo 3", modality="US", columns=640, rows=480)


def test_a_proposed_box_goes_around_the_text_and_lies_within_the_picture() -> None:
    places = [Box(302, 437, 257, 17, 6, 6), Box(302, 437, 257, 17, 7, 7), Box(2, 470, 636, 10, 1, 1)]
    assert _boxes(places, DEVICE) == ["0,464,640,16", "296,431,269,29"]
    assert _boxes([Box(0, 10 * row, 5, 5) for row in range(9)], DEVICE) == []
    assert _boxes(places, None) == []
