"""Where a command finds its stack. boto3 is imported when a session is made, so that help and usage errors are fast."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import boto3

DEFAULT_NAME = "facepair"


@dataclass(frozen=True)
class Account:
    """The stack, region and profile from the command line; None leaves the choice to the shell or profile."""

    stack: str = DEFAULT_NAME
    region: str | None = None
    profile: str | None = None

    def session(self, region: str | None = None) -> "boto3.Session":
        """Return a new session, which reads the credentials again. `region` applies if the command line names none.

        Raises botocore's NoRegionError for an empty one.
        """
        import boto3
        from botocore.exceptions import NoRegionError

        region = self.region or region or os.environ.get("AWS_REGION")  # boto3 only reads AWS_DEFAULT_REGION
        session = boto3.Session(region_name=region or None, profile_name=self.profile)
        if session.region_name == "":  # an empty AWS_REGION would fail later, with a traceback
            raise NoRegionError
        return session
