"""Pairs from a folder or a CSV: their files and keys."""

import os
from pathlib import Path

import click
import pytest

from facepair.domain.pair import Names
from facepair_cli.submit.pairs import Input, from_csv, from_folder, read
from facepair_cli.submit.submission import LeftOut, Submission
from tests.fakes import NAMES

COMPOSED, DECOMPOSED = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"


def files(top: Path, *names: str) -> None:
    for name in names:
        file = top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"picture")


def keys(found: Input) -> dict[str, list[str]]:
    """Return the keys of complete pairs, by pair id."""
    pairs = [pair for pair in found.pairs if isinstance(pair, Submission)]
    return {pair.pair_id: [file.key for file in pair.files.values()] for pair in pairs}


def left_out(found: Input) -> dict[str, str]:
    return {pair.pair_id: pair.why for pair in found.pairs if isinstance(pair, LeftOut)}


def csv_of(tmp_path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    file = tmp_path / "pairs.csv"
    file.write_bytes("\r\n".join(lines).encode(encoding))
    return file


# --- a folder --------------------------------------------------------------------------------------------------------


def test_a_folder_with_two_pictures_is_a_pair_at_any_depth_in_order_of_pair_id(tmp_path: Path) -> None:
    files(tmp_path, "b/first.jpg", "b/second.jpg", "a/x/first", "a/x/SECOND.HEIC", "a/First.JPG", "a/second.png")

    found = from_folder(tmp_path, NAMES)

    assert keys(found) == {
        "a": ["a/First.JPG", "a/second.png"],
        "a/x": ["a/x/first", "a/x/SECOND.HEIC"],
        "b": ["b/first.jpg", "b/second.jpg"],
    }
    assert list(keys(found)) == ["a", "a/x", "b"]


@pytest.mark.parametrize("pair_id", ["a + b", "50%", "a%2Fb", "[bold]", "東京", COMPOSED, DECOMPOSED, " a ", "a\\b"])
def test_a_pair_id_is_the_path_on_disk(tmp_path: Path, pair_id: str) -> None:
    files(tmp_path, f"{pair_id}/first.jpg", f"{pair_id}/second.jpg")

    assert keys(from_folder(tmp_path, NAMES)) == {pair_id: [f"{pair_id}/first.jpg", f"{pair_id}/second.jpg"]}


def test_the_stems_are_those_of_the_stack(tmp_path: Path) -> None:
    files(tmp_path, "a/selfie.jpg", "a/Passport.jpg", "a/first.jpg")

    found = from_folder(tmp_path, Names("selfie", "passport"))

    assert keys(found) == {"a": ["a/selfie.jpg", "a/Passport.jpg"]}
    assert found.ignored["other names"] == 1


def test_files_of_no_pair_are_ignored_and_counted(tmp_path: Path) -> None:
    files(tmp_path, "a/first.jpg", "a/second.jpg", "a/notes.txt", "readme", "first.jpg", ".DS_Store", "a/._first.jpg")
    files(tmp_path, ".git/first.jpg", ".git/second.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "first.png").symlink_to(tmp_path / "a" / "first.jpg")
    os.mkfifo(tmp_path / "a" / "second.png")

    found = from_folder(tmp_path, NAMES)

    assert list(keys(found)) == ["a"]
    assert found.ignored == {"other names": 3, "hidden": 3, "symbolic links": 2, "no files": 1}


def test_a_pair_with_a_missing_or_a_duplicate_picture_is_left_out(tmp_path: Path) -> None:
    files(
        tmp_path, "lone/second.jpg", "two/first.jpg", "two/first.png", "two/second.jpg", "whole/first", "whole/second"
    )

    found = from_folder(tmp_path, NAMES)

    assert list(keys(found)) == ["whole"]
    assert left_out(found) == {
        "lone": "the first picture is missing",
        "two": "there are 2 first pictures (first.jpg, first.png): leave one",
    }


def test_a_folder_without_pairs_gets_a_message_with_the_remedy(tmp_path: Path) -> None:
    files(tmp_path, "first.jpg", "second.jpg")

    with pytest.raises(click.ClickException, match="name the folder above it"):
        read(tmp_path, NAMES)


# --- a CSV -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_csv_names_files_relative_to_it_and_keys_keep_their_extension(tmp_path: Path, encoding: str) -> None:
    files(tmp_path, "z.JPG", "below/a file.heic", "plain", "sélfie.png")
    file = csv_of(
        tmp_path,
        "pair_id,second,first,note",
        f"b/{DECOMPOSED},below/a file.heic,z.JPG,x",
        f"{tmp_path},plain,{tmp_path}/sélfie.png",
        "",
        '"a,b ",z.JPG,z.JPG,',
        encoding=encoding,
    )

    found = read(file, NAMES)

    assert keys(found) == {
        f"b/{DECOMPOSED}": [f"b/{DECOMPOSED}/first.JPG", f"b/{DECOMPOSED}/second.heic"],
        str(tmp_path): [f"{tmp_path}/first.png", f"{tmp_path}/second"],
        "a,b ": ["a,b /first.JPG", "a,b /second.JPG"],
    }
    assert [pair.pair_id for pair in found.pairs] == list(keys(found))


def test_every_key_of_a_csv_belongs_to_its_pair(tmp_path: Path) -> None:
    files(tmp_path, "anna.passport.jpg", ".hidden")
    file = csv_of(tmp_path, "pair_id,first,second", "a/b,anna.passport.jpg,.hidden")

    [pair] = read(file, Names("Selfie", "ID")).pairs

    assert isinstance(pair, Submission)
    assert {role: file.key for role, file in pair.files.items()} == {"first": "a/b/Selfie.jpg", "second": "a/b/ID"}


def test_all_errors_of_a_csv_are_reported_with_their_lines(tmp_path: Path) -> None:
    files(tmp_path, "1", "2")
    file = csv_of(
        tmp_path, "pair_id,first,second", "a,1,2", "b,1,lost.jpg", "a,2,1", ",1,2", "c,,2", '"x\ny",1,2', "x,2", "a,1,2"
    )

    with pytest.raises(click.ClickException) as raised:
        from_csv(file, NAMES)

    assert raised.value.message == (
        f"Nothing was sent. Correct {file}: line 3: there is no file {tmp_path}/lost.jpg; "
        "lines 2 and 4 have the same pair_id a; line 5 has no pair_id; line 6 names no first picture; "
        "line 9 names no second picture; lines 2 and 10 have the same pair_id a."
    )


def test_of_many_errors_the_first_are_listed_with_a_count_of_the_rest(tmp_path: Path) -> None:
    file = csv_of(tmp_path, "pair_id,first,second", *(f"{number},,x" for number in range(10)))

    with pytest.raises(click.ClickException, match=r"line 6: there is no file \S*/x; and 10 more\.$"):
        from_csv(file, NAMES)


@pytest.mark.parametrize("beginning", ["pair_id|first|second", "id,first,second", "pair_id,first", "", "a,1,2"])
def test_a_csv_without_the_columns_gets_their_names(tmp_path: Path, beginning: str) -> None:
    with pytest.raises(
        click.ClickException, match="its first line names the columns pair_id, first, second, separated by commas"
    ):
        from_csv(csv_of(tmp_path, beginning, "a,1,2"), NAMES)


def test_a_csv_in_another_encoding_gets_the_remedy(tmp_path: Path) -> None:
    file = csv_of(tmp_path, "pair_id,first,second", "é,1,2", encoding="latin-1")

    with pytest.raises(click.ClickException, match="is not in UTF-8: save it as CSV UTF-8"):
        from_csv(file, NAMES)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_csv_saved_by_a_spreadsheet_is_read(tmp_path: Path, separator: str, encoding: str) -> None:
    files(tmp_path, "1", "2")
    lines = ["pair_id,first,second", ",,", "a,1,2", "", " ,,", "b,2,1,,"]
    file = csv_of(tmp_path, *(line.replace(",", separator) for line in lines), encoding=encoding)

    assert list(keys(from_csv(file, NAMES))) == ["a", "b"]


def test_a_duplicate_column_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="must have one column first"):
        from_csv(csv_of(tmp_path, "pair_id,first,first,second", "a,1,1,2"), NAMES)


def test_a_spreadsheet_is_refused_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "pairs.xlsx"
    file.write_bytes(b"PK\x03\x04 and so on")

    with pytest.raises(click.ClickException, match=r"pairs\.xlsx is a spreadsheet: save it as CSV"):
        from_csv(file, NAMES)
