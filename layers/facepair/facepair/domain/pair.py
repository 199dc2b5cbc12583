"""Pairs: where their pictures are in the bucket, and what identifies the contents."""

import hashlib
import json
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

Role = Literal["first", "second"]
MEGABYTE = 1_000_000
ROLES: tuple[Role, ...] = get_args(Role)


def split(key: str) -> tuple[str, str]:
    """Split `a/b/first.jpg` into pair id `a/b` and file name `first.jpg`; outside a folder the id is empty."""
    pair_id, _, file_name = key.rpartition("/")
    return pair_id, file_name


@dataclass(frozen=True)
class Names:
    """File name stems of the two pictures (parameters FirstName and SecondName)."""

    first: str
    second: str

    def role(self, key: str) -> Role | None:
        """Return the role by the file name's stem, ignoring case; None for other files."""
        _, file_name = split(key)
        stem = posixpath.splitext(file_name)[0].casefold()
        return next((role for role in ROLES if getattr(self, role).casefold() == stem), None)

    def is_picture(self, key: str) -> bool:
        """Return whether an object is in a folder and has the name of a picture."""
        return bool(split(key)[0]) and self.role(key) is not None


@dataclass(frozen=True)
class Upload:
    """An object as listed; `size` in bytes."""

    key: str
    etag: str
    size: int
    last_modified: datetime


@dataclass(frozen=True)
class Pair:
    """The newest upload of each role at the time `listed_at`."""

    pair_id: str
    first: Upload | None
    second: Upload | None
    listed_at: datetime

    @classmethod
    def among(cls, pair_id: str, uploads: Iterable[Upload], names: Names, listed_at: datetime) -> "Pair":
        """Return the pair in a folder's objects. Of two objects of a role (first.jpg, first.png) the newest counts."""
        newest: dict[Role, Upload] = {}
        for upload in sorted(uploads, key=lambda upload: (upload.last_modified, upload.key)):
            role = names.role(upload.key)
            if role:
                newest[role] = upload
        return cls(pair_id, newest.get("first"), newest.get("second"), listed_at)

    @property
    def uploads(self) -> dict[Role, Upload]:
        """The existing pictures."""
        return {role: upload for role in ROLES if (upload := getattr(self, role))}

    @property
    def missing(self) -> list[Role]:
        """The roles not uploaded yet."""
        return [role for role in ROLES if getattr(self, role) is None]

    @property
    def objects(self) -> str:
        """Identifies exactly these objects without reading them: 64 hex digits."""
        objects = [(upload.key, upload.etag) for upload in self.uploads.values()]
        return hashlib.sha256(json.dumps([self.pair_id, *objects]).encode()).hexdigest()

    @property
    def uploaded_at(self) -> datetime:
        """The later upload. Requires at least one."""
        return max(upload.last_modified for upload in self.uploads.values())

    @property
    def earliest_upload(self) -> datetime:
        """The earlier upload. Requires at least one."""
        return min(upload.last_modified for upload in self.uploads.values())


def folders(uploads: Iterable[Upload], names: Names) -> Iterator[tuple[str, list[Upload]]]:
    """Yield pair ids with their pictures from a listing sorted by key. Folder `a` ends after all keys below `a/`."""
    unfinished: dict[str, list[Upload]] = {}
    for upload in uploads:
        for pair_id in [each for each in unfinished if not upload.key.startswith(f"{each}/")]:
            yield pair_id, unfinished.pop(pair_id)
        if names.is_picture(upload.key):
            unfinished.setdefault(split(upload.key)[0], []).append(upload)
    yield from unfinished.items()


def fingerprint(pair_id: str, first: str, second: str) -> str:
    """Return 64 hex digits that identify two contents under a pair id."""
    return hashlib.sha256(json.dumps([pair_id, first, second]).encode()).hexdigest()
