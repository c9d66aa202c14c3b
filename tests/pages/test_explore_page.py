"""The whole data set page, as a fresh clone shows it."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.app.explore.tabs import TABS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "pages" / "5_Explore_Datasets.py"


@pytest.mark.parametrize("title", [tab.title for tab in TABS])
def test_every_section_shows_something_true_without_any_data(title):
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.session_state["explore-tab"] = title
    page.run()
    assert not page.exception, page.exception[0].message
    assert not page.error
    assert "35,887 faces of 48×48 pixels" in " ".join(text.value for text in page.markdown)
    assert len(page.main.children) > 3


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.section)
def test_every_section_is_there(tab):
    assert callable(getattr(import_module(f"fer_core.app.explore.{tab.section}"), f"{tab.section}_tab"))


def test_the_page_begins_without_what_takes_long_to_load():
    code = (
        "import sys, fer_core.app.explore.tabs, fer_core.app.explore.sources, fer_core.app.explore.balance;"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'cleanlab', 'scipy.stats') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
