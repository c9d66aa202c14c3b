"""Model files from people: bytes of unknown origin in, a checked description or one plain sentence out.

Nothing of a file is loaded or run here. Both formats are read as data within bounds: of Keras' own format (a zip archive
with ``config.json``, ``metadata.json`` and ``model.weights.h5``) the names, the sizes and the classes that the config asks
for; of LiteRT's flatbuffer the identifier, the operators and the shapes. Layers that run code of the file's author, read
other files or unpickle are left out of :data:`ALLOWED_LAYERS`, so they are refused wherever in the config they stand. What
passes is run by :mod:`fer_core.external.sandbox_worker`, never in the process of the app.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from fer_core.errors import ModelError

MAX_MODEL_BYTES = 50 * 2**20
"""Of an uploaded model: a ResNet50 in half precision. The app's upload limit is the same."""
MAX_WEIGHTS_BYTES = 200 * 2**20
"""Of a Keras file's weights once they are unpacked."""
MAX_CONFIG_BYTES = 8 * 2**20
"""A hundred times that of an SE-ResNet."""
SIDES = range(16, 321)
"""Sides of an input in pixels that a network of faces may ask for."""
CHANNELS = (1, 3)
EXPECTED_MODEL_FILE = "a Keras file (.keras) or a LiteRT file (.tflite)"
MAX_SUBGRAPHS, MAX_TENSORS, MAX_OPERATORS, MAX_BUFFERS = 16, 20_000, 20_000, 40_000
MAX_TENSOR_BYTES = 256 * 2**20
"""Of one tensor of a LiteRT file, before the interpreter allocates any."""
_LARGEST_RANK = 8
_DEEPEST = 100
"""Levels of a config; Keras' own architectures need a few dozen."""
_WEIGHTS = "model.weights.h5"
_BOUNDS = {"metadata.json": 64 * 2**10, "config.json": MAX_CONFIG_BYTES, _WEIGHTS: MAX_WEIGHTS_BYTES}

_LAYER_NAMES = (
    "InputLayer Dense EinsumDense Conv1D Conv2D Conv2DTranspose DepthwiseConv1D DepthwiseConv2D SeparableConv1D "
    "SeparableConv2D BatchNormalization LayerNormalization GroupNormalization UnitNormalization RMSNormalization "
    "SpectralNormalization Normalization Rescaling Resizing CenterCrop Activation ReLU LeakyReLU PReLU ELU Softmax "
    "MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D GlobalAveragePooling1D GlobalAveragePooling2D "
    "GlobalMaxPooling1D GlobalMaxPooling2D Dropout SpatialDropout1D SpatialDropout2D GaussianNoise GaussianDropout "
    "AlphaDropout Flatten Reshape Permute RepeatVector ZeroPadding1D ZeroPadding2D Cropping1D Cropping2D "
    "UpSampling1D UpSampling2D Add Subtract Multiply Average Maximum Minimum Concatenate Dot MultiHeadAttention "
    "GroupQueryAttention Attention AdditiveAttention Embedding Identity Masking LSTM GRU SimpleRNN LSTMCell GRUCell "
    "SimpleRNNCell Bidirectional TimeDistributed ActivityRegularization RandomFlip RandomRotation RandomZoom "
    "RandomTranslation RandomContrast RandomBrightness RandomCrop RandomHue RandomSaturation RandomSharpness "
    "RandomShear RandomErasing "
)
ALLOWED_LAYERS = frozenset(_LAYER_NAMES.split())
"""Layers that do arithmetic and nothing else."""
_CODE_LAYERS = {
    "Lambda": "runs code",
    "TFSMLayer": "loads another file",
    "TorchModuleWrapper": "unpickles an object",
    "JaxLayer": "runs code",
    "FlaxLayer": "runs code",
    "StringLookup": "reads another file",
    "IntegerLookup": "reads another file",
    "TextVectorization": "reads another file",
}
_CONTAINERS = {
    ("keras", "Sequential"),
    ("keras", "Functional"),
    ("keras", "Model"),
    ("keras.models", "Sequential"),
    ("keras.models", "Functional"),
    ("keras.models", "Model"),
    ("keras.src.models.sequential", "Sequential"),
    ("keras.src.models.functional", "Functional"),
    ("keras.src.models.model", "Model"),
    ("keras", "DTypePolicy"),
}
_ARITHMETIC = ("keras.initializers", "keras.regularizers", "keras.constraints", "keras.dtype_policies")
_OPERATIONS = "keras.src.ops."
_DATA = {"__keras_tensor__", "__tensor__", "__numpy__", "__tuple__", "__slice__", "__ellipsis__"}
_CLASS_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,60}")

_PICKLE = re.compile(rb"\x80[\x02-\x05]|\(?c[\w.]+\n[\w.]+\n|\((lp|dp|i)\d*")
"""How a pickle begins: protocol 2 to 5 by its mark, 0 and 1 by the first operations."""
_FOREIGN = (
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file, which older versions of Keras wrote",
        "save it with model.save('model.keras')",
    ),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x93NUMPY", "a NumPy array", "upload the model itself"),
    (b"\x7fELF", "a program", "upload the model itself"),
    (b"MZ", "a program", "upload the model itself"),
)
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_LITERT_IDENTIFIER = b"TFL3"
_LITERT_VERSION = 3
# What reading a flatbuffer with offsets and lengths that lie can raise.
_FLATBUFFER_ERRORS = (struct.error, IndexError, ValueError, TypeError, OverflowError, KeyError, AttributeError)
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, struct.error)
_PIXEL_TYPES = {"FLOAT32", "UINT8", "INT8"}
_BYTES_PER_ENTRY = {"INT8": 1, "UINT8": 1, "BOOL": 1, "INT4": 1, "INT16": 2, "FLOAT16": 2, "INT32": 4, "FLOAT32": 4}


class FileKind(StrEnum):
    """The formats that are read."""

    KERAS = "keras"
    LITERT = "tflite"


@dataclass(frozen=True)
class ModelFile:
    """A file that passed the checks that need no loading."""

    name: str
    kind: FileKind
    content: bytes
    """What may be handed on: the LiteRT file as it came, or the Keras archive packed anew from its three members."""
    side: int
    """S of the input ``(N, S, S, channels)`` in pixels."""
    channels: int
    """1 or 3."""
    outputs: tuple[int, ...]
    """Numbers per face of each output as far as the file says so without being loaded; empty where it does not."""

    def check_outputs(self, classes: int) -> None:
        """Raise :class:`ModelError` where the file says that no output has ``classes`` numbers."""
        if self.outputs and classes not in self.outputs:
            raise ModelError(wrong_outputs(self.name, self.outputs, classes))


def wrong_outputs(name: str, outputs: tuple[int, ...], classes: int) -> str:
    """The sentence about a model that does not give one number per class."""
    found = " and ".join(map(str, outputs)) or "none"
    return (
        f"{name} answers with {found} numbers per face, expected {classes}, one for each class of the data set chosen "
        "above."
    )


def read_model_file(content: bytes, name: str) -> ModelFile:
    """Check a model file without loading it.

    Args:
        content: the file's bytes.
        name: the file's name, for messages alone: the format is recognised from the content.

    Raises:
        ModelError: it is neither of the two formats, is damaged, too large, asks for code, or takes no faces.
    """
    if not content:
        raise ModelError(f"{name} is empty: expected {EXPECTED_MODEL_FILE}, so save or upload it again.")
    if len(content) > MAX_MODEL_BYTES:
        raise ModelError(f"{name} is larger than the {MAX_MODEL_BYTES // 2**20} MB allowed for a model.")
    if _PICKLE.match(content):
        raise ModelError(
            f"{name} is a Python pickle, which could run any code once it is opened, so it is refused: save the model as "
            f"{EXPECTED_MODEL_FILE}."
        )
    if content[4:8] == _LITERT_IDENTIFIER:
        return _read_litert(content, name)
    if content.startswith((_ZIP, _EMPTY_ZIP)):
        return _read_keras(content, name)
    for signature, what, remedy in _FOREIGN:
        if content.startswith(signature):
            raise ModelError(f"{name} is {what}: expected {EXPECTED_MODEL_FILE}, so {remedy}.")
    raise ModelError(f"{name} does not begin as a model does: expected {EXPECTED_MODEL_FILE}.")


# Keras


def _read_keras(content: bytes, name: str) -> ModelFile:
    members = _members(content, name)
    try:
        config = json.loads(members["config.json"])
        depth = _depth(config)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name}: config.json in it cannot be read; save the model again.") from error
    if not isinstance(config, dict) or depth > _DEEPEST:
        raise ModelError(f"{name}: config.json in it does not describe a Keras model; save the model again.")
    config["compile_config"] = None  # losses and optimizers are of no use here
    for entry in _entries(config):
        _check_class(entry, name)
    side, channels = _pixels(_keras_input(config), name)
    members["config.json"] = json.dumps(config).encode()
    return ModelFile(name, FileKind.KERAS, _packed(members), side, channels, _keras_outputs(config))


def _members(content: bytes, name: str) -> dict[str, bytes]:
    """The three members of a Keras archive, each read within its bound."""
    members = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            _check_names([info.filename for info in infos], name)
            for info in infos:
                bound = _BOUNDS[info.filename]
                if info.file_size > bound:
                    raise ModelError(
                        f"{name}: {info.filename} in it claims {info.file_size / 2**20:,.0f} MB, more than the "
                        f"{bound / 2**20:,.4g} MB allowed."
                    )
                if info.flag_bits & 1:
                    raise ModelError(f"{name} is encrypted; save it without a password.")
                with archive.open(info) as stream:
                    members[info.filename] = stream.read(bound + 1)[:bound]
    except _ZIP_ERRORS as error:
        raise ModelError(
            f"{name} is a damaged or cut-off Keras file: expected a complete one, so save or upload it again."
        ) from error
    return members


def _check_names(found: list[str], name: str) -> None:
    if any(member.endswith(("data.pkl", ".pkl", ".pickle")) for member in found):
        raise ModelError(
            f"{name} holds a Python pickle, as PyTorch's files do, which could run any code once it is opened, so it is "
            f"refused: export the model as {EXPECTED_MODEL_FILE}."
        )
    if sorted(found) != sorted(_BOUNDS):
        raise ModelError(
            f"{name} is a zip archive of {len(found)} files, not a Keras model: expected {', '.join(_BOUNDS)} and nothing "
            "else."
        )


def _packed(members: Mapping[str, bytes]) -> bytes:
    """The members as an archive of our own, so that whoever reads it next finds what was checked and no more."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return buffer.getvalue()


def _depth(value: Any, level: int = 0) -> int:
    if level > _DEEPEST or not isinstance(value, (dict, list)):
        return level
    children = value.values() if isinstance(value, dict) else value
    return max((_depth(child, level + 1) for child in children), default=level)


def _entries(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping that names a class, however deep."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            yield from _entries(child)


def _check_class(entry: Mapping[str, Any], name: str) -> None:
    """Refuse a class that is not known to do arithmetic alone."""
    found, module, registered = entry["class_name"], entry.get("module"), entry.get("registered_name")
    if found == "__lambda__" or found == "Lambda":
        raise ModelError(
            f"{name} holds a Lambda layer, which runs code of whoever made the file, so it is refused: replace it with a "
            "layer of Keras, such as Rescaling, and save again."
        )
    if found in _CODE_LAYERS:
        raise ModelError(f"{name} holds a {found} layer, which {_CODE_LAYERS[found]}, so it is refused.")
    if found in _DATA:
        return
    if (
        isinstance(found, str)
        and isinstance(module, str)
        and _CLASS_NAME.fullmatch(found)
        and registered in (None, found)
    ):
        if module == "keras.layers" and found in ALLOWED_LAYERS:
            return
        if (module, found) in _CONTAINERS or module in _ARITHMETIC or module.startswith(_OPERATIONS):
            return
    raise ModelError(
        f"{name} asks for {_shown(registered or found)} of {_shown(module)}, which is no layer of Keras that is allowed "
        "here: only layers that need no code beside the file are."
    )


def _shown(value: object) -> str:
    return repr(str(value)[:60])


def _layers(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else None
    return [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []


def _setting(layer: Mapping[str, Any], key: str) -> Any:
    inner = layer.get("config")
    return inner.get(key) if isinstance(inner, dict) else None


def _keras_input(config: Mapping[str, Any]) -> list[int | None]:
    """Shape of the input after the batch; empty where the file does not say or there are several."""
    shapes = [_setting(layer, "batch_shape") for layer in _layers(config) if layer.get("class_name") == "InputLayer"]
    if not shapes:
        shapes = [_setting(config, "build_input_shape")]
    if len(shapes) != 1 or not isinstance(shapes[0], list):
        return []
    return shapes[0][1:]


def _keras_outputs(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Units of the layers that answer, where those are dense ones, or nothing but an activation follows them."""
    layers = {_setting(layer, "name"): layer for layer in _layers(config)}
    if config.get("class_name") == "Sequential":
        ends: list[Any] = list(layers)[-1:]
    else:
        ends = [place[0] for place in _places(_setting(config, "output_layers"))]
    units = [_units(layers.get(end), list(layers.values())) for end in ends if isinstance(end, str)]
    return tuple(units) if units and all(units) else ()  # type: ignore[arg-type]  # all of them are numbers then


def _places(value: Any) -> list[list[Any]]:
    """Keras writes the place of one output as ``[layer, node, tensor]``, of several as a list or mapping of those."""
    if isinstance(value, dict):
        return [place for child in value.values() for place in _places(child)]
    if isinstance(value, list) and value:
        return [value] if isinstance(value[0], str) else [place for child in value for place in _places(child)]
    return []


def _units(layer: Mapping[str, Any] | None, layers: list[Mapping[str, Any]]) -> int | None:
    if layer is None:
        return None
    if layer.get("class_name") in ("Activation", "Softmax"):
        place = layers.index(layer)
        return _units(layers[place - 1], layers) if place else None
    units = _setting(layer, "units") if layer.get("class_name") == "Dense" else None
    return units if isinstance(units, int) else None


def _pixels(shape: list[Any], name: str) -> tuple[int, int]:
    """Side and channels of an input's shape ``[S, S, C]``."""
    square = len(shape) == 3 and shape[0] == shape[1] and shape[0] in SIDES and shape[2] in CHANNELS
    if not square:
        found = " x ".join("any" if n is None else str(n)[:12] for n in shape) or "none that the file names, or several"
        raise ModelError(
            f"{name} takes an input of {found}, expected square faces S x S x 1 or S x S x 3 with S from {SIDES[0]} to "
            f"{SIDES[-1]} pixels."
        )
    return shape[0], shape[2]


# LiteRT


def _read_litert(content: bytes, name: str) -> ModelFile:
    try:
        model = schema.Model.GetRootAs(content, 0)
        _check_litert(model, len(content), name)
        graph = model.Subgraphs(0)
        inputs = [graph.Tensors(int(graph.Inputs(i))) for i in range(graph.InputsLength())]
        outputs = [graph.Tensors(int(graph.Outputs(i))) for i in range(graph.OutputsLength())]
        shapes = [_shape(tensor) for tensor in inputs]
        types = {_type_name(tensor) for tensor in (*inputs, *outputs)}
        numbers = tuple(_shape(tensor)[-1] if _shape(tensor) else 0 for tensor in outputs)
    except _FLATBUFFER_ERRORS as error:
        raise ModelError(
            f"{name} begins as a LiteRT file but its tables do not hold together: expected a complete one, so convert or "
            "upload it again."
        ) from error
    side, channels = _pixels(shapes[0][1:] if len(shapes) == 1 else [], name)
    if not types <= _PIXEL_TYPES:
        raise ModelError(
            f"{name} takes or gives numbers of type {', '.join(sorted(types - _PIXEL_TYPES))}, expected float32, uint8 or "
            "int8."
        )
    return ModelFile(name, FileKind.LITERT, content, side, channels, numbers)


def _check_litert(model: schema.Model, size: int, name: str) -> None:
    """Refuse what is out of bounds before any of it is walked through or allocated."""
    if model.Version() != _LITERT_VERSION:
        raise ModelError(
            f"{name} is of LiteRT's format {model.Version()}, expected {_LITERT_VERSION}; convert it anew."
        )
    _check_count(model.SubgraphsLength(), MAX_SUBGRAPHS, "graphs", name)
    _check_count(model.OperatorCodesLength(), MAX_OPERATORS, "kinds of operators", name)
    _check_count(model.BuffersLength(), MAX_BUFFERS, "buffers", name)
    for number in range(model.OperatorCodesLength()):
        _check_operator(model.OperatorCodes(number), name)
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        if buffer.DataLength() > size or buffer.Offset() + buffer.Size() > size:
            raise ModelError(f"{name} claims weights that lie outside of the file: convert or upload it again.")
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        _check_count(graph.TensorsLength(), MAX_TENSORS, "tensors", name)
        _check_count(graph.OperatorsLength(), MAX_OPERATORS, "operators", name)
        for index in range(graph.TensorsLength()):
            _check_tensor(graph.Tensors(index), model.BuffersLength(), name)


def _check_count(count: int, most: int, what: str, name: str) -> None:
    if not 1 <= count <= most:
        raise ModelError(
            f"{name} claims {count:,} {what}, expected 1 to {most:,}: it is damaged or no network of faces."
        )


def _check_operator(operator: schema.OperatorCode, name: str) -> None:
    code = max(operator.BuiltinCode(), operator.DeprecatedBuiltinCode())
    custom = operator.CustomCode()
    if custom is not None or code == schema.BuiltinOperator.CUSTOM:
        shown = (custom or b"").decode("utf-8", "replace")
        raise ModelError(
            f"{name} needs the operator {_shown(shown)}, which LiteRT does not bring along; convert it with built-in "
            "operators only."
        )


def _check_tensor(tensor: schema.Tensor, buffers: int, name: str) -> None:
    shape = _shape(tensor, signature=False)
    if tensor.Buffer() >= buffers or len(shape) > _LARGEST_RANK or any(length < 0 for length in shape):
        raise ModelError(f"{name} holds a tensor that makes no sense, of shape {shape[:_LARGEST_RANK]}: it is damaged.")
    claimed = math.prod(shape) * _BYTES_PER_ENTRY.get(_type_name(tensor), 8)
    if claimed > MAX_TENSOR_BYTES:
        raise ModelError(
            f"{name} claims a tensor of {claimed / 2**20:,.0f} MB, more than the {MAX_TENSOR_BYTES // 2**20} MB allowed."
        )


def _shape(tensor: schema.Tensor, signature: bool = True) -> list[int]:
    """The lengths of a tensor; with ``signature`` -1 stands for one that is free, as the batch may be."""
    lengths = tensor.ShapeSignatureAsNumpy() if signature and tensor.ShapeSignatureLength() else tensor.ShapeAsNumpy()
    return [int(length) for length in lengths] if not isinstance(lengths, int) else []


def _type_name(tensor: schema.Tensor) -> str:
    return _TYPE_NAMES.get(tensor.Type(), "unknown")


_TYPE_NAMES = {value: key for key, value in vars(schema.TensorType).items() if not key.startswith("_")}
