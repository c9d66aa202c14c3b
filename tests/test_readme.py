from pathlib import Path

from fer_core.cli.main import main

README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_table_in_the_readme_is_the_one_the_command_prints(capsys):
    shown = README.read_text(encoding="utf-8").split("<!-- leaderboard -->\n")[1].split("\n<!-- end -->")[0]
    assert main(["leaderboard", "--markdown"]) == 0
    assert shown == capsys.readouterr().out.rstrip("\n")
