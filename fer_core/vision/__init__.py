"""Vision: from a frame's pixels to faces framed as the networks expect them."""

from fer_core.vision.crops import crop_faces
from fer_core.vision.detection.base import FaceDetector
from fer_core.vision.detection.registry import DEFAULT_DETECTOR, DETECTORS, create_detector
from fer_core.vision.framing import FaceFraming

__all__ = ["DEFAULT_DETECTOR", "DETECTORS", "FaceDetector", "FaceFraming", "create_detector", "crop_faces"]
