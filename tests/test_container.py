"""The container's recipe names what is there."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_what_the_container_copies_is_there_and_not_ignored() -> None:
    copied = [
        name
        for line in re.findall(r"^COPY (.+)$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert {"Home.py", "pages", "fer_core", "artifacts", ".streamlit"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    assert not set(copied) & set((ROOT / ".containerignore").read_text().split())


def test_the_secrets_of_the_deployment_page_are_toml_that_the_app_reads() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "deployment.md").read_text(), re.DOTALL)
    secrets = tomllib.loads("\n".join(blocks))
    assert secrets["ice_servers"][0].keys() == {"urls", "username", "credential"}
    assert {"redirect_uri", "cookie_secret"} <= secrets["auth"].keys()
