"""EraseFunction: erases pairs for the person who signed the request, through its function URL.

POST {"action": "erase" | "confirm", "pair_id": "..."} or {"action": "list", "prefix": "..."}. AWS identifies the
caller; facepair/domain/erasure.py defines the responses.
"""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws import function_url
from facepair.aws.erasable import ErasableCalls, ErasableRecords, ErasableRows, PictureVersions
from facepair.aws.erasable_pairs import ErasablePairs
from facepair.aws.runtime import FunctionEvent, FunctionHandler, Runtime
from facepair.domain.erasure_request import Confirm, Erase, asked
from facepair.settings import EraseSettings
from facepair.use_cases.erase import Eraser

ENOUGH_MILLISECONDS = 40_000
"""A listing stops, to be continued by the next request, when less time than this is left."""


def handler(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Return a response of a function URL."""
    return _handler()(event, context)


@cache
def _handler() -> FunctionHandler:
    """Wire the function, once per execution environment."""
    settings = EraseSettings.from_environment()
    runtime = Runtime()
    s3, tables = runtime.client("s3"), runtime.tables
    verdicts, calls = tables.Table(settings.verdicts_table), tables.Table(settings.calls_table)
    pairs = ErasablePairs(s3, settings.images_bucket, verdicts, calls)
    eraser = Eraser(
        pictures=PictureVersions(s3, settings.images_bucket, settings.names),
        rows=ErasableRows(verdicts),
        ledger=ErasableCalls(calls),
        records=ErasableRecords(tables, settings.idempotency_table),
        names=settings.names,
    )

    @runtime.logged
    def handle(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
        by = function_url.caller(event)
        try:
            request = asked(function_url.body(event))
        except ValueError as error:
            return function_url.refusal(str(error))
        match request:
            case Erase():
                erasure = eraser.erase(request.pair_id, by)
            case Confirm():
                erasure = eraser.confirm(request.pair_id, by)
            case _:
                runtime.logger.info("Pairs listed", extra={"by": by, "prefix": request.prefix})
                enough = lambda: context.get_remaining_time_in_millis() < ENOUGH_MILLISECONDS  # noqa: E731
                pair_ids, cursor = pairs.below(request.prefix, request.cursor, enough)
                return function_url.answer({"pair_ids": pair_ids, "cursor": cursor})
        return function_url.answer(erasure.model_dump(mode="json"))

    return handle
