"""The calibration of gaze takes the corners one after the other and ends with a map, or a sentence."""

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.app.live import gaze as live_gaze
from fer_core.live.gaze_calibration import ScreenCorner
from fer_core.vision.gaze import Gaze

STEP = live_gaze.CORNER_SECONDS


class Eyes:
    """A session whose largest face follows the dot, or stares ahead."""

    def __init__(self, follow: bool) -> None:
        self.follow = follow

    def gazes(self, since: float, until: float) -> list[Gaze]:
        corner = list(ScreenCorner)[min(3, int(until / STEP - 1e-9))]
        x, y = corner.value if self.follow else (0.5, 0.5)
        return [Gaze(20 * (x - 0.5), -10 * (y - 0.5))] * 10


def run(follow: bool, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    clock = [0.0]
    monkeypatch.setattr(live_gaze.time, "monotonic", lambda: clock[0])  # type: ignore[attr-defined]
    monkeypatch.setattr(live_gaze.st, "fragment", lambda function, **_: function)  # type: ignore[attr-defined]

    def script(eyes: object) -> None:
        from fer_core.app.live.gaze import gaze_panel

        gaze_panel(eyes)

    app = AppTest.from_function(script, kwargs={"eyes": Eyes(follow)}, default_timeout=60).run()
    app.button[0].click().run()
    seen = [app.markdown[0].value]
    for number in range(1, 4):
        clock[0] = number * STEP + 0.1
        seen.append(app.run().markdown[0].value)
    clock[0] = 4 * STEP + 0.1
    app.run()
    assert [corner.title in words for corner, words in zip(ScreenCorner, seen, strict=True)] == [True] * 4
    assert not app.exception
    return app


def test_whoever_follows_the_dot_is_told_where_they_look(monkeypatch: pytest.MonkeyPatch) -> None:
    app = run(True, monkeypatch)
    screen = app.get("html")[0].proto.body
    assert "left:calc(0% - 0.4rem);top:calc(100% - 0.4rem)" in screen, "the last corner is looked at still"
    assert app.button[0].label == "Calibrate again"


def test_whoever_does_not_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    app = run(False, monkeypatch)
    assert "sit nearer to the screen" in app.warning[0].value
    assert app.button[0].label == "Calibrate gaze"
