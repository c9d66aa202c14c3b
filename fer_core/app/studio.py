"""``fer-studio``: starts the app from any folder; options are those of ``streamlit run``."""

import sys

from streamlit.web import cli

from fer_core.storage import STUDIO


def main() -> None:
    """Run Streamlit on ``Home.py``, wherever the package is installed; ends with Streamlit's exit status."""
    sys.argv = ["streamlit", "run", str(STUDIO / "Home.py"), *sys.argv[1:]]
    cli.main()
