"""The package installs by name into an empty environment, without TensorFlow, and everything that serves works there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[1]
LARGEST_WHEEL = 100_000_000
"""Bytes: what a registry takes without asking."""
pytestmark = pytest.mark.timeout(1200)  # an environment is filled from the registry


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Without this checkout on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(c) for c in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that holds the wheel and what it needs."""
    environment = tmp_path_factory.mktemp("installed")
    assert run(sys.executable, "-m", "venv", environment, cwd=environment).returncode == 0
    installed = run(environment / "bin" / "pip", "install", "--quiet", wheel, cwd=environment)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return environment / "bin"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder with one photo, far from any checkout."""
    shutil.copy(ROOT / "artifacts" / "samples" / "astronaut.jpg", tmp_path / "photo.jpg")
    return tmp_path


def test_the_wheel_is_small_and_holds_pages_and_networks(wheel: Path) -> None:
    assert wheel.stat().st_size < LARGEST_WHEEL
    names = ZipFile(wheel).namelist()
    assert "fer_core/studio/Home.py" in names
    assert "fer_core/studio/.streamlit/config.toml" in names
    assert "fer_core/studio/artifacts/models/senet/model.int8.tflite" in names
    assert sum(name.startswith("fer_core/studio/pages/") for name in names) == len(list((ROOT / "pages").glob("*.py")))
    assert not any(name.startswith(("tests/", "benchmarks/")) or "secrets" in name for name in names)


def test_a_photo_is_analysed_as_in_a_clone(programs: Path, empty: Path) -> None:
    arguments = ("analyse", "photo.jpg", "--format", "json")
    done = run(programs / "fer", *arguments, cwd=empty)
    assert done.returncode == 0, done.stderr
    here = subprocess.run(
        [sys.executable, "-m", "fer_core", *arguments[:1], str(empty / "photo.jpg"), *arguments[2:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)[0]["faces"] == json.loads(here.stdout)[0]["faces"]


def test_what_needs_tensorflow_says_what_to_install(programs: Path, empty: Path) -> None:
    assert run(programs / "python", "-c", "import tensorflow", cwd=empty).returncode != 0
    done = run(programs / "fer", "train", "tiny", "--data", "photo.jpg", cwd=empty)
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        == "error: This needs keras, which is not installed: pip install 'fer_core[train]' brings it."
    )


def test_benchmarks_are_said_to_come_with_the_repository(programs: Path, empty: Path) -> None:
    done = run(programs / "fer", "benchmark", "frame", cwd=empty)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "clone" in done.stderr


@pytest.fixture
def studio(programs: Path, empty: Path) -> Iterator[str]:
    """The address of the app as an installed command starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [programs / "fer-studio", "--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    app = subprocess.Popen([str(c) for c in command], cwd=empty, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}"
    app.terminate()
    app.wait()


def answer(address: str) -> str:
    """What an address answers, once the server is up."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(address) as response:
                return response.read().decode()
        except OSError:
            time.sleep(0.1)
    return pytest.fail(f"{address} does not answer")


def test_the_app_starts_from_any_folder(studio: str) -> None:
    assert answer(f"{studio}/_stcore/health") == "ok"
    assert "<title>Streamlit</title>" in answer(studio)


def test_every_page_is_drawn_without_tensorflow(programs: Path, empty: Path) -> None:
    code = (
        "from pathlib import Path; from streamlit.testing.v1 import AppTest; from fer_core.storage import STUDIO\n"
        "for page in (STUDIO / 'Home.py', *sorted((STUDIO / 'pages').glob('*.py'))):\n"
        "    if 'Webcam' in page.name: continue  # the component of the camera can't be run without a browser\n"
        "    at = AppTest.from_file(str(page), default_timeout=120).run()\n"
        "    print(page.stem, len(at.exception), [e.value for e in at.error])\n"
    )
    done = run(programs / "python", "-c", code, cwd=empty)
    assert done.returncode == 0, done.stderr
    needs = ["This needs keras, which is not installed: pip install 'fer_core[train]' brings it."]
    shown = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert {page: said for page, said in shown.items() if said != "0 []"} == {"7_Feature_Maps": f"0 {needs!r}"}
