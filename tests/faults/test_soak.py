"""All faults at random."""

from tests.soak.storm import soak
from tests.support.faulty_cloud import FaultyCloud

SEED = 20260131


def test_the_books_balance_after_a_storm(cloud: FaultyCloud) -> None:
    books = soak(cloud, 25, SEED)

    print(books)
    assert books.problems == []
