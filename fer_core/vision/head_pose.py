"""Where a head is turned, from its landmarks: perspective-n-point on MediaPipe's canonical face.

Conventions, in the image as it is given (a mirrored frame mirrors yaw and roll):

- yaw is positive where the face is turned to the image's right, pitch where it looks up, roll where the head is tilted
  clockwise. A head with all three at 0 has its face parallel to the image plane.
- The head first rolls about its own forward axis, then pitches, then yaws about the camera's vertical axis.
- The camera's axes are OpenCV's: x to the image's right, y down, z away from the camera.
- Angles are to the camera's axis, not to the line between head and camera. Someone at the frame's edge who faces the
  camera has a yaw; :meth:`HeadPose.towards_camera` says which.
- Zero is the canonical face's, which holds its chin a little higher than people do: 692 portraits have a median pitch of
  -6 degrees. Thresholds on pitch are best set against what a person does for a while.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

# MediaPipe's canonical_face_model.obj (mediapipe/modules/face_geometry/data, Apache-2.0; its unit is the centimetre), x to
# the image's right, y up, z towards the viewer. Chosen are points that neither speech nor expression moves much, most of
# them of MediaPipe's own basis for the pose (geometry_pipeline_metadata_landmarks.pbtxt), none below the nose, since a
# mask may lie there.
_MIDLINE = {
    4: (0.0, -0.463170, 7.586580),  # tip of the nose
    197: (0.0, 1.728369, 6.316750),
    6: (0.0, 2.473255, 5.788627),
    168: (0.0, 3.271027, 5.236015),  # between the eyes
    10: (0.0, 8.261778, 4.481535),  # hairline
}
# The person's right side with the index of its twin on the left, where x has the other sign.
_PAIRS = {
    (33, 263): (-4.445859, 2.663991, 3.173422),  # outer corners of the eyes
    (133, 362): (-1.856432, 2.585245, 3.757904),  # inner corners
    (129, 358): (-1.785794, -0.978284, 4.850470),  # wings of the nose
    (198, 420): (-1.246815, 0.230297, 5.681036),
    (121, 350): (-1.820731, 1.467954, 4.224124),
    (119, 348): (-3.300681, 0.861641, 3.872784),  # cheekbones
    (117, 346): (-5.258659, 0.945811, 2.974312),
    (143, 372): (-6.407571, 2.236021, 1.560843),
    (127, 356): (-7.743095, 2.364999, -2.005167),  # before the ears
    (54, 284): (-6.279331, 6.615427, 1.425850),  # temples
    (67, 297): (-3.523964, 8.005976, 3.729163),
}
CANONICAL_FACE: dict[int, tuple[float, float, float]] = {
    **_MIDLINE,
    **{right: point for (right, _), point in _PAIRS.items()},
    **{left: (-x, y, z) for (_, left), (x, y, z) in _PAIRS.items()},
}
"""Landmark index to x, y, z in centimetres on MediaPipe's canonical face."""
_INDICES = list(CANONICAL_FACE)
_MODEL = np.array(list(CANONICAL_FACE.values()))
_MODEL_MIDDLE = _MODEL.mean(axis=0)
_TO_AFFINE = np.linalg.pinv(_MODEL - _MODEL_MIDDLE)
_FACE_WIDTH = 15.0
MIN_FACE_PIXELS = 2.0
"""Pixels that a face must measure across, and up and down, for a pose to be asked for."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion."""

    focal_length: float
    """In pixels of the frame."""
    centre: tuple[float, float]
    """Where its axis meets the frame, x and y in pixels."""

    @classmethod
    def of_frame(cls, width: int, height: int, focal_length: float | None = None) -> Camera:
        """The camera that is assumed for a frame of this size.

        Args:
            width: of the frame in pixels.
            height: of the frame in pixels.
            focal_length: in pixels, if it is known. The longer side otherwise, an angle of view of 53 degrees along it,
                as webcams and phones have about.
        """
        return cls(focal_length or float(max(width, height)), (width / 2, height / 2))

    @property
    def matrix(self) -> np.ndarray:
        """``(3, 3) float64`` intrinsic matrix, as OpenCV takes it."""
        x, y = self.centre
        return np.array([[self.focal_length, 0, x], [0, self.focal_length, y], [0, 0, 1]])

    def project(self, points: np.ndarray) -> np.ndarray:
        """``(n, 2)`` pixels of the frame at which ``(n, 3)`` points before the camera are seen."""
        return points[:, :2] / points[:, 2:] * self.focal_length + self.centre

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """``(n, 3)`` unit vectors from the camera towards what is seen at ``(n, 2)`` pixels of the frame."""
        towards = np.column_stack([(pixels - self.centre) / self.focal_length, np.ones(len(pixels))])
        return towards / np.linalg.norm(towards, axis=1, keepdims=True)


@dataclass(frozen=True)
class HeadPose:
    """How a head is turned and where it is; see the module for signs and order."""

    yaw: float
    """Degrees in [-180, 180], positive to the image's right."""
    pitch: float
    """Degrees in [-90, 90], positive up."""
    roll: float
    """Degrees in [-180, 180], positive clockwise."""
    rotation: np.ndarray
    """``(3, 3) float64`` from the canonical face's axes to the camera's."""
    position: np.ndarray
    """``(3,) float64`` of the canonical face's origin in the camera's axes, in centimetres of a face of average size."""

    @classmethod
    def of_rotation(cls, rotation: np.ndarray, position: np.ndarray) -> HeadPose:
        """The pose with this ``(3, 3)`` rotation and ``(3,)`` position."""
        across, forward = rotation[:, 0], rotation[:, 2]
        yaw, pitch = angles_of(forward)
        level = np.array([math.cos(math.radians(yaw)), 0, math.sin(math.radians(yaw))])
        roll = math.degrees(math.atan2(across @ np.cross(level, forward), across @ level))
        return cls(yaw, pitch, roll, rotation, position)

    def towards_camera(self) -> tuple[float, float]:
        """Yaw and pitch in degrees at which this head, where it is, would face the camera."""
        return angles_of(-self.position)

    def in_camera(self, points: np.ndarray) -> np.ndarray:
        """``(n, 3)`` points of the canonical face in the camera's axes, in centimetres."""
        return points @ self.rotation.T + self.position


def angles_of(direction: np.ndarray) -> tuple[float, float]:
    """Yaw and pitch in degrees of a ``(3,)`` direction of any length in the camera's axes."""
    x, y, z = direction
    return math.degrees(math.atan2(x, -z)), math.degrees(math.atan2(-y, math.hypot(x, z)))


def estimate_head_pose(points: np.ndarray, camera: Camera) -> HeadPose | None:
    """The pose under which the canonical face is seen most nearly at the landmarks.

    Solved by Levenberg and Marquardt's method from the pose under which a camera without perspective would see the face
    so (the first step of POSIT, DeMenthon & Davis 1995). OpenCV's solvers that need no first guess fail for small faces,
    which show next to no perspective.

    Args:
        points: ``(468, 3)`` or ``(468, 2)`` landmarks in pixels of the frame; depth is not used.
        camera: that took the frame.

    Returns:
        The pose, or None for points that show no face: not finite, all on a line, or solved behind the camera.
    """
    seen = points[_INDICES, :2].astype(np.float64)
    if not np.isfinite(seen).all():
        return None
    middle = seen.mean(axis=0)
    left, scales, right = np.linalg.svd((_TO_AFFINE @ (seen - middle)).T, full_matrices=False)
    if scales[1] * _FACE_WIDTH < MIN_FACE_PIXELS:
        return None
    across, down = left @ right
    rotation = np.stack([across, down, np.cross(across, down)])
    distance = camera.focal_length / scales.mean()
    position = np.array([*(middle - camera.centre) / camera.focal_length, 1]) * distance - rotation @ _MODEL_MIDDLE
    solved, turn, place = cv2.solvePnP(
        _MODEL, seen, camera.matrix, None, cv2.Rodrigues(rotation)[0], position[:, None], True, cv2.SOLVEPNP_ITERATIVE
    )
    if not solved or not np.isfinite(place).all() or place[2, 0] <= 0:
        return None
    return HeadPose.of_rotation(cv2.Rodrigues(turn)[0], place[:, 0])
