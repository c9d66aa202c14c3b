"""Three functions are what others build on."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from fer_core import analyse_image, load_model
from fer_core.storage import ARTIFACTS

ROOT = Path(__file__).resolve().parents[1]


def test_the_package_imports_in_a_moment_and_loads_its_functions_when_asked_for():
    code = (
        "import sys, fer_core; print([m for m in ('cv2', 'pandas', 'av') if m in sys.modules]);"
        "from fer_core import analyse_video; print(analyse_video.__module__);"
        "print([m for m in ('tensorflow', 'keras', 'streamlit', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split("\n")[:3] == ["[]", "fer_core.video.analysis", "[]"]


def test_a_picture_is_the_same_as_path_content_and_array(photo):
    model = load_model("senet", answer="fer2013")
    path = ARTIFACTS / "samples" / "astronaut.jpg"
    by_path, by_content = analyse_image(path, model), analyse_image(path.read_bytes(), model)
    np.testing.assert_array_equal(by_path.faces[0].scores[0].probabilities, by_content.faces[0].scores[0].probabilities)
    assert analyse_image(photo, model).faces[0].scores[0].top == "happy"


def test_several_models_answer_in_their_order():
    both = load_model(["senet", "resnet"])
    assert [classifier.name for classifier in both.classifiers] == ["senet", "resnet"]
