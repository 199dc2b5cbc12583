"""A deployed stack's resources, reached like the functions do."""

from dataclasses import dataclass
from functools import cache, lru_cache
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
        return _client(service, self.url, self.config)

    @property
    def tables(self) -> Any:
        return _tables(self.url, self.config)

    def table(self, output: str) -> Any:
        return self.tables.Table(self.outputs[output])


# Making a client takes as long as a test's requests. The last ones alone: each keeps connections.
@lru_cache(16)
def _client(service: str, url: str, config: Config) -> Any:
    return _session().client(service, endpoint_url=url, config=config)


@lru_cache(16)
def _tables(url: str, config: Config) -> Any:
    return tables_of(_session(), config, endpoint_url=url)


@cache
def _session() -> Any:
    return offline_session()
