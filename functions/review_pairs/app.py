"""ReviewFunction: serves reviewers' pages through its function URL, where AWS identifies the caller.

POST {"action": "pairs" | "decide" | "cannot_tell" | "reveal" | "give_back", ...}: facepair/domain/review_request.py
has the fields of each request, the use case those of each response.
"""

import json
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws import function_url
from facepair.aws.clients import LINKING
from facepair.aws.decisions import ReviewDecisions, ReviewOpinions
from facepair.aws.review import ManualChecks, PictureLinks, ReviewLeases
from facepair.aws.runtime import FunctionEvent, FunctionHandler, Runtime
from facepair.aws.verdicts import VerdictsTable
from facepair.domain.metric import Metric
from facepair.domain.review_request import asked
from facepair.settings import ReviewSettings
from facepair.use_cases.review import Reviewing


def handler(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Return a function URL's response."""
    return _handler()(event, context)


@cache
def _handler() -> FunctionHandler:
    """Wire the function, once per execution environment."""
    settings = ReviewSettings.from_environment()
    runtime = Runtime()
    tables = runtime.tables
    verdicts, idempotency = settings.verdicts_table, settings.idempotency_table
    reviewing = Reviewing(
        queue=ManualChecks(tables.Table(verdicts)),
        leases=ReviewLeases(tables.Table(idempotency)),
        links=PictureLinks(runtime.client("s3", LINKING), settings.images_bucket),
        verdicts=VerdictsTable(tables, verdicts),
        decisions=ReviewDecisions(tables, verdicts=verdicts, idempotency=idempotency),
        opinions=ReviewOpinions(tables, verdicts=verdicts, idempotency=idempotency),
        metrics=runtime.metrics,
        second_review=settings.second_review,
    )

    @runtime.logged
    @runtime.measured
    def handle(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
        runtime.metrics.add(Metric.REVIEW_REQUESTS)
        reviewer = function_url.caller(event)
        try:
            request = asked(json.loads(function_url.body(event)))
        except ValueError as error:
            return function_url.refusal(str(error))
        return function_url.answer(reviewing.answer(reviewer, request))

    return handle
