"""The client of ADVANCE.AI's API. Imports nothing of AWS; knows no pairs or rows."""

from facepair.advance.client import Advance, Credentials, SendablePicture
from facepair.advance.comparison import AdvanceComparison
from facepair.advance.errors import CredentialsInvalid, TokenRefused
from facepair.advance.issuer import CredentialsStore, TokenIssuer
from facepair.advance.token import Token, TokenKeeper, TokenStore
from facepair.advance.wire import ApiAnswer, FacePosition
from facepair.http import NoAnswer, Unreached

__all__ = [
    "Advance",
    "AdvanceComparison",
    "ApiAnswer",
    "Credentials",
    "CredentialsInvalid",
    "CredentialsStore",
    "FacePosition",
    "NoAnswer",
    "SendablePicture",
    "Token",
    "TokenIssuer",
    "TokenKeeper",
    "TokenRefused",
    "TokenStore",
    "Unreached",
]
