"""The emulator's measurements, converted to the API's scale."""

from itertools import pairwise

import pytest

from sandbox.advance_api.scale import BY_DISTANCE, BY_LIKENESS, Points, on_scale


@pytest.mark.parametrize("points", [BY_DISTANCE, BY_LIKENESS])
def test_a_scale_is_monotonic_and_within_0_to_100(points: Points) -> None:
    measured = [points[0][0] + step / 100 for step in range(300)]

    similarities = [on_scale(each, points) for each in measured]
    falls = points[0][1] > points[-1][1]

    assert all(0 <= each <= 100 for each in similarities)
    assert all(later <= earlier if falls else later >= earlier for earlier, later in pairwise(similarities))


def test_a_scale_goes_through_its_points_and_is_linear_in_between() -> None:
    assert [on_scale(measured, BY_DISTANCE) for measured, _ in BY_DISTANCE] == [each for _, each in BY_DISTANCE]
    assert on_scale(0.55, BY_DISTANCE) == 62.5


@pytest.mark.parametrize(
    ("distance", "suggestion"),
    [(0, "pass"), (0.49, "pass"), (0.5, "check"), (0.6, "check"), (0.61, "reject"), (2, "reject")],
)
def test_the_api_s_thresholds_mean_what_its_documentation_says(distance: float, suggestion: str) -> None:
    similarity = on_scale(distance, BY_DISTANCE)

    assert suggestion == ("pass" if similarity > 70 else "reject" if similarity < 55 else "check")
