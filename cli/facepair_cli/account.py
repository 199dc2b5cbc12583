"""Where to find the stack. Imports boto3 late, so that help and usage errors are fast."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import boto3

DEFAULT_NAME = "facepair"


@dataclass(frozen=True)
class Account:
    """Stack, region and profile from the command line; None means the shell's or profile's default."""

    stack: str = DEFAULT_NAME
    region: str | None = None
    profile: str | None = None

    def session(self, region: str | None = None) -> "boto3.Session":
        """Return a new session with fresh credentials.

        `region` is used if the command line names none. Raises NoRegionError for an empty region.
        """
        import boto3
        from botocore.exceptions import NoRegionError

        region = self.region or region or os.environ.get("AWS_REGION")  # boto3 reads only AWS_DEFAULT_REGION
        session = boto3.Session(region_name=region or None, profile_name=self.profile)
        if session.region_name == "":  # an empty AWS_REGION would fail later, with a traceback
            raise NoRegionError
        return session
