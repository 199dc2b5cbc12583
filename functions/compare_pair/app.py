"""CompareFunction: compares the pairs of uploads that SQS delivers.

Invoked with {"check": "token"}, it tries to obtain an access token and returns whether that worked.
"""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.advance.client import Advance
from facepair.advance.comparison import AdvanceComparison
from facepair.advance.issuer import TokenIssuer
from facepair.advance.token import TokenKeeper
from facepair.aws.clients import FAIL_FAST
from facepair.aws.credentials import CredentialsSecret
from facepair.aws.decisions import ReviewDecisions
from facepair.aws.gate import GateItem
from facepair.aws.idempotency import PowertoolsIdempotency
from facepair.aws.in_flight import InFlightMarkers
from facepair.aws.ledger import CallsTable
from facepair.aws.proxy_secret import ProxySecret
from facepair.aws.queue import SqsUploadsQueue
from facepair.aws.reads import BatchedFirstReads, BatchedLastReads
from facepair.aws.records import message_of, partial_failures
from facepair.aws.runtime import FunctionEvent, FunctionHandler, Runtime
from facepair.aws.token_store import SharedToken
from facepair.aws.unsaved_refusals import RefusalItems
from facepair.aws.uploads import ImagesBucket
from facepair.aws.verdicts import VerdictsTable
from facepair.http import Proxy
from facepair.settings import CompareSettings
from facepair.threads import Threads
from facepair.use_cases.ask import Asker
from facepair.use_cases.compare import Comparer
from facepair.use_cases.receive import Receiver


def handler(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Return the failed records as Lambda's ReportBatchItemFailures, or the
    result of a check."""
    return _handler()(event, context)


@cache
def _handler() -> FunctionHandler:
    """Wire the function, once per execution environment.

    Raises ValidationError if a setting is missing or out of range.
    """
    settings = CompareSettings.from_environment()
    runtime = Runtime()
    tables = runtime.tables
    idempotency_table = tables.Table(settings.idempotency_table)

    proxy_secret = ProxySecret(runtime.lazy_client("secretsmanager", FAIL_FAST), settings.proxy_secret)
    advance = Advance(
        settings.advance_base_url,
        settings.api_deadline_seconds,
        comparison_path=settings.advance_comparison_path,
        region=settings.advance_region,
        proxy=Proxy(settings.proxy_url, proxy_secret.load) if settings.proxy_url else None,
    )
    issuer = TokenIssuer(
        advance=advance,
        credentials=CredentialsSecret(runtime.lazy_client("secretsmanager"), settings.credentials_secret),
        validity=settings.token_validity_seconds,
    )
    token_store = SharedToken(runtime.lazy_client("ssm", FAIL_FAST), settings.token_parameter, key=settings.token_key)
    idempotency = PowertoolsIdempotency(
        runtime.client("dynamodb"),
        settings.idempotency_table,
        expires_after_seconds=settings.verdicts_retention.longest_seconds,
    )
    gate, parallel = GateItem(idempotency_table, settings.gate_rules), Threads()
    asker = Asker(
        api=AdvanceComparison(advance),
        tokens=TokenKeeper(token_store, issuer.issue),
        ledger=CallsTable(tables.Table(settings.calls_table), retention=settings.ledger_retention),
        refusals=RefusalItems(idempotency_table),
        idempotency=idempotency,
        gate=gate,
        last_reads=BatchedLastReads(tables, idempotency=settings.idempotency_table),
        parallel=parallel,
        metrics=runtime.metrics,
        on_unknown=settings.on_unknown_outcome,
    )
    comparer = Comparer(
        first_reads=BatchedFirstReads(tables, verdicts=settings.verdicts_table, idempotency=settings.idempotency_table),
        uploads=ImagesBucket(runtime.client("s3"), settings.images_bucket, settings.names),
        verdicts=VerdictsTable(tables, settings.verdicts_table, retention=settings.verdicts_retention),
        decisions=ReviewDecisions(tables, verdicts=settings.verdicts_table, idempotency=settings.idempotency_table),
        in_flight=InFlightMarkers(idempotency_table, comes_back=settings.visibility_timeout),
        gate=gate,
        asker=asker,
        parallel=parallel,
        policy=settings.policy,
        max_upload_megabytes=settings.max_upload_megabytes,
        backoff=settings.backoff,
    )
    receiver = Receiver(
        names=settings.names,
        comparer=comparer,
        queue=SqsUploadsQueue(
            runtime.lazy_client("sqs"),
            settings.uploads_queue_url,
            dead_letter_url=settings.dead_letter_queue_url,
        ),
        backoff=settings.backoff,
        metrics=runtime.metrics,
        add_log_keys=runtime.logger.append_keys,
    )

    @runtime.measured
    def compare(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
        idempotency.register_lambda_context(context)

        def receive(record: SQSRecord) -> None:
            runtime.logger.append_keys(message_id=record.message_id)
            receiver.receive(message_of(record), lambda: context.get_remaining_time_in_millis() / 1000)

        return partial_failures(EventType.SQS, receive, event, context)

    @runtime.logged
    def handle(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
        return issuer.check() if event.get("check") == "token" else compare(event, context)

    return handle
