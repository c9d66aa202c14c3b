"""Which room may import what; the rules that keep serving light and the package free of Streamlit."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fer_core"
HEAVY = ("tensorflow", "keras", "torch", "jax")
MAY_TRAIN = ("models", "training", "explain", "evaluation", "external")


def imported(path: Path, whole: bool) -> set[str]:
    """Modules a file imports; ``whole`` counts those inside functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree) if whole else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_app_imports_streamlit(path):
    if path.relative_to(PACKAGE).parts[0] != "app":
        assert not any(name.split(".")[0].startswith("streamlit") for name in imported(path, whole=True))


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_training_and_what_runs_keras_models_imports_keras(path):
    if path.relative_to(PACKAGE).parts[0] not in MAY_TRAIN:
        assert not any(name.split(".")[0] in HEAVY for name in imported(path, whole=True))


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_package_does_not_import_the_pages_and_only_the_app_imports_the_app(path):
    names = imported(path, whole=True)
    assert not any(name.split(".")[0] in ("pages", "Home") for name in names)
    if path.relative_to(PACKAGE).parts[0] != "app":
        assert not any(name.startswith("fer_core.app") for name in names)


def test_a_frame_is_analysed_without_tensorflow_in_the_process():
    code = (
        "import sys; from fer_core.analysis.pipeline import FrameAnalyser; from fer_core.media.images import read_image;"
        "analyser = FrameAnalyser.from_store(['senet']);"
        "print(len(analyser.analyse(read_image('artifacts/samples/astronaut.jpg'))));"
        f"print([m for m in {(*HEAVY, 'sklearn', 'streamlit')!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split("\n")[:2] == ["1", "[]"]


def test_the_app_survives_tensorflow_before_live_video():
    code = "import fer_core.app.common.page, tensorflow, streamlit_webrtc; print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout.strip()) == (0, "alive")


def test_the_home_page_is_shown_without_tensorflow_in_the_process():
    code = (
        "import sys; from streamlit.testing.v1 import AppTest;"
        f"at = AppTest.from_file({str(ROOT / 'Home.py')!r}, default_timeout=60).run();"
        f"print(at.title[0].value, len(at.exception), [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "Expression Studio 0 []"


@pytest.mark.parametrize("page", [ROOT / "Home.py", *sorted((ROOT / "pages").glob("*.py"))], ids=lambda p: p.name)
def test_no_page_loads_tensorflow_while_it_is_imported(page):
    assert not any(name.split(".")[0] in HEAVY for name in imported(page, whole=True))
