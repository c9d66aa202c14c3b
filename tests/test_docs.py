import re
from pathlib import Path

from fer_core.cli.main import main

LEADERBOARD = Path(__file__).resolve().parents[1] / "docs" / "leaderboard.md"


def test_the_leaderboard_in_the_docs_is_the_one_the_command_prints(capsys):
    shown = LEADERBOARD.read_text(encoding="utf-8").split("<!-- leaderboard -->\n")[1].split("\n<!-- end -->")[0]
    assert main(["leaderboard", "--markdown"]) == 0
    assert shown == capsys.readouterr().out.rstrip("\n")


def test_the_readme_is_short_and_what_it_names_is_there():
    root = LEADERBOARD.parents[1]
    text = (root / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    for page in (root / "README.md", root / "CONTRIBUTING.md", *LEADERBOARD.parent.glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)
