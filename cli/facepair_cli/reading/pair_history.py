"""A pair's history in order: uploads, calls with their cost, the row and the next step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from facepair.domain import clock
from facepair.domain.gate import Gate, GateState
from facepair.domain.history import Mark, Version
from facepair.domain.ledger import Charge
from facepair.domain.pair import ROLES
from facepair.domain.stored_row import StoredRow
from facepair.domain.verdict import PICTURES_DELETED, Verdict, is_charged
from facepair_cli.escaping import escaped
from facepair_cli.verdict_table import GAP, decision, entry, heading

TIME_WIDTH = len("2026-01-31 12:00:00")


@dataclass(frozen=True)
class PairHistory:
    """All that is known about a pair. `mark` is None if no queued message is known."""

    pair_id: str
    row: StoredRow | None
    calls: Sequence[Mapping[str, Any]]
    versions: Sequence[Version]
    mark: Mark | None
    gate: Gate

    def document(self) -> dict[str, Any]:
        """Return the row's attributes, `calls` (ledger rows) and `uploads` (object versions)."""
        uploads = [
            {
                "key": each.upload.key,
                "version_id": each.version_id,
                "etag": each.upload.etag or None,
                "size": each.upload.size,
                "at": clock.iso(each.upload.last_modified),
                "latest": each.latest,
                "deleted": each.deleted,
            }
            for each in self.versions
        ]
        calls = [_with_charge(call) for call in self.calls]
        return {"pair_id": self.pair_id, **(self.row or {}), "calls": calls, "uploads": uploads}


@dataclass(frozen=True)
class Event:
    at: datetime
    what: str
    details: tuple[str, ...] = ()


def _with_charge(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add `charged` to a ledger row of an earlier release."""
    if "sent_at" not in call:
        return call
    return {"charged": is_charged(call.get("code"), call.get("pricing_strategy")), **call}


def rendered(found: PairHistory, now: datetime) -> RenderableType:
    """Return the row as in every table, with the history below it."""
    table = Table.grid(padding=(0, GAP, 0, 0))
    table.add_column(width=TIME_WIDTH)
    table.add_column(overflow="fold")
    for event in events(found):
        table.add_row(Text(event.at.strftime("%Y-%m-%d %H:%M:%S")), Text(escaped(event.what)))
        for detail in event.details:
            table.add_row("", Text(escaped(detail), style="dim"))
    row = [heading(), entry(found.row), Text()] if found.row else []
    coming = [Text(), Text("Next", style="bold"), *(Text(escaped(step)) for step in next_steps(found, now))]
    return Group(*row, Text("History (UTC)", style="bold"), table, *coming)


def events(found: PairHistory) -> list[Event]:
    """Return all events, oldest first."""
    return sorted([*_uploads(found), *_calls(found.calls), *_written(found.row)], key=lambda event: event.at)


def _uploads(found: PairHistory) -> Iterator[Event]:
    row = found.row or {}
    pictures = [picture for role in ROLES if isinstance(picture := row.get(role), Mapping)]
    adjusted = {picture.get("version_id"): ", ".join(picture.get("adjusted", ())) for picture in pictures}
    for version in found.versions:
        upload = version.upload
        if version.deleted:
            yield Event(upload.last_modified, f"{upload.key} was deleted")
            continue
        what = f"the {version.role} picture" if version.role else "ignored, as its name matches no role"
        details = [f"{upload.size:,} bytes, version {version.version_id}"]
        if changes := adjusted.get(version.version_id):
            details.append(f"changed to fit: {changes}")
        if not version.latest:
            details.append("overwritten or deleted since")
        yield Event(upload.last_modified, f"{upload.key} was uploaded: {what}", tuple(details))


def _calls(calls: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
    """Yield each call and approval, as far as an erasure has left them."""
    for call in calls:
        if "permitted_by" in call and "permitted_at" in call:
            yield Event(clock.parse(call["permitted_at"]), f"{call['permitted_by']} approved one more call")
        if "sent_at" not in call:
            continue
        charge = Charge.of(call.get("state"), call.get("code"), call.get("pricing_strategy"), call.get("charged"))
        what = f"ADVANCE was called ({call['call']}): {call.get('code', 'no answer so far')}, {charge}"
        details = [
            f"{told} {call[name]}{unit}"
            for name, told, unit in (
                ("similarity", "similarity", ""),
                ("transaction_id", "transaction", ""),
                ("latency_ms", "it took", " ms"),
            )
            if name in call
        ]
        yield Event(clock.parse(call["sent_at"]), what, (", ".join(details),) if details else ())


def _written(row: StoredRow | None) -> Iterator[Event]:
    if row is None:
        return
    if review := row.get("review"):
        yield Event(clock.parse(review["at"]), f"It was {decision(review)}")
    if "updated_at" in row:
        said = [f"{row['code']}: {row.get('message')}"] if row.get("code") else []
        policy = row.get("policy")
        if policy and "similarity" in row:
            said.append(f"PASS above {policy['pass_above']}, REJECT below {policy['reject_below']}")
        yield Event(clock.parse(row["updated_at"]), f"The row was written: {row['verdict']}", tuple(said))


def next_steps(found: PairHistory, now: datetime) -> Iterator[str]:
    """Yield what the pair waits for, and until when; nothing for a final verdict."""
    verdict = found.row["verdict"] if found.row else None
    gate = found.gate
    match verdict:
        case Verdict.WAITING if found.row:
            yield f"It waits for the {found.row.get('waiting_for')} picture; upload it."
        case Verdict.PENDING if found.row:
            yield f"It is retried automatically at {found.row.get('retry_at')} or soon after ({found.row.get('code')})."
        case Verdict.UNDETERMINED if found.row and found.row.get("code") == PICTURES_DELETED:
            yield "Upload both pictures again."
        case Verdict.UNDETERMINED:
            yield "An operator must act: see the runbook (UndeterminedAlarm) for this code."
        case Verdict.MANUAL_CHECK:
            yield "Decide it with `facepair review`."
        case Verdict.RETAKE if found.row:
            yield f"It needs a new picture: {' and '.join(found.row.get('retake', []))}."
        case None:
            yield "There is no row yet."
    if verdict in (Verdict.PENDING, None) and gate.state is not GateState.OPEN:
        since, until = clock.iso(clock.at(gate.closed_at)), clock.iso(clock.at(gate.reopens_at))
        yield f"All workers have been waiting since {since} ({gate.code}: {gate.message}); the next try is at {until}."
    yield from _of_the_mark(found.mark, now)
    if found.row and "expires_at" in found.row:
        yield f"The row is deleted after {clock.iso(clock.at(float(found.row['expires_at'])))}."


def _of_the_mark(mark: Mark | None, now: datetime) -> Iterator[str]:
    if mark is None:
        return
    if mark.alive_until and mark.alive_until > now:
        yield f"A worker may be processing it until {clock.iso(mark.alive_until)}."
    yield f"Its message is in the queue and comes back by {clock.iso(mark.due)}."
    if mark.begun > 1:
        yield f"{mark.begun} workers started on it and did not finish."
