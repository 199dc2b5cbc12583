"""The result of a call, and the thresholds that turn it into a verdict."""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, Field, model_validator

from facepair.advance.codes import Meaning
from facepair.domain.pair import Role
from facepair.domain.verdict import OUTCOME_UNKNOWN, Verdict, comparison_code, is_charged, is_paid_but_stated_free


class Policy(BaseModel, frozen=True):
    """The thresholds in force, on the scale of 0 to 100."""

    pass_above: Decimal = Field(ge=0, le=100)
    reject_below: Decimal = Field(ge=0, le=100)

    @model_validator(mode="after")
    def _in_order(self) -> "Policy":
        if self.reject_below > self.pass_above:
            raise ValueError(f"RejectBelow ({self.reject_below}) must not be above PassAbove ({self.pass_above})")
        return self

    def judge(self, similarity: Decimal) -> Verdict:
        """Judge a similarity. The documentation's defaults: above 70 pass, 55 to 70 manual check, below 55 reject."""
        if similarity > self.pass_above:
            return Verdict.PASS
        if similarity < self.reject_below:
            return Verdict.REJECT
        return Verdict.MANUAL_CHECK


class Face(BaseModel, frozen=True):
    """A face's position in pixels of the upload as a viewer shows it."""

    id: str
    left: Decimal
    top: Decimal
    right: Decimal
    bottom: Decimal


class Seen(BaseModel, frozen=True):
    """One picture of a call: the compared face, and the changes made to fit."""

    face: Face | None = None
    adjusted: tuple[str, ...] = ()


class Outcome(BaseModel, frozen=True, hide_input_in_errors=True):
    """The result of asking about two contents, stored as JSON and reused.

    `call`: its ledger row. `unsaved`: that row is not completed yet. `retry_at`: when the API wants the next call.
    `reversed`: the second picture was sent as the first.
    """

    code: str
    message: str
    similarity: Decimal | None = None
    transaction_id: str | None = None
    pricing_strategy: str | None = None
    first: Seen = Seen()
    second: Seen = Seen()
    call: str | None = None
    unsaved: bool = False
    retry_at: datetime | None = None
    reversed: bool = False

    @property
    def charged(self) -> bool:
        """Whether the call can be on the invoice; see `is_charged`."""
        return is_charged(self.code, self.pricing_strategy)

    @property
    def settled(self) -> bool:
        """Whether to remember it for good: a charged answer, or a verdict.

        The ledger has unknown outcomes and reversed calls (a record needs the fingerprint of its ledger row, by which
        an erasure finds it). A free refusal may pass.
        """
        if self.code == OUTCOME_UNKNOWN or self.reversed:
            return False
        return self.charged or comparison_code(self.code).meaning is Meaning.RETAKE

    @property
    def paid_but_stated_free(self) -> bool:
        """Whether the API stated FREE under a paid code."""
        return is_paid_but_stated_free(self.code, self.pricing_strategy)

    def turned_round(self) -> "Outcome":
        """Return the outcome with the pictures' roles swapped; faces have no order."""
        return self.model_copy(update={"first": self.second, "second": self.first, "reversed": not self.reversed})


def verdict(outcome: Outcome, policy: Policy) -> tuple[Verdict, tuple[Role, ...]]:
    """Return the verdict and the pictures to take again. An error is never a REJECT."""
    code = comparison_code(outcome.code)
    if code.meaning is Meaning.JUDGE and outcome.similarity is not None:
        return policy.judge(outcome.similarity), ()
    if code.meaning is Meaning.RETAKE:
        other: dict[Role, Role] = {"first": "second", "second": "first"}
        return Verdict.RETAKE, tuple(other[role] for role in code.retake) if outcome.reversed else code.retake
    return Verdict.UNDETERMINED, ()
