"""CompareFunction: SQS records of uploads in, the records that failed out.

Invoked with {"check": "token"} it tries to obtain an access token, and answers whether it could.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.advance import Advance, AdvanceComparison, TokenIssuer, TokenKeeper
from facepair.aws.clients import FAIL_FAST, PATIENT
from facepair.aws.credentials import CredentialsSecret
from facepair.aws.erasure_marks import ErasureMarks
from facepair.aws.gate import GateItem
from facepair.aws.idempotency import PowertoolsIdempotency
from facepair.aws.in_flight import InFlightMarkers
from facepair.aws.ledger import CallsTable
from facepair.aws.metrics import PowertoolsMetrics
from facepair.aws.proxy_secret import ProxySecret
from facepair.aws.queue import SqsUploadsQueue
from facepair.aws.review import ReviewDecisions
from facepair.aws.token_store import SharedToken
from facepair.aws.unsaved_refusals import RefusalItems
from facepair.aws.uploads import ImagesBucket
from facepair.aws.verdicts import VerdictsTable
from facepair.domain import clock
from facepair.http import Proxy
from facepair.settings import CompareSettings
from facepair.use_cases.ask import Asker
from facepair.use_cases.compare import Comparer
from facepair.use_cases.receive import Message, Receiver

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Returns the failed records as Lambda's ReportBatchItemFailures, or what
    came of a check."""
    return _handler()(event, context)


@cache
def _handler() -> Handler:
    """Made at the first event, once for an execution environment: importing makes no client and reads no setting.

    Raises ValidationError for settings that are missing or out of range.
    """
    settings = CompareSettings.from_environment()
    logger, metrics = Logger(), Metrics()
    # The package logs by the standard library; its lines come out as Powertools' JSON, with the pair's keys.
    copy_config_to_registered_loggers(source_logger=logger, include={"facepair"})
    session = boto3.Session()
    tables = session.resource("dynamodb", config=PATIENT)
    idempotency_table = tables.Table(settings.idempotency_table)

    proxy_secret = ProxySecret(session.client("secretsmanager", config=FAIL_FAST), settings.proxy_secret)
    advance = Advance(
        settings.advance_base_url,
        settings.api_deadline_seconds,
        comparison_path=settings.advance_comparison_path,
        region=settings.advance_region,
        proxy=Proxy(settings.proxy_url, proxy_secret.load) if settings.proxy_url else None,
    )
    issuer = TokenIssuer(
        advance=advance,
        credentials=CredentialsSecret(session.client("secretsmanager", config=PATIENT), settings.credentials_secret),
        validity=settings.token_validity_seconds,
    )
    token_store = SharedToken(session.client("ssm", config=FAIL_FAST), settings.token_parameter, key=settings.token_key)
    idempotency = PowertoolsIdempotency(
        session.client("dynamodb", config=PATIENT),
        settings.idempotency_table,
        expires_after_seconds=settings.verdicts_retention.longest_seconds,
    )
    erased = ErasureMarks(tables, settings.idempotency_table)
    gate = GateItem(idempotency_table, settings.gate_rules)
    counters = PowertoolsMetrics(metrics)
    asker = Asker(
        api=AdvanceComparison(advance),
        tokens=TokenKeeper(token_store, issuer.issue),
        ledger=CallsTable(tables.Table(settings.calls_table), retention=settings.ledger_retention, erased=erased),
        refusals=RefusalItems(idempotency_table),
        idempotency=idempotency,
        gate=gate,
        metrics=counters,
        on_unknown=settings.on_unknown_outcome,
    )
    comparer = Comparer(
        uploads=ImagesBucket(session.client("s3", config=PATIENT), settings.images_bucket, settings.names),
        verdicts=VerdictsTable(tables, settings.verdicts_table, retention=settings.verdicts_retention, erased=erased),
        decisions=ReviewDecisions(tables, verdicts=settings.verdicts_table, idempotency=settings.idempotency_table),
        in_flight=InFlightMarkers(idempotency_table, comes_back=settings.visibility_timeout),
        gate=gate,
        asker=asker,
        policy=settings.policy,
        max_upload_megabytes=settings.max_upload_megabytes,
        backoff=settings.backoff,
    )
    receiver = Receiver(
        names=settings.names,
        comparer=comparer,
        queue=SqsUploadsQueue(
            session.client("sqs", config=PATIENT),
            settings.uploads_queue_url,
            dead_letter_url=settings.dead_letter_queue_url,
        ),
        backoff=settings.backoff,
        metrics=counters,
        add_log_keys=logger.append_keys,
    )

    @metrics.log_metrics
    def compare(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        idempotency.register_lambda_context(context)

        def receive(record: SQSRecord) -> None:
            logger.append_keys(message_id=record.message_id)
            receiver.receive(_message(record), lambda: context.get_remaining_time_in_millis() / 1000)

        # A batch of which everything failed is no crash: without this Lambda would count an error of the function.
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        return dict(process_partial_response(event, receive, processor, context))

    @logger.inject_lambda_context(clear_state=True, log_event=False)
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        return issuer.check() if event.get("check") == "token" else compare(event, context)

    return handle


def _message(record: SQSRecord) -> Message:
    attributes = record.raw_event.get("attributes", {})  # events made by hand have none
    sent_ms = attributes.get("SentTimestamp")
    return Message(
        body=record.body,
        receipt_handle=record.receipt_handle,
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        sent_at=datetime.fromtimestamp(int(sent_ms) / 1000, UTC) if sent_ms else clock.now(),
    )
