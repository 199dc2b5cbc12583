"""Pair ids, roles, folders and fingerprints."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facepair.domain.pair import Names, Pair, Upload, fingerprint, folders, split

NAMES = Names("first", "second")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def upload(key: str, at: datetime = NOON) -> Upload:
    return Upload(key, etag=f"etag of {key} at {at}", size=1, last_modified=at)


@pytest.mark.parametrize(
    ("key", "pair_id"),
    [
        ("anna/first.jpg", "anna"),
        ("2026/anna/first.jpg", "2026/anna"),
        ("anna bell+50%/first.jpg", "anna bell+50%"),
        ("安娜/first.jpg", "安娜"),
        ("anna//first.jpg", "anna/"),
        ("//first.jpg", "/"),
        ("first.jpg", ""),
        ("/first.jpg", ""),
        ("anna/", "anna"),
    ],
)
def test_the_pair_id_is_everything_before_the_last_slash(key: str, pair_id: str) -> None:
    assert split(key)[0] == pair_id


@pytest.mark.parametrize("name", ["first.jpg", "first", "FIRST.JPG", "First.heic", "first.", "first.not-a-picture"])
def test_the_role_is_the_stem_in_any_case_whatever_the_extension(name: str) -> None:
    assert NAMES.role(f"anna/{name}") == "first"
    assert NAMES.is_picture(f"anna/{name}")


@pytest.mark.parametrize(
    "name", ["", "third.jpg", "first.backup.jpg", ".first", " first.jpg", "firstsecond", "first-1.jpg"]
)
def test_other_names_and_folder_markers_have_no_role(name: str) -> None:
    assert NAMES.role(f"anna/{name}") is None
    assert not NAMES.is_picture(f"anna/{name}")


@pytest.mark.parametrize("key", ["first.jpg", "/first.jpg", "second"])
def test_a_picture_outside_a_folder_belongs_to_no_pair(key: str) -> None:
    assert not NAMES.is_picture(key)


def test_the_stems_are_those_of_the_stack_s_parameters() -> None:
    names = Names("Selfie", "passport")

    assert names.role("anna/selfie.jpg") == "first"
    assert names.role("anna/PASSPORT.png") == "second"
    assert names.role("anna/first.jpg") is None


def test_the_newest_object_of_a_role_wins_in_any_listing_order() -> None:
    old, new = upload("anna/first.jpg"), upload("anna/first.png", NOON + timedelta(seconds=1))
    second = upload("anna/second.jpg", NOON - timedelta(days=1))

    for uploads in permutations([old, new, second]):
        pair = Pair.among("anna", uploads, NAMES, NOON)

        assert (pair.first, pair.second) == (new, second)
        assert pair.uploaded_at == new.last_modified


def test_of_two_objects_equally_old_every_worker_takes_the_same() -> None:
    uploads = [upload("anna/first.jpg"), upload("anna/first.png"), upload("anna/FIRST.jpg")]

    chosen = {Pair.among("anna", order, NAMES, NOON).first for order in permutations(uploads)}

    assert len(chosen) == 1


def test_a_lone_picture_lacks_the_other() -> None:
    pair = Pair.among("anna", [upload("anna/second.jpg"), upload("anna/notes.txt")], NAMES, NOON)

    assert pair.missing == ["first"]
    assert list(pair.uploads) == ["second"]


def test_the_pictures_are_in_the_order_of_their_roles() -> None:
    pair = Pair.among("anna", [upload("anna/second.jpg"), upload("anna/first.jpg")], NAMES, NOON)

    assert list(pair.uploads) == ["first", "second"]
    assert pair.missing == []


segments = st.sampled_from(["a", "a b", "a!", "a0", "b", "é", "", "first"])
file_names = st.sampled_from(["first.jpg", "FIRST.png", "second", "third.jpg", "", "0", "zzz"])
keys = st.builds(lambda folder, name: "/".join([*folder, name]), st.lists(segments, max_size=3), file_names)


@given(st.sets(keys, max_size=30))
def test_every_folder_of_a_sorted_listing_is_found_once_and_whole(keys: set[str]) -> None:
    pictures = {key for key in keys if NAMES.is_picture(key)}

    found = list(folders((upload(key) for key in sorted(keys)), NAMES))

    assert {each.key for _, uploads in found for each in uploads} == pictures
    assert sorted(pair_id for pair_id, _ in found) == sorted({split(key)[0] for key in pictures})
    assert all(split(each.key)[0] == pair_id for pair_id, uploads in found for each in uploads)


def test_a_folder_is_yielded_before_the_listing_is_read_to_its_end() -> None:
    listed: list[str] = []

    def listing() -> Iterator[Upload]:
        for length in range(1, 100):
            listed.append("a" * length)
            yield upload(f"{listed[-1]}/first.jpg")

    next(folders(listing(), NAMES))

    assert listed == ["a", "aa"]


texts = st.text(max_size=8)


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_a_fingerprint_identifies_the_pair_and_both_contents_in_their_roles(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a", "x", "y"), ("a", "y", "x")), (("a", "x", "y"), ("b", "x", "y")), (("a", "xy", ""), ("a", "x", "y"))],
)
def test_swapped_or_moved_contents_have_another_fingerprint(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert fingerprint(*one) != fingerprint(*other)


def test_the_fingerprint_is_stable_across_releases() -> None:
    # It is stored in both tables; another fingerprint for the same contents would pay again.
    stored = sha256(rb'["anna/\u00e9", "1", "2"]').hexdigest()

    assert fingerprint("anna/é", "1", "2") == stored
