"""How a face is framed for the networks: which square around a detection is cut out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fer_core.results import BoundingBox


@dataclass(frozen=True)
class FaceFraming:
    """Where a detector's box lies in a FER2013 face: its edges as fractions of the 48x48 frame.

    0 is the frame's left or top edge, 1 its right or bottom; outside [0, 1] the box reaches over the frame.
    """

    left: float
    top: float
    right: float
    bottom: float

    def crop_box(self, box: BoundingBox) -> BoundingBox:
        """The square that frames a detected face as FER2013 does.

        Width and height each give the side of the square; their geometric mean halves the noise of either and is the same
        for boxes of other aspect ratios. The square is placed by the
        box's centre, which depends less on the size than a corner does.

        Args:
            box: a detector's box in pixels.

        Returns:
            A square in the same pixels; it may reach over the frame's border.
        """
        side = math.sqrt(box.area / ((self.right - self.left) * (self.bottom - self.top)))
        x = box.x + box.width / 2 - side * (self.left + self.right) / 2
        y = box.y + box.height / 2 - side * (self.top + self.bottom) / 2
        return BoundingBox(x, y, side, side)


FACE_MIDDLE = 0.5, 0.59
"""Where the middle of a face lies in a FER2013 face, as fractions of its width and height: the centre of BlazeFace's box."""
