"""A deployed stack's resources, reached like the functions do."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from botocore.config import Config

from facepair.aws.clients import PATIENT
from facepair.aws.tables import tables_of
from sandbox.aws import offline_session

HASTY = Config(retries={"total_max_attempts": 1})
"""No retries."""


@dataclass(frozen=True)
class Resources:
    """The stack's `outputs`, and clients through `url` with the functions' retries.

    `dataclasses.replace` it for another way.
    """

    url: str
    outputs: dict[str, str]
    config: Config = PATIENT

    def client(self, service: str) -> Any:
        return _session().client(service, endpoint_url=self.url, config=self.config)

    @cached_property
    def tables(self) -> Any:
        return tables_of(_session(), self.config, endpoint_url=self.url)

    def table(self, output: str) -> Any:
        return self.tables.Table(self.outputs[output])


@cache
def _session() -> Any:
    return offline_session()
