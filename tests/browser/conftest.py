"""The whole app in a real Chromium: a server of its own, and a camera that plays the sample clip."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from fer_core.media.video_reader import read_frames
from fer_core.vision.detection.registry import create_detector
from tests.films import in_a_mask

REPOSITORY = Path(__file__).parents[2]
CLIP = REPOSITORY / "artifacts" / "samples" / "astronaut.mp4"
START_SECONDS = 60
CAMERA_RATE = 30
CORNER = 48
"""Pixels of the frame."""

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the running app."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://localhost:{port}"
    log_path = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.headless", "true"]
    command += ["--server.port", str(port), "--server.fileWatcherType", "none"]
    # The connection stays on this computer, whatever the environment says.
    environment = {name: value for name, value in os.environ.items() if name != "FER_ICE_SERVERS"}
    with (
        log_path.open("wb") as log,
        subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=subprocess.STDOUT, env=environment) as server,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _healthy(url):
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"The app did not start within {START_SECONDS} s:\n{log_path.read_text()[-3000:]}")
                time.sleep(0.2)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _as_video(frames: Iterable[np.ndarray], path: Path) -> Path:
    """The Motion JPEG that Chromium's pretended camera plays in a loop."""
    with path.open("wb") as film:
        for frame in frames:
            film.write(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    return path


@pytest.fixture(scope="session")
def camera_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample clip."""
    return _as_video((frame for _, frame in read_frames(CLIP)), tmp_path_factory.mktemp("camera") / "camera.mjpeg")


@pytest.fixture(scope="session")
def masked_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The person of the sample clip, four seconds bare and four in a mask; the upper corners are white meanwhile."""
    detector, film = create_detector(), []
    unmasked = [frame for _, frame in read_frames(CLIP)]
    for number in range(8 * CAMERA_RATE):
        frame = unmasked[number % len(unmasked)].copy()
        masked = number >= 4 * CAMERA_RATE
        if masked:
            frame = in_a_mask(frame, detector)
        frame[:CORNER, :CORNER] = frame[:CORNER, -CORNER:] = 255 * masked
        film.append(frame)
    return _as_video(film, tmp_path_factory.mktemp("masked") / "camera.mjpeg")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is; without one these tests fail rather than pass by."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.fail(
        "Chromium is missing: the browser tests need `chromium` on the PATH, for instance `apt install chromium`."
    )


def _words(message: ConsoleMessage) -> str:
    return f"{message.text} ({message.location['url']})"


@pytest.fixture
def open_page(app_url: str, camera_video: Path, chromium_path: str) -> Iterator[OpenPage]:
    """``open_page("Live Webcam", camera=True)`` opens a page from the front page, its camera granted or refused.

    What the console reports as an error from then on is in ``page.console_errors``.
    """
    browsers: list[Browser] = []
    with sync_playwright() as playwright:

        def open_it(link: str, camera: bool = True, colour_scheme: str = "light", film: Path = camera_video) -> Page:
            permission = "--use-fake-ui-for-media-stream" if camera else "--deny-permission-prompts"
            flags = ["--no-sandbox", "--use-fake-device-for-media-stream", permission]
            flags.append(f"--use-file-for-fake-video-capture={film}")
            browser = playwright.chromium.launch(executable_path=chromium_path, args=flags)
            browsers.append(browser)
            page = browser.new_page(viewport={"width": 1366, "height": 900}, color_scheme=colour_scheme)
            page.goto(app_url)
            front_page_link = page.get_by_role("link", name=link).first
            front_page_link.wait_for(timeout=60_000)
            page.wait_for_load_state("networkidle")
            front_page_link.click()
            errors: list[str] = []
            page.on("console", lambda message: errors.append(_words(message)) if message.type == "error" else None)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.console_errors = errors  # type: ignore[attr-defined]
            page.get_by_role("heading", name=link, level=1).wait_for(timeout=60_000)
            return page

        yield open_it
        for browser in browsers:
            browser.close()
