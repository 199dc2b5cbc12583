"""The resources of a deployed stack, reached as the functions reach them."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from botocore.config import Config

from facepair.aws.clients import PATIENT
from sandbox.aws import offline_session

HASTY = Config(retries={"total_max_attempts": 1})
"""Takes the first error for an answer."""


@dataclass(frozen=True)
class Resources:
    """`outputs` of the stack, and clients of it through `url`, as patient as the functions' own.

    `dataclasses.replace` it for another way there.
    """

    url: str
    outputs: dict[str, str]
    config: Config = PATIENT

    def client(self, service: str) -> Any:
        return _session().client(service, endpoint_url=self.url, config=self.config)

    @cached_property
    def tables(self) -> Any:
        return _session().resource("dynamodb", endpoint_url=self.url, config=self.config)

    def table(self, output: str) -> Any:
        return self.tables.Table(self.outputs[output])


@cache
def _session() -> Any:
    return offline_session()
