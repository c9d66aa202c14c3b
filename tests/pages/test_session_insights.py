"""The page of session logs, from upload to report."""

from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.insights import made_up_log
from fer_core.analysis.attention import NOTICE
from fer_core.app.insights.inputs import InsightsView
from fer_core.app.insights.tabs import Chosen, _chosen, _csv, _report
from fer_core.labels import FER2013_FIVE
from fer_core.logs.sessions import LogFile
from tests.pages.driving import rerun, rerun_with

PAGE = Path(__file__).resolve().parents[2] / "pages" / "4_Session_Insights.py"
LOGS = {f"lesson {number}.csv": made_up_log(2, 120, 5, number).to_csv(index=False).encode() for number in (1, 2)}


@pytest.fixture
def page() -> AppTest:
    return rerun(AppTest.from_file(str(PAGE), default_timeout=60))


def upload(page: AppTest, files: dict[str, bytes]) -> AppTest:
    page.file_uploader[0].set_value([(name, content, "text/csv") for name, content in files.items()])
    return rerun(page)


@pytest.fixture
def shown(monkeypatch) -> list[tuple[InsightsView, Chosen]]:
    """What the page hands to its exports, run by run."""
    handed = []
    monkeypatch.setattr("fer_core.app.insights.tabs._exports", lambda shown: handed.append((shown, _chosen(shown))))
    return handed


def test_an_empty_page_says_what_to_drop_in_and_the_sample_is_made_on_the_spot(page):
    assert "Nothing to look at yet" in page.info[0].value
    page.button[0].click()
    rerun(page)
    assert len(page.get("plotly_chart")) == 2
    assert not page.error


def test_logs_become_charts_and_one_that_is_none_is_named_with_its_column(page):
    bad = made_up_log(1, 20, 5, 0).drop(columns="verdict").to_csv(index=False).encode()
    five = made_up_log(1, 60, 5, 3, FER2013_FIVE).to_csv(index=False).encode()
    upload(page, LOGS | {"bad.csv": bad, "five.csv": five})
    assert [error.value for error in page.error] == [
        "bad.csv lacks the column 'verdict', expected a session log as this app writes it."
    ]
    assert "different classes" in page.warning[0].value
    assert len(page.get("plotly_chart")) == 2
    rerun_with(page, {"insights_tab": "People"})
    assert len(page.get("plotly_chart")) == 1
    for what in ("happy", "unsure", "masked"):
        page.selectbox(key="insights-map").set_value(what)
        rerun(page)
    rerun_with(page, {"insights_tab": "Compare"})
    assert len(page.get("plotly_chart")) == 2


def test_groups_and_names_are_kept_and_compared(page, shown):
    first, second = (LogFile.of(name, content) for name, content in LOGS.items())
    page.session_state["insights-told"] = {
        (first.digest, "group"): "before",
        (second.digest, "group"): "after",
        (second.digest, "title"): "lesson 1",
        (first.digest, "name", "1"): "Ada",
        (second.digest, "name", "1"): "Ada",
    }
    upload(page, LOGS)
    rerun_with(page, {"insights_tab": "Compare"})
    assert [select.label for select in page.selectbox] == ["Compare", "Intervals across", "Show", "In steps of"]
    seen, chosen = shown[-1]
    assert [placed.title for placed in seen.placed] == ["lesson 1", "lesson 1 (2)"]
    assert seen.all_sessions.persons == ("Ada", "lesson 1, 2", "lesson 1 (2), 2")
    assert (chosen.by, chosen.names, chosen.pair) == ("group", ("before", "after"), ("before", "after"))
    page.selectbox(key="insights-show").set_value("Group after")
    rerun(page)
    assert shown[-1][0].selection.persons == ("Ada", "lesson 1 (2), 2")


def test_attention_is_shown_and_exported_only_after_the_notice_is_confirmed(page, shown):
    upload(page, LOGS)
    rerun_with(page, {"insights_tab": "Attention"})
    assert not page.get("plotly_chart")
    assert "confirm the notice" in page.info[0].value
    before, chosen = shown[-1]
    assert "attending" not in _csv(before).decode()
    assert "looking left" not in _report(before, chosen).decode()
    page.toggle[0].set_value(True)
    rerun(page)
    assert not page.get("plotly_chart")
    page.checkbox(key="live-attention-confirmed").check()
    rerun(page)
    assert len(page.get("plotly_chart")) == 2
    assert "looking left" in _csv(shown[-1][0]).decode()
    assert NOTICE in [caption.value for caption in page.caption]


def test_the_report_needs_nothing_else_and_the_table_holds_every_step(page, shown):
    upload(page, LOGS)
    report = _report(*shown[-1]).decode()
    assert "<script src" not in report
    assert "<link" not in report
    assert report.count("plotly.js v") == 1
    for words in ("lesson 2", "Shares by session", "weigh the same", "lesson 1 minus lesson 2"):
        assert words in report
    table = pd.read_csv(BytesIO(_csv(shown[-1][0])))
    assert set(table["person"]) == {"lesson 1, 1", "lesson 1, 2", "lesson 2, 1", "lesson 2, 2"}
    assert table["seconds seen"].max() <= shown[-1][0].selection.step + 1e-6
    emotions = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    assert table[emotions].sum(axis=1).to_numpy() == pytest.approx(1, abs=2e-3)


def test_a_log_in_which_nobody_stays_says_so(page):
    upload(page, {"short.csv": made_up_log(1, 3, 5, 0).to_csv(index=False).encode()})
    assert "Nobody was seen for long enough" in page.info[0].value


def test_too_many_logs_are_refused_in_a_sentence(page, monkeypatch):
    monkeypatch.setattr("fer_core.app.insights.inputs.MOST_FILES", 1)
    upload(page, LOGS)
    assert "expected up to 1 of" in page.error[0].value
