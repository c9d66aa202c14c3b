"""Vision: from a frame's pixels to faces framed as the networks expect them."""

from fer_core.vision.detectors import DEFAULT_DETECTOR, DETECTORS, FaceDetector, create_detector
from fer_core.vision.face_crops import FaceFraming, crop_faces

__all__ = ["DEFAULT_DETECTOR", "DETECTORS", "FaceDetector", "FaceFraming", "create_detector", "crop_faces"]
