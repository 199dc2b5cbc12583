"""Rows as stored, without pydantic. Their schema is in `row.py`."""

from collections.abc import Mapping
from typing import Any

type StoredRow = Mapping[str, Any]
"""A row's attributes as stored, by any release."""


def is_tombstone(item: StoredRow) -> bool:
    """Return whether an item is a tombstone: only `pair_id`, `erased_at` and `expires_at`."""
    return "erased_at" in item and "verdict" not in item
