"""The functions' settings: environment variables from template.yaml, validated once."""

import os
from datetime import timedelta
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from facepair.domain.gate import Rules
from facepair.domain.ledger import OnUnknownOutcome
from facepair.domain.opinions import SecondReview
from facepair.domain.outcome import Policy
from facepair.domain.pair import Names
from facepair.domain.retention import Retention
from facepair.domain.retry import WEBHOOK_BACKOFF, WEBHOOK_PATIENCE, Backoff


class _Environment(BaseModel):
    """Fields are environment variables, named in capitals; ranges are those of the parameters."""

    # A function uses one of these classes; building the validators of the others would slow its start.
    model_config = ConfigDict(alias_generator=str.upper, frozen=True, defer_build=True)

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment. Raises ValidationError with every missing or invalid variable."""
        return cls.model_validate(os.environ)


class _Settings(_Environment):
    """Settings of functions that process pairs."""

    images_bucket: str
    verdicts_table: str
    uploads_queue_url: str
    first_name: str
    second_name: str
    idempotency_table: str
    image_retention_days: int = Field(ge=1)
    # Not a template parameter: only tests change it, to avoid waits of minutes.
    visibility_timeout_seconds: int = 720

    @model_validator(mode="after")
    def _two_names(self) -> Self:
        if self.first_name.casefold() == self.second_name.casefold():
            raise ValueError(f"FirstName and SecondName must differ in more than case: {self.first_name!r}")
        return self

    @property
    def names(self) -> Names:
        return Names(self.first_name, self.second_name)

    @property
    def images_retention(self) -> timedelta:
        return timedelta(days=self.image_retention_days)

    @property
    def visibility_timeout(self) -> timedelta:
        """UploadsQueue's; a test compares it with the template."""
        return timedelta(seconds=self.visibility_timeout_seconds)


class CompareSettings(_Settings):
    calls_table: str
    dead_letter_queue_url: str
    credentials_secret: str
    token_parameter: str
    token_key: str
    advance_base_url: str
    advance_comparison_path: str
    advance_region: str
    proxy_url: str
    proxy_secret: str
    token_validity_seconds: int = Field(ge=60, le=86400)
    api_deadline_seconds: int = Field(ge=1)
    blocked_retry_seconds: int = Field(ge=1)
    on_unknown_outcome: OnUnknownOutcome
    pass_above: Decimal
    reject_below: Decimal
    max_upload_megabytes: int = Field(ge=1)
    verdict_retention_days: int = Field(ge=1)
    ledger_retention_days: int = Field(ge=0)
    max_calls_per_second: float = Field(ge=0)
    stop_after_unknown: int = Field(ge=1)
    # Not template parameters: only tests change them, to avoid waits of hours.
    backoff_first_seconds: float = Backoff.first
    backoff_longest_seconds: float = Backoff.longest
    backoff_soon_seconds: float = Backoff.soon

    @property
    def backoff(self) -> Backoff:
        return Backoff(self.backoff_first_seconds, self.backoff_longest_seconds, self.backoff_soon_seconds)

    @property
    def verdicts_retention(self) -> Retention:
        return Retention(own=timedelta(days=self.verdict_retention_days), images=self.images_retention)

    @property
    def ledger_retention(self) -> Retention | None:
        """None: no expiry."""
        days = self.ledger_retention_days
        return Retention(own=timedelta(days=days), images=self.images_retention) if days else None

    @property
    def gate_rules(self) -> Rules:
        return Rules(self.max_calls_per_second, self.stop_after_unknown, self.blocked_retry_seconds)

    @property
    def policy(self) -> Policy:
        return Policy(pass_above=self.pass_above, reject_below=self.reject_below)


class FindMissedSettings(_Settings):
    find_missed_after_minutes: int = Field(ge=0)
    cursor_parameter: str


class OperateSettings(_Environment):
    """The webhook's queues are empty without a webhook."""

    verdicts_table: str
    calls_table: str
    verdicts_bus: str
    uploads_queue_url: str
    dead_letter_queue_url: str
    webhook_queue_url: str
    webhook_dead_letter_queue_url: str


class EraseSettings(_Environment):
    images_bucket: str
    verdicts_table: str
    calls_table: str
    idempotency_table: str
    first_name: str
    second_name: str

    @property
    def names(self) -> Names:
        return Names(self.first_name, self.second_name)


class ReviewSettings(_Environment):
    images_bucket: str
    verdicts_table: str
    idempotency_table: str
    second_review: SecondReview = SecondReview.NONE


class PublishSettings(_Environment):
    verdicts_bus: str
    unpublished_queue_url: str


class DeliverSettings(_Environment):
    webhook_url: str
    webhook_secret: str
    proxy_url: str
    proxy_secret: str
    webhook_queue_url: str
    webhook_dead_letter_queue_url: str
    # Not template parameters: only tests change them, to avoid waits of days.
    webhook_backoff_first_seconds: float = WEBHOOK_BACKOFF.first
    webhook_backoff_longest_seconds: float = WEBHOOK_BACKOFF.longest
    webhook_patience_seconds: float = WEBHOOK_PATIENCE.total_seconds()

    @property
    def backoff(self) -> Backoff:
        return Backoff(self.webhook_backoff_first_seconds, self.webhook_backoff_longest_seconds)
