"""What a pair is: where its two pictures lie in the bucket, and what identifies their contents."""

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
    """`a/b/first.jpg` is the file `first.jpg` of pair `a/b`; the pair id is empty for a key outside a folder."""
    pair_id, _, file_name = key.rpartition("/")
    return pair_id, file_name


@dataclass(frozen=True)
class Names:
    """The stems of the two pictures' file names (stack parameters FirstName and SecondName)."""

    first: str
    second: str

    def role(self, key: str) -> Role | None:
        """The role of an object by its file name's stem, in any case; None for a file that is neither picture."""
        _, file_name = split(key)
        stem = posixpath.splitext(file_name)[0].casefold()
        return next((role for role in ROLES if getattr(self, role).casefold() == stem), None)

    def is_picture(self, key: str) -> bool:
        """Whether an object belongs to a pair: it is in a folder and is named as one of the two pictures."""
        return bool(split(key)[0]) and self.role(key) is not None


@dataclass(frozen=True)
class Upload:
    """An object of the bucket as it was listed; `size` in bytes."""

    key: str
    etag: str
    size: int
    last_modified: datetime


@dataclass(frozen=True)
class Pair:
    """The newest upload of each role, as the bucket was at `listed_at`."""

    pair_id: str
    first: Upload | None
    second: Upload | None
    listed_at: datetime

    @classmethod
    def among(cls, pair_id: str, uploads: Iterable[Upload], names: Names, listed_at: datetime) -> "Pair":
        """The pair among the objects of a folder: of two objects of one role (first.jpg, first.png) the newest wins."""
        newest: dict[Role, Upload] = {}
        for upload in sorted(uploads, key=lambda upload: (upload.last_modified, upload.key)):
            role = names.role(upload.key)
            if role:
                newest[role] = upload
        return cls(pair_id, newest.get("first"), newest.get("second"), listed_at)

    @property
    def uploads(self) -> dict[Role, Upload]:
        """The pictures that are there."""
        return {role: upload for role in ROLES if (upload := getattr(self, role))}

    @property
    def missing(self) -> list[Role]:
        """The roles that are not uploaded yet."""
        return [role for role in ROLES if getattr(self, role) is None]

    @property
    def objects(self) -> str:
        """Identifies exactly these objects without reading them: 64 hex digits."""
        objects = [(upload.key, upload.etag) for upload in self.uploads.values()]
        return hashlib.sha256(json.dumps([self.pair_id, *objects]).encode()).hexdigest()

    @property
    def uploaded_at(self) -> datetime:
        """The later upload of those that are there; at least one must be."""
        return max(upload.last_modified for upload in self.uploads.values())

    @property
    def earliest_upload(self) -> datetime:
        """The earlier upload of those that are there; at least one must be."""
        return min(upload.last_modified for upload in self.uploads.values())


def folders(uploads: Iterable[Upload], names: Names) -> Iterator[tuple[str, list[Upload]]]:
    """Pair ids and their pictures, from a listing sorted by key. Folder `a` ends after all keys below `a/`."""
    unfinished: dict[str, list[Upload]] = {}
    for upload in uploads:
        for pair_id in [each for each in unfinished if not upload.key.startswith(f"{each}/")]:
            yield pair_id, unfinished.pop(pair_id)
        if names.is_picture(upload.key):
            unfinished.setdefault(split(upload.key)[0], []).append(upload)
    yield from unfinished.items()


def fingerprint(pair_id: str, first: str, second: str) -> str:
    """Identifies two contents under a pair id: 64 hex digits, from the identities of the two contents."""
    return hashlib.sha256(json.dumps([pair_id, first, second]).encode()).hexdigest()
