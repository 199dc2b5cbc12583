"""The client of ADVANCE.AI's API. It knows nothing of AWS, of pairs or of rows."""

from facepair.advance.client import Advance, Credentials, Picture
from facepair.advance.comparison import Comparison
from facepair.advance.errors import CredentialsInvalid, TokenRefused
from facepair.advance.issuer import CredentialsStore, TokenIssuer
from facepair.advance.token import Token, TokenKeeper, TokenStore
from facepair.advance.wire import Answer, FacePosition
from facepair.http import NoAnswer, Unreached

__all__ = [
    "Advance",
    "Answer",
    "Comparison",
    "Credentials",
    "CredentialsInvalid",
    "CredentialsStore",
    "FacePosition",
    "NoAnswer",
    "Picture",
    "Token",
    "TokenIssuer",
    "TokenKeeper",
    "TokenRefused",
    "TokenStore",
    "Unreached",
]
