"""Find local pairs in a folder or a CSV, and assign each file its key."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import click

from facepair.domain.pair import ROLES, Names, Role
from facepair_cli.csv_table import CsvRow, CsvTable
from facepair_cli.submit.submission import File, LeftOut, Submission

COLUMNS = ("pair_id", *ROLES)
ERRORS_SHOWN = 10


@dataclass
class Input:
    """The pairs in input order; `ignored` counts everything else by kind."""

    pairs: list[Submission | LeftOut] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    @property
    def files(self) -> Iterator[Path]:
        return (file.path for pair in self.pairs if isinstance(pair, Submission) for file in pair.files.values())


def read(source: Path, names: Names) -> Input:
    """Return the pairs of a folder or CSV. Raises ClickException with the remedy."""
    found = from_folder(source, names) if source.is_dir() else from_csv(source, names)
    if not found.pairs:
        raise click.ClickException(
            f"There is no pair in {source}: a folder holds <pair id>/{names.first}.* and <pair id>/{names.second}.*, a "
            f"CSV has a line for each pair. If {source} itself is a pair, name the folder above it."
        )
    return found


def from_folder(folder: Path, names: Names) -> Input:
    """Return a folder's pairs, sorted by id: the relative path as on disk, in NFC or NFD.

    Symbolic links, hidden files and other names are ignored and counted. A pair with a missing or duplicate role is
    left out.
    """
    found = Input()
    for path, files in _folders(folder, found.ignored):
        pictures = [(role, file) for file in files if (role := names.role(file.name))]
        pair_id = path.relative_to(folder).as_posix()
        found.ignored["other names"] += len(files) - len(pictures) if pair_id != "." else len(files)
        if pictures and pair_id != ".":
            found.pairs.append(_pair(pair_id, pictures))
    found.pairs.sort(key=lambda pair: pair.pair_id)
    return found


def _folders(top: Path, ignored: Counter[str]) -> Iterator[tuple[Path, list[Path]]]:
    """Yield every folder with its regular files. Raises ClickException for an unreadable one."""

    def stop(error: OSError) -> None:
        raise click.ClickException(f"{error.filename} cannot be read: {error.strerror}") from error

    for name, folders, files in os.walk(top, onerror=stop):
        path = Path(name)
        seen = {each: _oddity(path / each) for each in (*folders, *files)}
        ignored.update(oddity for oddity in seen.values() if oddity)
        folders[:] = [each for each in folders if not seen[each]]
        yield path, sorted(path / each for each in files if not seen[each])


def _oddity(path: Path) -> str | None:
    """Return why a path is ignored, or None."""
    if path.name.startswith("."):
        return "hidden"
    if path.is_symlink():
        return "symbolic links"
    return None if path.is_dir() or path.is_file() else "no files"


def _pair(pair_id: str, pictures: list[tuple[Role, Path]]) -> Submission | LeftOut:
    files = {role: [file for each, file in pictures if each == role] for role in ROLES}
    for role, candidates in files.items():
        if not candidates:
            return LeftOut(pair_id, f"the {role} picture is missing")
        if len(candidates) > 1:
            found = ", ".join(file.name for file in candidates)
            return LeftOut(pair_id, f"there are {len(candidates)} {role} pictures ({found}): leave one")
    return Submission(pair_id, {role: File(file, f"{pair_id}/{file.name}") for role, [file] in files.items()})


def from_csv(file: Path, names: Names) -> Input:
    """Return the pairs of a CSV with the columns pair_id, first and second, in order; paths are relative to it.

    A picture's key keeps its file's extension. Raises ClickException that names the lines.
    """
    return _Lines(file, names).read()


class _Lines:
    def __init__(self, file: Path, names: Names) -> None:
        self._file = file
        self._stems: dict[Role, str] = {"first": names.first, "second": names.second}
        self._lines: dict[str, int] = {}
        self._errors: list[str] = []

    def read(self) -> Input:
        table = CsvTable(self._file)
        header = [name.strip() for name in table.header]
        if wrong := [column for column in COLUMNS if header.count(column) != 1]:
            raise click.ClickException(
                f"{self._file} must have one column {' and one column '.join(wrong)}: its first line names the columns "
                f"{', '.join(COLUMNS)}, separated by commas, semicolons or tabs."
            )
        found = Input([pair for row in table.rows() if (pair := self._pair(row, header))])
        if self._errors:
            more = len(self._errors) - ERRORS_SHOWN
            shown = [*self._errors[:ERRORS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
            raise click.ClickException(f"Nothing was sent. Correct {self._file}: {'; '.join(shown)}.")
        return found

    def _pair(self, table_row: CsvRow, header: list[str]) -> Submission | None:
        row, line = dict(zip(header, table_row.cells, strict=True)), table_row.line
        pair_id = row["pair_id"]
        errors = [] if pair_id else [f"line {line} has no pair_id"]
        if pair_id and (earlier := self._lines.setdefault(pair_id, line)) != line:
            errors.append(f"lines {earlier} and {line} have the same pair_id {pair_id}")
        files: dict[Role, File] = {}
        for role, stem in self._stems.items():
            named = row[role]
            path = self._file.parent / named
            if not named:
                errors.append(f"line {line} names no {role} picture")
            elif not path.is_file():
                errors.append(f"line {line}: there is no file {path}")
            files[role] = File(path, f"{pair_id}/{stem}{PurePath(named).suffix}")
        self._errors += errors
        return None if errors else Submission(pair_id, files)
