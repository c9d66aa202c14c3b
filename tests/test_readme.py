from pathlib import Path

from fer_core.evaluation.leaderboard import as_markdown, leaderboard
from fer_core.model_store import ModelStore

README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_table_in_the_readme_is_the_one_the_store_gives():
    shown = README.read_text(encoding="utf-8").split("<!-- leaderboard -->\n")[1].split("\n<!-- end -->")[0]
    assert shown == as_markdown(leaderboard(ModelStore()))
