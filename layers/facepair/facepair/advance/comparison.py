"""Turn a comparison call into an outcome: an answer, one that breaks the contract, or none."""

from datetime import timedelta
from decimal import Decimal

from facepair.advance.client import Advance
from facepair.advance.wire import ApiAnswer, FacePosition
from facepair.domain import clock
from facepair.domain.fitted import Box, Fitted
from facepair.domain.outcome import Face, Outcome, Seen
from facepair.domain.verdict import BAD_ANSWER, NETWORK_ERROR, OUTCOME_UNKNOWN, OWN_CODES
from facepair.http import NoAnswer, Unreached


class AdvanceComparison:
    """The `ComparisonApi` port over ADVANCE's API: one HTTP request per comparison."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self.deadline = advance.deadline

    def compare(self, token: str, first: Fitted, second: Fitted) -> Outcome:
        """Make one call. NETWORK_ERROR if nothing was sent, OUTCOME_UNKNOWN without an answer."""
        try:
            answer = self._advance.compare(token, first, second)
        except Unreached as error:
            return Outcome(code=NETWORK_ERROR, message=error.message)
        except NoAnswer as error:
            return Outcome(code=OUTCOME_UNKNOWN, message=error.message)
        return _read(answer, first, second)


def _read(answer: ApiAnswer, first: Fitted, second: Fitted) -> Outcome:
    """Return an answer's outcome. A SUCCESS that breaks the contract becomes BAD_ANSWER."""
    outcome = Outcome(
        code=answer.code,
        message=answer.message,
        transaction_id=answer.transaction_id,
        pricing_strategy=answer.pricing_strategy,
        first=Seen(adjusted=first.adjusted),
        second=Seen(adjusted=second.adjusted),
        retry_at=None if answer.retry_after is None else clock.now() + timedelta(seconds=answer.retry_after),
    )
    if answer.code in OWN_CODES:
        return outcome.model_copy(update={"code": BAD_ANSWER, "message": f"an undocumented code: {answer.code}"})
    if answer.code != "SUCCESS":
        return outcome
    try:
        comparison = answer.comparison()
    except ValueError as error:
        return outcome.model_copy(update={"code": BAD_ANSWER, "message": f"{answer.code} with {error}"})
    return outcome.model_copy(
        update={
            "similarity": comparison.similarity,
            "first": _seen(comparison.first_face, first),
            "second": _seen(comparison.second_face, second),
        }
    )


def _seen(face: FacePosition | None, fitted: Fitted) -> Seen:
    """Return a face of the sent picture in pixels of the upload."""
    if face is None:
        return Seen(adjusted=fitted.adjusted)
    box = fitted.on_upload(Box(float(face.left), float(face.top), float(face.right), float(face.bottom)))
    left, top, right, bottom = (Decimal(str(round(edge, 2))) for edge in (box.left, box.top, box.right, box.bottom))
    found = Face(id=face.id, left=left, top=top, right=right, bottom=bottom)
    return Seen(face=found, adjusted=fitted.adjusted)
