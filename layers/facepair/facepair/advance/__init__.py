"""The client of ADVANCE.AI's API. It knows nothing of AWS, of pairs or of verdicts."""

from facepair.advance.client import Advance, Credentials, Picture
from facepair.advance.errors import AdvanceError, NoAnswer, TokenRefused, Unreached
from facepair.advance.token import Token, TokenKeeper, TokenStore
from facepair.advance.wire import Answer, FacePosition

__all__ = [
    "Advance",
    "AdvanceError",
    "Answer",
    "Credentials",
    "FacePosition",
    "NoAnswer",
    "Picture",
    "Token",
    "TokenKeeper",
    "TokenRefused",
    "TokenStore",
    "Unreached",
]
