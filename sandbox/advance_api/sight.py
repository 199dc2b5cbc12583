"""What the emulator sees in a picture, by either recogniser."""

import io
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from PIL import Image

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}


class NotThePictureItClaims(ValueError):
    """The bytes are not a complete picture of the declared content type."""


class Area(NamedTuple):
    """Pixels from the picture's left and top edges."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Sight:
    description: tuple[float, ...]
    face: Area | None
    usable: bool  # False: the face's quality is too low


class Recogniser(Protocol):
    """A way to look at pictures. EXIF is not applied: pixels are taken as sent."""

    def look(self, content: bytes, content_type: str) -> Sight:
        """Raises NotThePictureItClaims."""

    def similarity(self, first: Sight, second: Sight) -> float:
        """Return the similarity, 0 to 100, of two pictures with a face."""


def dimensions(content: bytes, content_type: str) -> tuple[int, int]:
    """Return width and height in pixels, from the header. Raises NotThePictureItClaims."""
    return _open(content, content_type).size


def decode(content: bytes, content_type: str, least_side: int | None = None) -> Image.Image:
    """Return the picture in RGB. With `least_side`, a JPEG is only decoded as large as needed.

    Raises NotThePictureItClaims.
    """
    image = _open(content, content_type)
    try:
        if least_side is not None:
            image.draft("RGB", (least_side, least_side))
        return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise NotThePictureItClaims(str(error)) from error


def _open(content: bytes, content_type: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=[FORMATS[content_type]])
    except KeyError:
        raise NotThePictureItClaims(f"{content_type} is neither image/jpeg nor image/png") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise NotThePictureItClaims(str(error)) from error
