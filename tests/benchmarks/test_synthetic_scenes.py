import cv2
import numpy as np
import pytest
import skimage.data

from benchmarks.synthetic_scenes import FRAME_SIZE, SCENE_GREY, pasted_scenes
from fer_core.results import BoundingBox
from fer_core.vision import DETECTORS, create_detector

WHITE_FACES = np.full((5, 48, 48), 255, np.uint8)


def test_faces_are_pasted_at_different_places_of_a_grey_scene_the_same_every_time():
    places = []
    for truth, frame in pasted_scenes(WHITE_FACES, 96):
        assert frame.shape == (*FRAME_SIZE[::-1], 3)
        assert set(np.unique(frame)) == {SCENE_GREY, 255}
        assert BoundingBox(*cv2.boundingRect((frame[:, :, 0] > SCENE_GREY).astype(np.uint8))) == truth
        places.append(truth)
    assert len(set(places)) == len(WHITE_FACES)
    assert places == [truth for truth, _ in pasted_scenes(WHITE_FACES, 96)]


@pytest.mark.parametrize("name", list(DETECTORS))
def test_real_detectors_frame_a_pasted_face_about_as_their_constants_say(name):
    astronaut = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)
    face = cv2.resize(astronaut[58:176, 165:283], (48, 48), interpolation=cv2.INTER_AREA)
    detector = create_detector(name)
    for truth, frame in pasted_scenes(np.stack([face, face[:, ::-1], face]), 200):
        crops = [detector.framing.crop_box(found.box) for found in detector.detect(frame)]
        assert max(map(truth.intersection_over_union, crops)) > 0.7
