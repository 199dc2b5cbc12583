"""ReviewFunction: serves reviewers' pages through its function URL, where AWS identifies the caller.

POST {"action": "pairs" | "decide" | "cannot_tell" | "reveal" | "give_back", ...}: facepair/domain/review.py has the
fields of each request, and the use case the answers.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws import function_url
from facepair.aws.clients import LINKING, PATIENT
from facepair.aws.metrics import PowertoolsMetrics
from facepair.aws.review import ManualChecks, PictureLinks, ReviewDecisions, ReviewLeases, ReviewOpinions
from facepair.aws.verdicts import VerdictsTable
from facepair.domain.metric import Metric
from facepair.domain.review import asked
from facepair.settings import ReviewSettings
from facepair.use_cases.review import Reviewing

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Returns a function URL's answer."""
    return _handler()(event, context)


@cache
def _handler() -> Handler:
    """Made at the first event, once for an execution environment: importing makes no client and reads no setting."""
    settings = ReviewSettings.from_environment()
    logger, metrics = Logger(), Metrics()
    copy_config_to_registered_loggers(source_logger=logger, include={"facepair"})
    counters = PowertoolsMetrics(metrics)
    session = boto3.Session()
    tables = session.resource("dynamodb", config=PATIENT)
    verdicts, idempotency = settings.verdicts_table, settings.idempotency_table
    reviewing = Reviewing(
        queue=ManualChecks(tables.Table(verdicts)),
        leases=ReviewLeases(tables.Table(idempotency)),
        links=PictureLinks(session.client("s3", config=LINKING), settings.images_bucket),
        verdicts=VerdictsTable(tables, verdicts),
        decisions=ReviewDecisions(tables, verdicts=verdicts, idempotency=idempotency),
        opinions=ReviewOpinions(tables, verdicts=verdicts, idempotency=idempotency),
        metrics=counters,
        second_review=settings.second_review,
    )

    @logger.inject_lambda_context(clear_state=True, log_event=False)
    @metrics.log_metrics
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        counters.add(Metric.REVIEW_REQUESTS)
        reviewer = function_url.caller(event)
        try:
            request = asked(json.loads(function_url.body(event)))
        except ValueError as error:
            return function_url.refusal(str(error))
        return function_url.answer(reviewing.answer(reviewer, request))

    return handle
