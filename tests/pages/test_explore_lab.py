import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from fer_core.app.explore.explored import ExploredDataset
from fer_core.curation.summary import summarise
from fer_core.media.images import encode_image
from tests.conftest import make_dataset
from tests.pages.driving import rerun, rerun_with

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = 20
"""Faces of each class and split, so that a batch of a recipe can be filled."""


@lru_cache
def explored(per_class: int, at_hand: bool) -> ExploredDataset:
    dataset = make_dataset(per_class)
    return ExploredDataset(summarise(dataset), dataset if at_hand else None)


def page(per_class: int, at_hand: bool) -> None:
    import streamlit as st

    from fer_core.app.explore.lab import lab_tab
    from tests.pages.test_explore_lab import explored

    if st.session_state.get("open", True):
        lab_tab(explored(per_class, at_hand))


def opened(at_hand: bool = True, per_class: int = ENOUGH, **state: object) -> AppTest:
    lab = AppTest.from_function(page, default_timeout=60, args=(per_class, at_hand))
    lab.session_state["lab-mask-kinds"] = []
    return rerun_with(lab, state)


def words(lab: AppTest) -> str:
    pictures = [image.caption for element in lab.get("image") for image in element.proto.imgs]
    texts = [*lab.markdown, *lab.caption, *lab.info, *lab.warning, *lab.error]
    return " ".join([element.value for element in texts] + pictures)


def pictures(lab: AppTest) -> list[str]:
    return [image.url for element in lab.get("image") for image in element.proto.imgs]


def set_slider(lab: AppTest, name: str, value: float) -> AppTest:
    lab.slider(key=f"lab-{name}").set_value(value)
    return rerun(lab)


def test_without_any_data_set_the_sample_photo_is_changed_and_masked():
    lab = opened(at_hand=False, lab_mask_kinds=["n95", "sunglasses"])
    assert "With the faces of patterns at hand" in words(lab)
    assert "The face of the sample photo" in words(lab)
    assert "24 draws, 48 pixels wide" in words(lab)
    assert "No face was found" not in words(lab)
    assert "Sunglasses" in words(lab)
    assert "On the photo." in words(lab)
    assert lab.get("plotly_chart")


def test_a_preset_moves_the_sliders_and_set_back_undoes_what_was_changed():
    lab = opened()
    assert lab.slider(key="lab-rotation").value == 15
    assert "python -m fer_core train senet --data PATH --seed 0" in [code.value for code in lab.code]
    set_slider(lab, "rotation", 30.0)
    assert any("rotation = 30.0" in code.value for code in lab.code)
    assert any("--augment augmentation.toml" in code.value for code in lab.code)
    next(button for button in lab.button if button.label == "Set back").click()
    rerun(lab)
    assert lab.slider(key="lab-rotation").value == 15
    lab.selectbox(key="lab-preset").select("senet --full")
    rerun(lab)
    assert lab.slider(key="lab-cutmix").value == 1
    assert "In this batch every face keeps" in words(lab)
    lab.selectbox(key="lab-preset").select("Nothing")
    rerun(lab)
    assert not any(slider.value for slider in lab.slider)
    assert "train NAME --data PATH --augment" in lab.code[1].value


def test_other_strengths_seeds_and_epochs_give_other_draws_and_the_same_the_same():
    lab = opened()
    first = pictures(lab)
    seen = {first[1]}
    for change in (lambda: set_slider(lab, "noise", 20.0), lambda: lab.number_input(key="lab-epoch").set_value(2)):
        change()
        before, after = pictures(rerun(lab))
        assert before == first[0]
        assert after not in seen
        seen.add(after)
    lab.number_input(key="lab-epoch").set_value(1)
    set_slider(lab, "noise", 0.0)
    assert pictures(lab) == first


def test_what_is_applied_is_listed_with_its_unit_and_what_is_off_is_not():
    table = opened().table[0].value.set_index("transformation")
    assert table.loc["Rotation", "strength"] == "15 degrees"
    assert table.loc["Greyscale", "strength"] == "always"
    assert "Noise" not in table.index


def test_labels_that_a_change_makes_doubtful_are_warned_of():
    lab = opened()
    assert not lab.warning
    set_slider(lab, "vertical_flip", 0.5)
    assert "Upside down" in lab.warning[0].value
    set_slider(lab, "colour", 0.5)
    assert "this face is grey" in words(lab)


def test_a_training_batch_is_what_the_recipe_draws_first():
    lab = opened(lab_source_data="Training batch", lab_epoch=2)
    assert "After, at 32 pixels" in words(lab)  # as early epochs of this recipe are
    assert "The first 24 faces of epoch 2 of `python -m fer_core train senet --data PATH --seed 0`" in words(lab)
    lab.number_input(key="lab-epoch").set_value(42)
    assert "After, at 48 pixels" in words(rerun(lab))


def test_too_few_faces_for_a_batch_are_said_so():
    lab = opened(per_class=2, lab_source_data="Training batch")
    assert "There are 14 faces to train on; expected at least a batch of 128." in lab.error[0].value


def test_a_row_and_a_class_can_be_chosen():
    lab = opened()
    assert "Row 0: angry, training" in words(lab)
    first = pictures(lab)
    lab.number_input[0].set_value(3)
    assert "Row 3: happy, training" in words(rerun(lab))
    assert pictures(lab)[1] != first[1]
    next(button for button in lab.button if button.label == "Another face").click()
    rerun(lab)
    lab.session_state["lab-source-data"] = "Mean of a class"
    rerun(lab)
    next(box for box in lab.selectbox if box.label == "Class").select("fear")
    assert "Mean of all fear faces of patterns" in words(rerun(lab))


def test_what_was_set_is_kept_while_the_tab_is_closed():
    lab = set_slider(opened(), "noise", 33.0)
    lab.number_input(key="lab-seed").set_value(7)
    shown = pictures(rerun(lab))
    lab.session_state["open"] = False
    assert not rerun(lab).slider
    lab.session_state["open"] = True
    rerun(lab)
    assert (lab.slider(key="lab-noise").value, lab.number_input(key="lab-seed").value) == (33, 7)
    assert pictures(lab) == shown


def test_masks_are_drawn_as_chosen():
    lab = opened()
    assert "Choose at least one kind" in words(lab)
    lab.session_state["lab-mask-kinds"] = ["cloth"]
    lab.session_state["lab-mask-worn"] = "Under the nose"
    assert "Cloth 24; with a free nose 24 of 24" in words(rerun(lab))
    training = pictures(lab)[-1]
    lab.session_state["lab-mask-wardrobe"] = "Test"
    assert pictures(rerun(lab))[-1] != training


def test_an_own_photo_is_searched_for_a_face_and_an_unreadable_one_is_refused():
    lab = opened(lab_source_data="Own photo")
    assert "Choose a photo of a face" in words(lab)
    assert not lab.slider
    lab.file_uploader[0].upload("letter.png", b"%PDF-1.7", "image/png")
    assert "it looks like a PDF document" in words(rerun(lab))
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3)).astype(np.uint8)
    lab.file_uploader[0].upload("noise.png", encode_image(noise, "png"), "image/png")
    assert "No face was found, so the middle of the picture is taken" in words(rerun(lab))
    assert "The face of noise.png" in words(lab)
    lab.session_state["open"] = False
    rerun(lab)
    lab.session_state["open"] = True
    assert "The face of noise.png" in words(rerun(lab))
    next(button for button in lab.button if button.label == "Forget noise.png").click()
    assert "Choose a photo of a face" in words(rerun(lab))


def test_recipes_are_read_without_tensorflow():
    code = "import sys, fer_core.training.recipes; print([m for m in ('tensorflow', 'keras', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
