"""Names of the metrics. The values are a contract with alarms and dashboards: they never change."""

from enum import StrEnum

from facepair.domain.verdict import Verdict


class Metric(StrEnum):
    """Every metric, by its CloudWatch name.

    Counts, unless named Seconds. Namespace `facepair`; dimension `service` is the stack's name.
    """

    MESSAGES = "Messages"
    MALFORMED_MESSAGES = "MalformedMessages"
    IGNORED_UPLOADS = "IgnoredUploads"
    DEFERRED = "Postponed"
    BLOCKED = "Blocked"
    API_NOT_ANSWERING = "ApiNotAnswering"
    OLDEST_DEFERRED = "OldestPostponed"
    WORKER_DIED = "WorkerDied"
    UNREADABLE_PICTURES = "UnreadablePictures"
    UNEXPECTED_ERRORS = "UnexpectedErrors"
    PASS = "Pass"
    MANUAL_CHECK = "ManualCheck"
    REJECT = "Reject"
    RETAKE = "Retake"
    WAITING = "Waiting"
    UNDETERMINED = "Undetermined"
    SECONDS_TO_VERDICT = "SecondsToVerdict"
    CALLS = "Calls"
    CHARGED_CALLS = "ChargedCalls"
    PAID_STATED_FREE = "PaidStatedFree"
    OBJECTS_SEEN = "ObjectsSeen"
    PAIRS_SEEN = "PairsSeen"
    MISSED_PAIRS_SENT = "MissedPairsSent"
    SEARCH_ERRORS = "SearchErrors"

    WRITES = "Writes"
    REPUBLISHED = "Republished"
    CHANGES_PUBLISHED = "ChangesPublished"
    UNREADABLE_ROWS = "UnreadableRows"
    WEBHOOKS_DELIVERED = "WebhooksDelivered"
    WEBHOOKS_DEFERRED = "WebhooksPostponed"
    SECONDS_TO_RECEIVER = "SecondsToReceiver"
    SECONDS_UNDELIVERED = "SecondsUndelivered"
    REVIEW_REQUESTS = "ReviewRequests"
    DECISIONS = "Decisions"
    DECISIONS_TOO_LATE = "DecisionsTooLate"
    SECONDS_TO_DECISION = "SecondsToDecision"

    @classmethod
    def of(cls, verdict: Verdict) -> "Metric":
        """Return the metric of a verdict. PENDING has none: it is counted by its reason."""
        return cls[verdict.name]
