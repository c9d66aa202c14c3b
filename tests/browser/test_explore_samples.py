"""A page of faces travels as one picture and becomes buttons again, for a pointer and for keys."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
LEVELS = {"angry": 60, "happy": 200}
EACH = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of plain pictures, each class of its own grey."""
    for name, level in LEVELS.items():
        (tmp_path / name).mkdir()
        for number in range(EACH):
            picture = np.full((48, 48), level, np.uint8)
            picture[number] = 0  # no two alike
            cv2.imwrite(str(tmp_path / name / f"{number:02}.png"), picture)
    return tmp_path


def test_a_face_opens_by_click_and_by_key_and_a_filter_leaves_the_others(open_page, folder):
    page = open_page("Explore Datasets")
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("Path on this computer").click()
    box = sidebar.get_by_role("textbox")
    box.fill(str(folder))
    box.press("Enter")
    expect(sidebar.get_by_text("24 faces")).to_be_visible(timeout=60_000)
    page.get_by_role("tab", name="Samples").click()
    faces = page.get_by_role("group", name="Faces").get_by_role("button")
    expect(faces).to_have_count(2 * EACH, timeout=60_000)
    middles = faces.locator("canvas").evaluate_all(
        "all => all.map(canvas => canvas.getContext('2d').getImageData(24, 24, 1, 1).data[0])"
    )
    expected = [level for level in LEVELS.values() for _ in range(EACH)]
    assert np.abs(np.subtract(middles, expected)).max() <= 4

    faces.nth(2).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Row 2, training")).to_be_visible(timeout=60_000)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    faces.nth(2).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("Row 3, training")).to_be_visible(timeout=60_000)
    dialog.get_by_role("button", name="Next").click()
    expect(dialog.get_by_text("Row 4, training")).to_be_visible(timeout=60_000)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    page.get_by_role("radio", name="happy 12").or_(page.get_by_role("button", name="happy 12")).click()
    expect(faces).to_have_count(EACH)
    expect(faces.first).to_have_attribute("title", f"row {EACH}, happy, training")
    assert page.console_errors == []
