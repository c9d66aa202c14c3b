"""What people bring along is either judged as any other model or refused in one sentence; the process lives on."""

import io
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from scipy.special import softmax

from fer_core.datasets import FaceDataset, Split
from fer_core.errors import DatasetError, ModelError
from fer_core.evaluation.leaderboard import cost_row, leaderboard_table
from fer_core.evaluation.metrics import classification_metrics
from fer_core.evaluation.scored import score_split
from fer_core.external import model_files as guest_files
from fer_core.external import prediction_tables as guest_tables
from fer_core.external import sandbox_worker as guest_process
from fer_core.external.model_files import FileKind, read_model_file
from fer_core.external.models import (
    PIXEL_RANGES,
    EvaluationFaces,
    Outputs,
    as_probabilities,
    external_model_of_file,
    external_model_of_predictions,
    faces_of,
    in_order,
    label_orders,
    order_accuracies,
    parse_order,
    tasks_for,
)
from fer_core.external.prediction_tables import read_predictions
from fer_core.external.sandbox import SandboxRun, SandboxTask
from fer_core.labels import CKPLUS, FER2013, FERPLUS, Emotion
from fer_core.store.decision import plain_rule
from fer_core.store.predictions import Network
from fer_core.store.store import ModelStore, StoredModel

EMOTIONS = list(FER2013.names)


@pytest.fixture
def faces(mixed_store: ModelStore) -> EvaluationFaces:
    return faces_of(mixed_store.all(), FER2013)


@pytest.fixture
def rows_only(shipped: StoredModel) -> EvaluationFaces:
    """Labels for what reads a table, which needs no model."""
    labels = {(Split.TEST, FER2013.name): np.random.default_rng(0).integers(0, 7, 400).astype(np.int8)}
    return EvaluationFaces(FER2013, labels, {}, shipped.card)


def one_sentence(error: pytest.ExceptionInfo) -> str:
    """The message, which has to be one that can be shown: short, in one line, and of no Python type."""
    text = str(error.value)
    assert "\n" not in text
    assert 20 < len(text) < 400
    assert text.endswith((".", ")"))
    assert "Traceback" not in text
    return text


# Predictions


def table_of(probabilities: np.ndarray, columns: list[str] | None = None, first: int = 0) -> list[list[object]]:
    columns = columns or EMOTIONS
    rows = [[first + i, *(f"{p:.6f}" for p in row)] for i, row in enumerate(probabilities)]
    return [["row", *columns], *rows]


def csv_of(rows: list[list[object]], delimiter: str = ",") -> bytes:
    return "\n".join(delimiter.join(map(str, row)) for row in rows).encode()


def made_up_probabilities(count: int = 400, classes: int = 7) -> np.ndarray:
    return softmax(np.random.default_rng(7).normal(size=(count, classes)), axis=-1)


def read(content: bytes, faces: EvaluationFaces, split: Split = Split.TEST) -> dict[Split, np.ndarray]:
    return read_predictions(content, "mine.csv", faces.label_set, faces.by_split, split)


def test_predictions_are_read_whatever_the_order_of_rows_and_columns(rows_only):
    given = made_up_probabilities()
    rows = table_of(given)
    order = [0, *(1 + np.random.default_rng(0).permutation(7))]
    shuffled = [rows[0], *(rows[1:][i] for i in np.random.default_rng(1).permutation(400))]
    moved = [[row[i] for i in order] for row in shuffled]
    moved[0] = ["", *(f"p_{name}".upper() for name in moved[0][1:])]
    for content in (csv_of(rows), csv_of(moved), b"\xef\xbb\xbf" + csv_of(rows, ";")):
        found = read(content, rows_only)
        assert list(found) == [Split.TEST]
        assert np.allclose(found[Split.TEST], given, atol=1e-5)
        assert np.allclose(found[Split.TEST].sum(axis=1), 1)


def test_rows_of_fer2013s_csv_are_found_in_both_of_its_splits():
    size = guest_tables.FER2013_SPLIT
    labels = {split: np.zeros(size, np.int8) for split in (Split.VALIDATION, Split.TEST)}
    given = made_up_probabilities(2 * size)
    content = csv_of(table_of(given, first=guest_tables.FIRST_ROWS[Split.VALIDATION]))
    found = read_predictions(content, "mine.csv", FER2013, labels, Split.TEST)
    assert set(found) == set(labels)
    assert np.allclose(found[Split.VALIDATION], given[:size], atol=1e-5)
    assert np.allclose(found[Split.TEST], given[size:], atol=1e-5)
    training = csv_of(table_of(given[:10], first=20_000))
    with pytest.raises(ModelError, match="of Training") as error:
        read_predictions(training, "mine.csv", FER2013, labels, Split.TEST)
    one_sentence(error)


def test_only_faces_with_a_label_have_to_be_there(mixed_store):
    faces = faces_of(mixed_store.all(), FERPLUS)
    labels = faces.by_split[Split.TEST].copy()
    labels[::3] = -1
    rows = table_of(made_up_probabilities(classes=8), list(FERPLUS.names))
    kept = [rows[0], *(row for row in rows[1:] if labels[int(row[0])] >= 0)]  # type: ignore[call-overload]
    found = read_predictions(csv_of(kept), "mine.csv", FERPLUS, {Split.TEST: labels}, Split.TEST)[Split.TEST]
    assert np.allclose(found[::3], 1 / 8)


def changed(rows: list[list[object]], line: int, column: int, value: object) -> list[list[object]]:
    copy = [list(row) for row in rows]
    copy[line][column] = value
    return copy


def logits() -> list[list[object]]:
    return table_of(np.random.default_rng(0).normal(size=(400, 7)) * 4)


HOSTILE_TABLES = {
    "an empty file": (lambda rows: b"", "is empty"),
    "nothing but spaces": (lambda rows: b" \n\n ", "is empty"),
    "a heading alone": (lambda rows: csv_of(rows[:1]), "no rows"),
    "nan": (lambda rows: csv_of(changed(rows, 5, 3, "nan")), "line 6, column fear: found 'nan'"),
    "an empty cell": (lambda rows: csv_of(changed(rows, 5, 3, "")), "line 6, column fear: found ''"),
    "infinity": (lambda rows: csv_of(changed(rows, 5, 3, "inf")), "found 'inf'"),
    "a word": (lambda rows: csv_of(changed(rows, 5, 3, "=cmd()")), "found '=cmd()'"),
    "missing rows": (
        lambda rows: csv_of(rows[:-12]),
        "misses 12 of the 400 faces of the split, the first of them row 388",
    ),
    "a duplicate row": (lambda rows: csv_of([*rows, rows[9]]), "row 8 stands 2 times"),
    "rows from 1": (lambda rows: csv_of(table_of(made_up_probabilities(), first=1)), "subtract one"),
    "rows beyond": (
        lambda rows: csv_of(table_of(made_up_probabilities(), first=50)),
        "found row 449, expected 0 to 399",
    ),
    "no rows column": (lambda rows: csv_of([row[1:] for row in rows]), "found none column of image rows"),
    "a row that is no number": (lambda rows: csv_of(changed(rows, 5, 0, "-3")), "line 6: found the row '-3'"),
    "a missing column": (lambda rows: csv_of([row[:-1] for row in rows]), "misses the columns neutral"),
    "an unknown emotion": (lambda rows: csv_of(changed(rows, 0, 2, "boredom")), "'boredom' names no known emotion"),
    "a column too many": (lambda rows: csv_of([[*r, "x"] for r in rows]), "'x' names no known emotion"),
    "contempt": (lambda rows: csv_of([[*rows[0], "contempt"], *([*r, 0] for r in rows[1:])]), "eight classes"),
    "one emotion twice": (lambda rows: csv_of(changed(rows, 0, 2, "anger")), "two columns name angry"),
    "a short line": (lambda rows: csv_of([*rows[:7], rows[7][:4], *rows[8:]]), "line 8: found 4 cells, expected 8"),
    "a negative probability": (lambda rows: csv_of(changed(changed(rows, 5, 1, -0.5), 5, 2, 1.5)), "negative"),
    "logits": (lambda rows: csv_of(logits()), "logits, so apply softmax"),
    "scores": (lambda rows: csv_of(changed(rows, 5, 1, 7)), "sum to"),
    "per cent": (lambda rows: csv_of(table_of(made_up_probabilities() * 100)), "divide by 100"),
    "binary": (lambda rows: bytes(range(256)) * 9, "no text in UTF-8"),
    "noughts": (lambda rows: b"row,angry\0" * 50, "no text"),
    "a long cell": (lambda rows: b"row," + b"a" * 200_000 + b"\n1,2", "no csv file"),
    "many columns": (lambda rows: b"row" + b",angry" * 5000 + b"\n", "no rows"),
    "huge": (lambda rows: b"0" * (guest_tables.MAX_TABLE_BYTES + 1), "larger than the 20 MB"),
    "many rows": (lambda rows: b"row\n" + b"1\n" * (guest_tables.MAX_ROWS + 1), "more than 40,000 rows"),
}


@pytest.mark.parametrize("case", HOSTILE_TABLES)
def test_a_table_that_does_not_fit_is_refused_in_a_sentence(rows_only, case):
    make, expected = HOSTILE_TABLES[case]
    with pytest.raises(ModelError) as error:
        read(make(table_of(made_up_probabilities())), rows_only)
    assert expected in one_sentence(error)


def test_a_guest_of_a_table_has_the_figures_of_its_predictions(faces, mixed_store):
    labels = faces.by_split[Split.TEST].astype(np.int64)
    strong = mixed_store.load("strong")
    given = strong.predictions().heads(Network.INT8, Split.TEST)[FER2013.name]
    external_model = external_model_of_predictions({Split.TEST: given}, "My <Net> v2.csv", faces, ["yours-my-net-v2"])
    assert (external_model.name, external_model.card.title) == ("yours-my-net-v2-2", "My  Net  v2 (yours)")
    rule = external_model.card.decision_rule("fer2013")
    scored = score_split(external_model, rule, Split.TEST)
    assert np.array_equal(scored.answers, given.argmax(axis=1))
    figures = external_model.card.figures["float"]["fer2013"]["test"]
    assert figures["accuracy"] == classification_metrics(given, labels, FER2013)["accuracy"]
    assert "test-without-repeats" in external_model.card.figures["float"]["fer2013"]
    table = leaderboard_table(
        [strong, external_model], FER2013, {"strong": "Strong", external_model.name: external_model.card.title}
    )
    assert (table["model"] == external_model.card.title).sum() == 1
    assert np.isnan(list(cost_row(external_model).values())).all()
    assert not external_model.has_litert
    with pytest.raises(ModelError, match="without a history"):
        external_model.history()


def test_with_publictest_a_guest_gets_a_balanced_answer_of_its_own(faces, mixed_store):
    predictions = mixed_store.load("strong").predictions()
    by_split = {split: predictions.heads(Network.INT8, split)[FER2013.name] for split in (Split.VALIDATION, Split.TEST)}
    external_model = external_model_of_predictions(by_split, "mine.csv", faces, [])
    assert external_model.card.decision_rule("balanced") == mixed_store.load("strong").card.decision_rule("balanced")
    other = external_model_of_predictions({Split.TEST: by_split[Split.TEST][::-1]}, "mine.csv", faces, [])
    assert external_model.digest != other.digest


def test_labels_come_from_stored_models_and_not_from_guests(mixed_store, faces):
    external_model = external_model_of_predictions({Split.TEST: made_up_probabilities()}, "mine.csv", faces, [])
    assert faces_of([external_model, *mixed_store.all()], FER2013).card.name != external_model.name
    with pytest.raises(ModelError, match="no labels to judge"):
        faces_of([external_model], FER2013)
    assert faces_of(mixed_store.all(), CKPLUS).title(Split.TEST) == "random 30%"


# Orders of classes


def test_orders_are_those_of_data_sets_and_of_folders():
    orders = label_orders(FER2013)
    assert [str(e) for e in orders["alphabetical, as from folders"]] == sorted(EMOTIONS)
    assert orders["FER2013's own"] == FER2013.emotions
    assert orders["FER+'s"] == tuple(e for e in FERPLUS.emotions if e != Emotion.CONTEMPT)
    assert list(label_orders(CKPLUS)) == ["CK+'s own", "FER+'s"] or "CK+'s own" in label_orders(CKPLUS)
    assert parse_order("Anger, disgust, fear, happiness, neutral, sad, surprise", FER2013) == tuple(
        sorted(FER2013.emotions)
    )
    for text in ("angry, happy", "angry, bored", "", ", ".join([*EMOTIONS, "happy"])):
        with pytest.raises(ModelError) as error:
            parse_order(text, FER2013)
        one_sentence(error)


def test_a_mixed_up_order_is_found_out_and_put_right(faces):
    labels = faces.by_split[Split.VALIDATION].astype(np.int64)
    true_order = label_orders(FER2013)["alphabetical, as from folders"]
    logits = np.random.default_rng(0).normal(size=(400, 7)).astype(np.float32)
    logits[np.arange(400), [true_order.index(FER2013.emotions[label]) for label in labels]] += 3
    accuracies = order_accuracies(logits, labels, FER2013)
    assert accuracies["alphabetical, as from folders"] > 0.8 > 0.6 > accuracies["FER2013's own"]
    advice = {title: logits[:256] * (title == "0 to 1") for title in PIXEL_RANGES}
    outputs = Outputs(
        "mine.keras", FileKind.KERAS, 5, 48, "0 to 1", {Split.VALIDATION: logits, Split.TEST: logits}, advice
    )
    found = outputs.advise(faces)
    assert found.faces == 256
    (sentence,) = found.sentences(FER2013.emotions, "0 to 1", FER2013)
    assert "alphabetical" in sentence
    assert found.sentences(true_order, "0 to 1", FER2013) == []
    assert "Pixels from 0 to 1" in found.sentences(true_order, "0 to 255", FER2013)[0]
    external_model = external_model_of_file(outputs, true_order, faces, [])
    assert external_model.card.parameters == 5
    assert external_model.card.figures["float"]["fer2013"]["validation"]["accuracy"] == pytest.approx(
        accuracies["alphabetical, as from folders"]
    )


def test_logits_become_probabilities_and_probabilities_stay():
    logits = np.random.default_rng(0).normal(size=(9, 7)).astype(np.float32)
    given = softmax(logits, axis=-1)
    assert np.allclose(as_probabilities(logits, "x"), given, atol=1e-6)
    assert np.allclose(as_probabilities(given, "x"), given, atol=1e-6)
    assert np.allclose(as_probabilities(given - given.min(), "x").sum(axis=1), 1)
    with pytest.raises(ModelError, match="not finite"):
        as_probabilities(np.full((2, 7), np.nan), "x")
    assert np.array_equal(
        in_order(np.arange(7)[None], tuple(sorted(FER2013.emotions)), FER2013)[0], [0, 1, 2, 3, 5, 6, 4]
    )


# Model files that are refused before anything of them is run


def layer(kind: str, module: str = "keras.layers", **config: object) -> dict:
    return {"module": module, "class_name": kind, "config": {"name": kind.lower(), **config}, "registered_name": None}


def network(*layers: dict, shape: tuple = (None, 48, 48, 1), units: int = 7) -> dict:
    ends = [layer("InputLayer", batch_shape=list(shape)), *layers, layer("Dense", units=units)]
    return {
        "module": "keras",
        "class_name": "Sequential",
        "registered_name": None,
        "config": {"name": "n", "layers": ends},
    }


def keras_file(config: object, weights: bytes = b"weights", **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", b"{}")
        archive.writestr("config.json", config if isinstance(config, bytes) else json.dumps(config))
        archive.writestr("model.weights.h5", weights)
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return buffer.getvalue()


def claiming_two_gigabytes() -> bytes:
    content = bytearray(keras_file(network()))
    place = content.rfind(b"PK\x01\x02")  # the last entry of the central directory: the weights
    content[place + 24 : place + 28] = struct.pack("<I", 2**31)
    return bytes(content)


def litert(change=None, **_: object) -> bytes:
    content = ModelStore().load("senet").litert_path.read_bytes()
    model = flatbuffer_utils.convert_bytearray_to_object(content)
    if change:
        change(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def set_shape(which: str, shape: list[int]):
    def change(model: schema.ModelT) -> None:
        graph = model.subgraphs[0]
        for index in getattr(graph, which):
            tensor = graph.tensors[index]
            tensor.shape, tensor.shapeSignature = np.array(shape, np.int32), None

    return change


def with_custom_operator(model: schema.ModelT) -> None:
    model.operatorCodes[0].customCode = b"FlexReadFile"
    model.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM


def with_lying_vector(content: bytes) -> bytes:
    """The count of tensors, or of whatever vector comes first, becomes two thousand million."""
    copy = bytearray(content)
    (root,) = struct.unpack_from("<I", copy)
    table = schema.Model.GetRootAs(bytes(copy), 0)
    offset = table._tab.Offset(8)  # subgraphs
    struct.pack_into("<I", copy, table._tab.Vector(offset) - 4, 2**31 - 1)
    assert root
    return bytes(copy)


RANDOM = np.random.default_rng(0).bytes(4096)
NESTED = network(layer("TimeDistributed", layer=layer("Bidirectional", layer=layer("Lambda", function={}))))
DEEP = b'{"config":' * 100_000 + b"1" + b"}" * 100_000

HOSTILE_FILES = {
    "empty": (lambda: b"", "is empty"),
    "random bytes": (lambda: RANDOM, "does not begin as a model does"),
    "a pickle": (lambda: pickle.dumps({"weights": [1.0]}), "Python pickle"),
    "an old pickle": (lambda: pickle.dumps({"weights": [1.0]}, protocol=0), "Python pickle"),
    "a pickle that runs a program": (lambda: b"cos\nsystem\n(S'true'\ntR.", "Python pickle"),
    "a PyTorch file": (lambda: keras_file({}, archive__data=b"", **{"x__data.pkl": b"x"}), "Python pickle"),
    "an HDF5 file": (lambda: b"\x89HDF\r\n\x1a\n" + RANDOM, "HDF5"),
    "a NumPy array": (lambda: b"\x93NUMPY\x01\x00" + RANDOM, "NumPy array"),
    "a zip of something else": (lambda: keras_file(network(), extra=b"x"), "not a Keras model"),
    "a zip that climbs out": (lambda: keras_file(network(), **{"..__evil": b"x"}), "not a Keras model"),
    "an empty zip": (lambda: b"PK\x05\x06" + bytes(18), "not a Keras model"),
    "a cut-off Keras file": (lambda: keras_file(network())[:-80], "damaged or cut-off"),
    "a Keras file of random bytes": (lambda: b"PK\x03\x04" + RANDOM, "damaged or cut-off"),
    "a member that claims 2 GB": (claiming_two_gigabytes, "claims 2,048 MB"),
    "a config that is no JSON": (lambda: keras_file(b"{"), "config.json in it cannot be read"),
    "a config without end": (lambda: keras_file(DEEP), "config.json"),
    "a config that is a list": (lambda: keras_file([1]), "does not describe"),
    "a Lambda layer": (lambda: keras_file(network(layer("Lambda"))), "Lambda layer"),
    "a nested Lambda layer": (lambda: keras_file(NESTED), "Lambda layer"),
    "a serialised lambda": (
        lambda: keras_file(network(layer("Dense", activation={"class_name": "__lambda__", "config": {"value": "x"}}))),
        "Lambda layer",
    ),
    "a custom class": (
        lambda: keras_file(network({**layer("Conv2D", "mine"), "registered_name": "mine>Conv2D"})),
        "'mine>Conv2D' of 'mine'",
    ),
    "a custom class that calls itself Keras'": (
        lambda: keras_file(network({**layer("Conv2D"), "registered_name": "mine>Conv2D"})),
        "no layer of Keras that is allowed",
    ),
    "a function of another module": (lambda: keras_file(network(layer("system", "os"))), "'system' of 'os'"),
    "a function of Keras": (lambda: keras_file(network(layer("get_file", "keras.utils"))), "'get_file'"),
    "a layer that loads a file": (lambda: keras_file(network(layer("TFSMLayer", filepath="/etc"))), "loads another file"),
    "a layer that unpickles": (lambda: keras_file(network(layer("TorchModuleWrapper"))), "unpickles"),
    "a layer that reads a file": (lambda: keras_file(network(layer("StringLookup"))), "reads another file"),
    "a wrong input shape": (lambda: keras_file(network(shape=(None, 48, 32, 1))), "takes an input of 48 x 32 x 1"),
    "an input of two channels": (lambda: keras_file(network(shape=(None, 48, 48, 2))), "takes an input of 48 x 48 x 2"),
    "an input of vectors": (lambda: keras_file(network(shape=(None, 2304))), "takes an input of 2304"),
    "an input of any size": (lambda: keras_file(network(shape=(None, None, None, 1))), "takes an input of any x any x 1"),
    "a huge input": (lambda: keras_file(network(shape=(None, 10**6, 10**6, 1))), "takes an input of 1000000"),
    "no layers": (lambda: keras_file({"class_name": "Sequential", "module": "keras", "config": 3}), "takes an input of"),
    "LiteRT by its mark alone": (lambda: b"\x20\0\0\0TFL3" + RANDOM, ""),
    "a cut-off LiteRT file": (lambda: litert()[:4000], ""),
    "a LiteRT vector that claims 2 GB": (lambda: with_lying_vector(litert()), "claims 2,147,483,647 graphs"),
    "a LiteRT tensor that claims 2 GB": (lambda: litert(set_shape("outputs", [1, 2**29])), "claims a tensor of 2,048 MB"),
    "a LiteRT tensor of less than nothing": (lambda: litert(set_shape("outputs", [1, -9])), "makes no sense"),
    "a LiteRT file with another input": (lambda: litert(set_shape("inputs", [1, 48, 48, 2])), "an input of 48 x 48 x 2"),
    "an operator of somebody's own": (lambda: litert(with_custom_operator), "FlexReadFile"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE_FILES)
def test_a_hostile_model_file_is_refused_in_a_sentence_without_being_loaded(case):
    make, expected = HOSTILE_FILES[case]
    with pytest.raises(ModelError) as error:
        read_model_file(make(), "model.tflite")
    assert expected in one_sentence(error)


def test_a_file_above_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(guest_files, "MAX_MODEL_BYTES", 100)
    with pytest.raises(ModelError, match="larger than"):
        read_model_file(bytes(101), "model.keras")


def test_random_damage_is_refused_or_read_and_never_anything_else():
    rng = np.random.default_rng(0)
    sound = [keras_file(network(layer("Flatten"))), litert()]
    for number in range(60):
        content = bytearray(sound[number % 2])
        reach = min(len(content), 2000) if number % 4 < 2 else len(content)
        for place in rng.integers(0, reach, 12):
            content[place] = rng.integers(0, 256)
        try:
            read_model_file(bytes(content), "model")
        except ModelError:
            continue


def test_a_wrong_number_of_outputs_is_refused_where_the_file_says_it():
    for content in (keras_file(network(layer("Flatten"), units=6)), litert(set_shape("outputs", [1, 6]))):
        with pytest.raises(ModelError, match="6") as error:
            read_model_file(content, "model").check_outputs(7)
        assert "expected 7" in one_sentence(error)


def test_what_passes_is_described_and_packed_anew():
    config = {
        **network(layer("Flatten"), shape=(None, 64, 64, 3)),
        "compile_config": {"optimizer": layer("Evil", "evil")},
    }
    file = read_model_file(keras_file(config), "mine.keras")
    assert (file.kind, file.side, file.channels, file.outputs) == (FileKind.KERAS, 64, 3, (7,))
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        assert json.loads(archive.read("config.json"))["compile_config"] is None
    shipped = ModelStore().load("senet")
    file = read_model_file(shipped.litert_path.read_bytes(), "model.tflite")
    assert (file.kind, file.side, file.channels, sorted(file.outputs)) == (FileKind.LITERT, 48, 1, [7, 8])
    file.check_outputs(7)
    if shipped.has_keras:
        file = read_model_file(shipped.keras_path.read_bytes(), "model.keras")
        assert (file.kind, file.side, file.channels, sorted(file.outputs)) == (FileKind.KERAS, 48, 1, [7, 8])


# Running a file in a process of its own


def test_faces_are_prepared_as_a_network_wants_them():
    face = np.array([[[0, 255], [255, 0]]], np.uint8)
    pixels = guest_process.prepared(face, 2, 3, -1.0, 1.0)
    assert pixels.shape == (1, 2, 2, 3)
    assert np.allclose(pixels[0, :, :, 0], [[-1, 1], [1, -1]])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    assert guest_process.prepared(np.zeros((2, 48, 48), np.uint8), 64, 1, 0, 255).shape == (2, 64, 64, 1)
    assert guest_process.prepared(np.full((1, 96, 96), 7, np.uint8), 48, 1, 0, 255).max() == pytest.approx(7)


def test_the_output_with_as_many_numbers_as_classes_answers():
    assert guest_process.choose_output([("a", 8), ("b", 7)], 7, "") == 1
    assert guest_process.choose_output([("a", 7), ("fer2013", 7)], 7, "fer2013") == 1
    with pytest.raises(ModelError, match="answers with 8 and 5 numbers"):
        guest_process.choose_output([("a", 8), ("b", 5)], 7, "")


def random_faces(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), np.uint8)


def test_a_litert_file_answers_as_the_stored_network_does(shipped: StoredModel):
    from fer_core.vision.expression import load_network

    faces = random_faces(70)
    file = read_model_file(shipped.litert_path.read_bytes(), "mine.tflite")
    tasks = [SandboxTask("test", faces, 0.0, 255.0), SandboxTask("few", faces[:3], 0.0, 1.0)]
    run = SandboxRun(file, tasks, 7, "fer2013")
    folder = run._folder.name
    answers = run.answers()
    expected = load_network(shipped).predict(faces)["fer2013"]
    assert np.allclose(as_probabilities(answers["test"], "x"), expected, atol=1e-5)
    assert answers["few"].shape == (3, 7)
    assert (run.running, run.share, run.loaded) == (False, 1.0, True)
    assert not Path(folder).exists()


def test_a_keras_file_answers_as_the_stored_network_does(shipped: StoredModel):
    """One process that loads TensorFlow."""
    import keras

    from fer_core.models.prediction import predict_probabilities

    faces = random_faces(5)
    file = read_model_file(shipped.keras_path.read_bytes(), "mine.keras")
    run = SandboxRun(file, [SandboxTask("test", faces, 0.0, 255.0)], 7, "fer2013")
    expected = predict_probabilities(keras.saving.load_model(shipped.keras_path, compile=False), faces)["fer2013"]
    assert np.allclose(as_probabilities(run.answers()["test"], "x"), expected, atol=0.01)
    assert run.parameters == shipped.card.parameters


def test_a_keras_file_is_run_by_keras_and_refused_where_its_weights_do_not_fit(shipped: StoredModel):
    """Another one: of a sound config with the weights of nothing."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers"] = np.zeros(3, np.float32)
    content = read_model_file(keras_file(network(layer("Flatten")), buffer.getvalue()), "mine.keras")
    run = SandboxRun(content, [SandboxTask("test", random_faces(2), 0.0, 255.0)], 7)
    with pytest.raises(ModelError, match=r"mine.keras: .*(Keras cannot build|weights)") as error:
        run.answers()
    one_sentence(error)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (
            lambda file: file.__setitem__("w", __import__("h5py").ExternalLink("/etc/passwd", "x")),
            "refer to other files",
        ),
        (lambda file: file.create_dataset("w", (4,), "f4", external=[("/etc/passwd", 0, 16)]), "refer to other files"),
        (lambda file: file.create_dataset("w", (2**29,), "f4", chunks=(1024,)), "claim more than the 200 MB"),
    ],
    ids=["a link to another file", "numbers of another file", "2 GB"],
)
def test_weights_that_reach_outside_or_claim_too_much_are_refused(tmp_path, weights, expected):
    import h5py

    with h5py.File(tmp_path / "w.h5", "w") as file:
        weights(file)
    path = tmp_path / "model.keras"
    path.write_bytes(keras_file(network(), (tmp_path / "w.h5").read_bytes()))
    with pytest.raises(ModelError, match=expected) as error:
        guest_process._check_weights(path)
    one_sentence(error)
    path.write_bytes(keras_file(network(), (tmp_path / "w.h5").read_bytes()[:200]))
    with pytest.raises(ModelError, match="damaged or cut off"):
        guest_process._check_weights(path)


def fake_process(monkeypatch, code: str) -> None:
    """What the parent does with a process that behaves otherwise: a short one in its place."""
    import subprocess

    from fer_core.external import sandbox as guest_runs

    plain = subprocess.Popen
    start = lambda command, **options: plain([sys.executable, "-c", code], **options)  # noqa: E731
    monkeypatch.setattr(guest_runs.subprocess, "Popen", start)  # type: ignore[attr-defined]


READ_ALL = "import sys, os; sys.stdin.buffer.read();"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (READ_ALL + "os.kill(os.getpid(), 11)", "stopped by signal 11"),
        (READ_ALL + "sys.exit(3)", "ended with code 3"),
        ("import sys; sys.exit(0)", "ended with code 0"),
        (READ_ALL + "print('x' * 10_000_000)", "ended the process"),
        (READ_ALL + "print('{\"kind\": \"answer\", \"name\": \"test\", \"bytes\": 2147483648}')", "ended the process"),
        (READ_ALL + "print('{\"kind\": \"done\"}')", "ended the process"),
        (READ_ALL + "print('{\"kind\": \"refused\", \"sentence\": \"It\\\\n<b>is</b>\\\\u202e so.\"}')", "It <b>is</b> so."),
        (READ_ALL + "import time; time.sleep(60)", "did not answer within the 2 seconds"),
    ],
    ids=["crash", "exit", "deaf", "noise", "2 GB answer", "nothing", "sentence", "time"],
)  # fmt: skip
def test_whatever_the_process_does_becomes_a_sentence(monkeypatch, code, expected):
    fake_process(monkeypatch, code)
    file = read_model_file(keras_file(network()), "mine.keras")
    run = SandboxRun(
        file, [SandboxTask("test", random_faces(300), 0.0, 255.0)], 7, time_limit=2 if "sleep" in code else 60
    )
    with pytest.raises(ModelError) as error:
        run.answers()
    assert expected in one_sentence(error)


def test_a_run_can_be_cancelled_and_no_more_than_two_go_on_at_once(monkeypatch):
    fake_process(monkeypatch, READ_ALL + "import time\nwhile True: time.sleep(60)")
    file = read_model_file(keras_file(network()), "mine.keras")
    tasks = [SandboxTask("test", random_faces(2), 0.0, 255.0)]
    runs = [SandboxRun(file, tasks, 7) for _ in range(2)]
    with pytest.raises(ModelError, match="wait until one is done"):
        SandboxRun(file, tasks, 7)
    for run in runs:
        run.cancel()
        run.wait()  # which would not end before the process does
        assert not run.running
    with pytest.raises(ModelError, match="was cancelled"):
        runs[0].answers()


def test_the_process_refuses_what_a_model_has_no_need_of(tmp_path):
    import subprocess

    code = (
        "import os, socket, subprocess, pickle, pathlib\n"
        "from fer_core.external.sandbox_worker import _limit, _restrict_filesystem, _unshare_network\n"
        "_limit(60); _unshare_network(); _restrict_filesystem(pathlib.Path('own'))\n"
        "pathlib.Path('own/file').write_text('x')\n"
        "deeds = [lambda: socket.socket(), lambda: subprocess.run(['true']), lambda: os.system('true'),\n"
        "         lambda: pickle.loads(b'cos\\nsystem\\n.'), lambda: open('outside', 'w'),\n"
        "         lambda: open('own/../outside', 'w')]\n"
        "for deed in deeds:\n"
        "    try: deed()\n"
        "    except PermissionError as error: print('refused')\n"
        "try: open('own/big', 'wb').write(bytes(2**22))\n"
        "except OSError: print('refused')\n"
        "try: bytearray(7 * 2**30)\n"
        "except MemoryError: print('refused')\n"
    )
    (tmp_path / "own").mkdir()
    from fer_core.storage import ARTIFACTS

    environment = {"PYTHONPATH": str(ARTIFACTS.parent), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    assert done.stdout.split() == ["refused"] * 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]


def test_a_litert_file_is_run_without_tensorflow():
    import subprocess

    code = (
        "import sys, fer_core.external.sandbox_worker as p; from pathlib import Path\n"
        "from fer_core.store.store import ModelStore\n"
        "path = ModelStore().load('senet').litert_path\n"
        "p._LiteRTRunner(path, {'side': 48, 'channels': 1, 'classes': 7, 'wanted': 'fer2013'})\n"
        "print([m for m in ('tensorflow', 'keras', 'h5py', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_is_run_on_the_labelled_faces_of_splits_and_a_few_for_advice(faces):
    labels = np.concatenate([faces.by_split[split] for split in (Split.VALIDATION, Split.TEST)]).astype(np.int64)
    splits = np.repeat([Split.VALIDATION, Split.TEST], 400)
    images = np.random.default_rng(0).integers(0, 256, (800, 48, 48), np.uint8)
    dataset = FaceDataset("made up", images, labels, splits, FER2013)
    tasks = {task.name: task for task in tasks_for(faces, dataset, "0 to 1", [Split.TEST])}
    assert np.array_equal(tasks["test"].faces, images[400:])
    assert (tasks["test"].low, tasks["test"].high) == (0.0, 1.0)
    assert len(tasks) == 1 + len(PIXEL_RANGES)
    assert np.array_equal(tasks["advice/-1 to 1"].faces, images[:256])
    with pytest.raises(DatasetError, match="does not hold the faces"):
        tasks_for(faces, FaceDataset("other", images, (labels + 1) % 7, splits, FER2013), "0 to 1", [Split.TEST])
    assert plain_rule(FER2013).name == "fer2013"
