import io
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest
from keras import layers
from streamlit.testing.v1 import AppTest

from fer_core.app.feature_maps.face import _left_out
from fer_core.datasets import FaceDataset, Split
from fer_core.evaluation.ensembles import build_ensemble
from fer_core.explain.feature_maps import feature_maps
from fer_core.explain.layers import describe_layers
from fer_core.labels import CKPLUS, FER2013
from fer_core.media.images import encode_image
from fer_core.results import BoundingBox
from fer_core.store.store import ModelStore
from tests.pages.driving import rerun, rerun_with
from tests.stored_models import maker

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "pages" / "7_Feature_Maps.py"
TABS = ("Activation maps", "Where it looks", "Architecture")


def plain(head: str, seed: int) -> keras.Model:
    """Two convolutions and a dense layer on half of the pixels."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((48, 48, 1))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    for filters in (4, 6):
        x = layers.MaxPooling2D()(layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    return keras.Model(image, {head: layers.Dense(7, name=head)(layers.GlobalAveragePooling2D()(x))})


def residual(seed: int) -> keras.Model:
    """Five convolutions with two skip connections; those of a block answer with both signs."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((48, 48, 1))
    x = layers.Conv2D(8, 5, strides=4, padding="same", activation="relu")(layers.Rescaling(1 / 255)(image))
    for _ in range(2):
        inner = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        x = layers.ReLU()(layers.Add()([x, layers.Conv2D(8, 3, padding="same")(inner)]))
    return keras.Model(image, {"fer2013": layers.Dense(7, name="fer2013")(layers.GlobalAveragePooling2D()(x))})


@pytest.fixture(scope="module")
def stored_networks(shipped, tmp_path_factory):
    """``plain``, ``deep`` and ``ck`` with weights, an ensemble and a model whose Keras file is not here."""
    store = ModelStore(tmp_path_factory.mktemp("networks"))
    made_up = maker(store, shipped)
    models = {"plain": plain("fer2013", 1), "deep": residual(2), "ck": plain("ckplus", 3)}
    for name, network in models.items():
        stored = made_up(name, head=CKPLUS if name == "ck" else FER2013, title=f"The {name} one")
        network.save(stored.folder / "model.keras")
    made_up("large", title="The large one")
    for name in store.names():
        (store.folder / name / "model.int8.tflite").symlink_to(shipped.litert_path)
    build_ensemble(store, "pair", ["plain", "deep"])
    return SimpleNamespace(store=store, models=models)


@pytest.fixture
def networks(stored_networks, tmp_path, monkeypatch):
    """The store of the pages for the length of a test, see :func:`stored_networks`."""
    import streamlit as st

    store = ModelStore(shutil.copytree(stored_networks.store.folder, tmp_path, symlinks=True, dirs_exist_ok=True))
    monkeypatch.setattr("fer_core.store.store.DEFAULT_STORE", store.folder)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield SimpleNamespace(store=store, models=stored_networks.models)
    st.cache_data.clear()
    st.cache_resource.clear()


def opened(tab: str = TABS[0], models: tuple[str, ...] = ("plain", "deep"), **state: object) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=90)
    page.session_state["feature-maps-tab"] = tab
    page.session_state["feature-maps-models"] = list(models)
    return rerun_with(page, state)


def words(page: AppTest) -> str:
    pictures = [image.caption for element in page.get("image") for image in element.proto.imgs]
    texts = [*page.subheader, *page.markdown, *page.info, *page.caption, *page.error]
    return " ".join([element.value for element in texts] + pictures)


def upload(page: AppTest, picture: bytes, name: str = "photo.png") -> AppTest:
    page.session_state["feature-maps-source"] = "Upload"
    rerun(page)
    page.file_uploader[0].upload(name, picture, "image/png")
    return rerun(page)


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("models", [("deep",), ("plain", "deep")])
def test_every_tab_opens_on_the_sample(networks, tab, models):
    page = opened(tab, models)
    assert not page.error
    assert page.get("plotly_chart")
    for name in models:
        assert f"The {name} one" in words(page)


def test_networks_stand_side_by_side_at_the_same_depth(networks):
    page = opened(activation_depth=100)
    assert "Convolution 2 of 2, 100% deep: 3×3 convolution, 6 filters" in words(page)
    assert "Convolution 5 of 5, 100% deep: 3×3 convolution, 8 filters" in words(page)
    assert "6 of 6 maps, strongest first" in words(page)
    assert "vermilion above zero, blue below" in words(page)  # the last convolution of a residual block
    page.slider(key="activation-depth").set_value(0)
    rerun(page)
    assert "Convolution 1 of 5" in words(page)
    assert "24 × 24" not in words(page)


def test_a_layer_is_picked_by_its_name_and_maps_are_shown_in_order(networks):
    page = opened(models=("deep",), activation_choosing="By name", activation_order="In order")
    box = page.selectbox(key="activation-layer-deep")
    assert len(box.options) == 5
    box.select_index(3)
    rerun(page)
    assert "Convolution 4 of 5" in words(page)
    assert "8 of 8 maps, in order" in words(page)
    page.number_input[0].set_value(3)
    rerun(page)
    assert "Channel 2 over the face" in words(page)


def test_the_archive_holds_pictures_tables_and_the_activations(networks):
    from fer_core.app.feature_maps.face import ChosenFace
    from fer_core.app.feature_maps.images import ChannelOrder, ChannelView, archive
    from fer_core.app.feature_maps.networks import open_networks

    frame = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    face = ChosenFace("noise", frame, BoundingBox(0, 0, 60, 60))
    opened_networks = open_networks([networks.store.load("deep")], face)
    layer = opened_networks[0].convolutions[1]
    content = archive(opened_networks, {"deep": layer}, ChannelView(ChannelOrder.STRONGEST, 4, 9, 0.5))
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        names = files.namelist()
        maps = np.load(io.BytesIO(files.read(f"deep/{layer.name}-maps.npz")))["maps"]
    expected = feature_maps(networks.models["deep"], face.pixels(48), [layer.name])[layer.name]
    np.testing.assert_allclose(maps, expected, atol=1e-4)
    assert {"deep/face.png", "deep/first-kernels.png", "deep/layers.csv", f"deep/{layer.name}-grid.png"} <= set(names)


def test_the_layers_are_played_when_asked_for(networks):
    page = opened()
    before = len(page.get("image"))
    page.toggle(key="activation-play").set_value(True)
    rerun(page)
    assert len(page.get("image")) == before + 1
    assert "Animation · GIF" in [button.label for button in page.get("download_button")]


@pytest.mark.parametrize("method", ["Grad-CAM", "Grad-CAM++", "Occlusion", "Integrated gradients"])
def test_every_method_answers_for_any_class_with_random_weights_beside_it(networks, method):
    page = opened(TABS[1], attention_method=method)
    box = next(box for box in page.selectbox if box.label == "Looks for")
    assert len(box.options) == 7
    box.select_index(5)
    rerun(page)
    assert words(page).count(f"{method} for {FER2013.emotions[5]}") == 2
    assert words(page).count("the same with random weights") == 2
    page.toggle(key="attention-check").set_value(False)
    rerun(page)
    assert "random weights" not in words(page)


def test_the_class_asked_for_is_at_first_the_answer_of_the_first_network(networks):
    page = opened(TABS[1], ("deep",))
    box = next(box for box in page.selectbox if box.label == "Looks for")
    assert f"Answers **{box.options[box.index]}**" in words(page)


def test_a_masked_face_stands_beside_the_bare_one(networks):
    from fer_core.augmentation.masks.textures import MaskKind

    page = opened(TABS[1], ("plain",))
    next(box for box in page.selectbox if box.label == "Beside the unmasked face").select(MaskKind.SURGICAL)
    rerun(page)
    assert "With a surgical mask it answers" in words(page)
    bars = page.get("plotly_chart")[0].proto.spec
    assert "The plain one, with a surgical mask" in bars


def test_networks_without_shared_classes_are_said_so(networks):
    assert "have no head of the same classes" in words(opened(TABS[1], ("plain", "ck")))
    assert not opened(TABS[0], ("plain", "ck")).error


@pytest.mark.parametrize(
    ("random", "said"),
    [
        (np.zeros((4, 4)), "no map at all"),
        (np.arange(16.0).reshape(4, 4), "Hardly depends"),
        (np.arange(16.0).reshape(4, 4)[::-1], "**Depends on what was learnt** ("),
        (-np.arange(16.0).reshape(4, 4), "Hardly depends"),  # the same sizes
    ],
)
def test_the_sanity_check_says_what_follows(random, said):
    from fer_core.app.feature_maps.attribution import sanity_in_words

    assert said in sanity_in_words(np.arange(16.0).reshape(4, 4), random)


def raw_data(networks) -> FaceDataset:
    """The faces behind the made-up predictions."""
    labels = networks.store.load("plain").predictions().labels[Split.TEST, "fer2013"].astype(np.int64)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 48, 48)).astype(np.uint8)
    return FaceDataset("made up", images, labels, np.full(len(labels), Split.TEST), FER2013)


def ask_for_mean(page: AppTest) -> AppTest:
    page.button(key="feature-maps-mean-start").click()
    return rerun(page)


def test_the_mean_over_a_class_needs_the_data_and_takes_so_many_faces(networks, monkeypatch):
    from fer_core.app.feature_maps import mean_attribution as feature_maps_mean

    page = opened(TABS[1])
    assert page.button(key="feature-maps-mean-start").disabled
    monkeypatch.setattr(feature_maps_mean, "cached_dataset", lambda path: raw_data(networks))
    page = ask_for_mean(opened(TABS[1], feature_maps_data="somewhere", feature_maps_mean_faces=16))
    assert words(page).count("mean over 16 faces") == 2
    assert words(page).count("on the mouth") == 2
    box = next(box for box in page.selectbox if box.label == "Looks for")
    box.select_index((box.index + 1) % 7)
    rerun(page)
    assert "mean over" not in words(page)  # that was of another class


def test_a_mean_that_is_stopped_keeps_the_faces_that_are_in(networks, monkeypatch):
    from fer_core.app.feature_maps import mean_attribution as feature_maps_mean

    monkeypatch.setattr(feature_maps_mean, "cached_dataset", lambda path: raw_data(networks))

    def stopped_early(model, faces, head, class_index):
        yield 8, np.ones(faces.shape[1:], np.float32)
        feature_maps_mean.st.rerun()  # type: ignore[attr-defined]  # what a press of Stop does

    monkeypatch.setattr(feature_maps_mean, "running_class_activation", stopped_early)
    page = opened(TABS[1], feature_maps_data="somewhere", feature_maps_mean_faces=32)
    page = ask_for_mean(page)
    assert "mean over 8 faces, stopped before the other 24" in words(page)
    assert "Stopped before The deep one" in words(page)


def test_data_that_is_not_the_models_is_refused_in_a_sentence(networks, monkeypatch):
    from fer_core.app.feature_maps import mean_attribution as feature_maps_mean

    data = raw_data(networks)
    other = FaceDataset("other", data.images, (data.labels + 1) % 7, data.splits, FER2013)
    monkeypatch.setattr(feature_maps_mean, "cached_dataset", lambda path: other)
    page = ask_for_mean(opened(TABS[1], ("plain",), feature_maps_data="elsewhere"))
    assert "does not hold the faces" in words(page)


def test_the_tables_are_those_of_the_networks(networks):
    page = opened(TABS[2])
    for table, name in zip(page.dataframe, ("plain", "deep"), strict=True):
        described = describe_layers(networks.models[name])
        assert list(table.value["what it does"]) == [layer.title for layer in described]
        assert table.value["parameters"].sum() == networks.models[name].count_params()


def test_what_cannot_be_looked_into_is_named_with_the_reason(networks):
    page = opened()
    options = page.multiselect[0].options
    assert len(options) == 3
    assert "an ensemble has no layers of its own" in words(page)
    assert "The large one, whose Keras files do not ship with the studio" in words(page)


def test_no_network_is_asked_for_in_a_sentence(networks):
    assert "Choose one to three networks" in words(opened(models=()))


def test_where_no_face_is_found_the_whole_picture_can_be_taken(networks):
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3)).astype(np.uint8)
    page = upload(opened(models=("plain",)), encode_image(noise, "png"))
    assert "No face was found" in words(page)
    assert not page.tabs
    page.toggle[0].set_value(True)
    rerun(page)
    assert page.tabs
    assert "Convolution 1 of 2" in words(page)


def test_one_of_several_faces_is_chosen(networks, photo):
    both = cv2.hconcat([photo, cv2.resize(photo, None, fx=1, fy=1)[:, ::-1]])
    page = upload(opened(models=("plain",)), encode_image(both, "png"))
    box = next(box for box in page.selectbox if box.label.startswith("Which of"))
    assert box.label == "Which of 2 faces"
    assert len(page.get("image")[1].proto.imgs) == 2
    first = page.get("image")[2].proto.imgs[0].url
    box.select_index(1)
    rerun(page)
    assert page.get("image")[2].proto.imgs[0].url != first


def test_an_unreadable_upload_is_refused_in_a_sentence(networks):
    page = upload(opened(models=("plain",)), b"%PDF-1.7", "letter.png")
    assert "it looks like a PDF document" in words(page)
    assert "Choose a picture of a face first" in words(page)


def test_an_empty_store_says_how_to_get_a_network(monkeypatch, tmp_path):
    monkeypatch.setattr("fer_core.store.store.DEFAULT_STORE", tmp_path)
    page = AppTest.from_file(PAGE, default_timeout=60).run()
    assert not page.exception
    assert "No model with a Keras file" in page.error[0].value


def test_the_inputs_come_before_tensorflow_which_is_announced():
    code = (
        "import sys; import fer_core.app.feature_maps.face as page;"
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_networks_of_one_title_are_told_apart_where_they_cannot_be_looked_into(mixed_store):
    model = mixed_store.load("strong")
    copy = replace(model, card=replace(model.card, name="copy"))
    title = model.card.title
    assert f"to show: {title} (strong), {title} (copy), whose Keras files" in _left_out([model, copy])
