"""The API's scale: similarity from 0 to 100; above 70 suggests a pass, below 55 a rejection."""

from collections.abc import Sequence
from itertools import pairwise

type Points = Sequence[tuple[float, float]]  # (measured value, similarity), ascending; linear in between

BY_LIKENESS: Points = ((-1.0, 0.0), (0.0, 0.0), (0.64, 55.0), (0.95, 70.0), (1.0, 100.0))
"""For the cosine of two descriptions (likeness.py)."""

BY_DISTANCE: Points = ((0.0, 100.0), (0.5, 70.0), (0.6, 55.0), (1.2, 0.0))
"""From the distance of two faces' descriptions (faces.py).

0.6 is the threshold that dlib gives for its descriptions: from there on, two faces are two persons'. The last tenth
before it is for a person to look at: docs/faces.md shows who was found in it.
"""


def on_scale(measured: float, points: Points) -> float:
    """Return the similarity, 0 to 100, to two decimals; beyond the last point, that of the last point."""
    for (low, at_low), (high, at_high) in pairwise(points):
        if measured <= high:
            return round(at_low + (at_high - at_low) * (measured - low) / (high - low), 2)
    return points[-1][1]
