"""Parse the boxes of HEIC and AVIF files that describe pictures (ISO/IEC 14496-12 and 23008-12).

Malformed boxes raise ValueError or IndexError.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_MOST_ITEMS = 10_000


class IsoBox(NamedTuple):
    """A box: its kind, and the start and end of its content."""

    kind: bytes
    start: int
    end: int


class Extent(NamedTuple):
    """Bytes of an item: in the file or, for some derived items, in the box `idat`."""

    start: int
    length: int


@dataclass
class Item:
    """A picture, tile or metadata. `properties` are in the order in which they apply."""

    kind: bytes = b""
    extents: list[Extent] = field(default_factory=list)
    in_file: bool = True
    properties: list[IsoBox] = field(default_factory=list)

    def property(self, kind: bytes) -> IsoBox | None:
        """Return the item's property of this kind, if any."""
        return next((box for box in self.properties if box.kind == kind), None)


@dataclass
class Meta:
    """The box `meta`: items by id, the primary item's id, and the parts of derived items."""

    primary: int = 0
    items: dict[int, Item] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)

    def needed(self) -> Iterator[Item]:
        """Yield the primary item and all its parts."""
        todo, seen = [self.primary], set[int]()
        while todo:
            item_id = todo.pop()
            if item_id not in seen and item_id in self.items:
                seen.add(item_id)
                yield self.items[item_id]
                todo += self.parts.get(item_id, [])


def boxes(content: bytes, start: int, end: int) -> Iterator[IsoBox]:
    """Yield the boxes in a range. The last may claim to extend beyond `end`."""
    at = start
    while at + 8 <= end:
        size, kind, header = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16]), 16
        elif size == 0:
            size = end - at
        if size < header:
            return
        yield IsoBox(kind, at + header, at + size)
        at += size


def read_meta(content: bytes) -> Meta:
    """Read the box `meta`. Raises ValueError unless there is a complete one."""
    meta = next((box for box in boxes(content, 0, len(content)) if box.kind == b"meta"), None)
    if meta is None or meta.end > len(content):
        raise ValueError("no box meta")
    return _MetaReader(content).read(meta)


class _MetaReader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._meta = Meta()
        self._properties: list[IsoBox] = []

    def read(self, meta: IsoBox) -> Meta:
        readers = {b"pitm": self._pitm, b"iinf": self._iinf, b"iloc": self._iloc, b"iref": self._iref}
        children = list(boxes(self._content, meta.start + 4, meta.end))
        for box in children:
            if box.kind in readers:
                readers[box.kind](box)
        for box in children:
            if box.kind == b"iprp":
                self._iprp(box)
        return self._meta

    def _number(self, at: int, size: int) -> int:
        if at + size > len(self._content):
            raise ValueError("a box is cut off")
        return int.from_bytes(self._content[at : at + size])

    def _version(self, box: IsoBox) -> int:
        return self._number(box.start, 1)

    def _item(self, item_id: int) -> Item:
        if len(self._meta.items) > _MOST_ITEMS:
            raise ValueError("too many items")
        return self._meta.items.setdefault(item_id, Item())

    def _pitm(self, box: IsoBox) -> None:
        self._meta.primary = self._number(box.start + 4, 2 if self._version(box) == 0 else 4)

    def _iinf(self, box: IsoBox) -> None:
        entries = box.start + (6 if self._version(box) == 0 else 8)
        for entry in boxes(self._content, entries, box.end):
            version = self._version(entry)
            id_size = 2 if version < 3 else 4
            item_id = self._number(entry.start + 4, id_size)
            kind = entry.start + 4 + id_size + 2
            self._item(item_id).kind = self._content[kind : kind + 4]

    def _iloc(self, box: IsoBox) -> None:
        version = self._version(box)
        sizes = self._number(box.start + 4, 2)
        offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
        id_size = 2 if version < 2 else 4
        at = box.start + 6
        count, at = self._number(at, id_size), at + id_size
        for _ in range(count):
            item, at = self._item(self._number(at, id_size)), at + id_size
            if version:
                item.in_file, at = self._number(at, 2) & 15 == 0, at + 2
            base, at = self._number(at + 2, base_size), at + 2 + base_size
            extents, at = self._number(at, 2), at + 2
            for _ in range(extents):
                at += index_size if version else 0
                start, at = base + self._number(at, offset_size), at + offset_size
                length, at = self._number(at, length_size), at + length_size
                item.extents.append(Extent(start, length))

    def _iref(self, box: IsoBox) -> None:
        id_size = 2 if self._version(box) == 0 else 4
        for reference in boxes(self._content, box.start + 4, box.end):
            if reference.kind != b"dimg":
                continue
            item_id, at = self._number(reference.start, id_size), reference.start + id_size
            count, at = self._number(at, 2), at + 2
            self._meta.parts[item_id] = [self._number(at + each * id_size, id_size) for each in range(count)]

    def _iprp(self, box: IsoBox) -> None:
        children = list(boxes(self._content, box.start, box.end))
        properties = [each for child in children if child.kind == b"ipco" for each in boxes(self._content, *child[1:])]
        for child in children:
            if child.kind == b"ipma":
                self._ipma(child, properties)

    def _ipma(self, box: IsoBox, properties: list[IsoBox]) -> None:
        id_size = 2 if self._version(box) == 0 else 4
        index_size = 2 if self._number(box.start + 3, 1) & 1 else 1
        count, at = self._number(box.start + 4, 4), box.start + 8
        for _ in range(count):
            item, at = self._item(self._number(at, id_size)), at + id_size
            associations, at = self._number(at, 1), at + 1
            for _ in range(associations):
                index, at = self._number(at, index_size) & (0x7FFF if index_size == 2 else 0x7F), at + index_size
                if 0 < index <= len(properties):
                    item.properties.append(properties[index - 1])
