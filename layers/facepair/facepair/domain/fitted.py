"""The result of fitting a picture: what is sent, or why it cannot be. `picture.py` fits, and loads the decoders."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from facepair.domain.pair import MEGABYTE, Role

type Size = tuple[int, int]  # width, height in pixels
type UnusableCode = Literal["IMAGE_INVALID_FORMAT", "IMAGE_INVALID_SIZE", "NO_FACE_DETECTED"]
NO_FACE: UnusableCode = "NO_FACE_DETECTED"


class Box(NamedTuple):
    """A rectangle in pixels from the left and top edges."""

    left: float
    top: float
    right: float
    bottom: float


class Unusable(Exception):
    """The picture cannot be sent and has to be taken again. `message` does not name its role."""

    def __init__(self, code: UnusableCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def api_code(self, role: Role) -> str:
        """Return the API's code for this problem with a picture of this role."""
        return f"{self.code}_FROM_{role.upper()}_IMAGE" if self.code == NO_FACE else self.code


@dataclass(frozen=True)
class Fitted:
    """An upright picture within the API's limits."""

    content: bytes
    content_type: Literal["image/jpeg", "image/png"]
    adjusted: tuple[str, ...]  # changes made to fit, in words; empty if sent as uploaded
    sent_size: Size
    shown_size: Size  # of the upload as a viewer shows it: upright, not reduced

    def on_upload(self, box: Box) -> Box:
        """Map a box from the sent picture to the upload as a viewer shows it.

        Both are upright, so only the scale differs, per axis.
        """
        across = self.shown_size[0] / self.sent_size[0]
        down = self.shown_size[1] / self.sent_size[1]
        return Box(box.left * across, box.top * down, box.right * across, box.bottom * down)


def check_size_of_upload(size: int, max_megabytes: int) -> None:
    """Raise Unusable for an upload above MaxUploadMegabytes, before it is downloaded."""
    if size > max_megabytes * MEGABYTE:
        raise Unusable("IMAGE_INVALID_SIZE", f"it has {size / MEGABYTE:.1f} MB; the limit is {max_megabytes} MB")
