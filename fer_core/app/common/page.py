"""What every page has: its beginning, its tabs, errors in words, and what a score is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAuthError

from fer_core.errors import FerError, missing_packages_in_words

Content = TypeVar("Content")

WHAT_A_SCORE_IS = (
    "A score says how much a face **looks like** the photos that annotators gave that word to. It does not say what the "
    "person feels, and annotators themselves agree on only about two thirds of such photos."
)
PRIVACY = (
    "Frames stay in this computer's memory and nothing is stored unless you download it. Tell people when you analyse "
    "them; in the EU, inferring emotions at work or in education is prohibited except for medical or safety reasons."
)


def start_page(title: str, icon: str, lead: str) -> None:
    """Page settings, heading and a sentence or two on what the page does; a sign-in if the deployment demands one."""
    st.set_page_config(page_title=f"{title} · Expression Studio", page_icon=icon, layout="wide")
    st.title(title)
    st.markdown(lead)
    require_sign_in()


def require_sign_in() -> None:
    """End the run of the page here for people who have not signed in.

    A sign-in is demanded only if the secrets hold a section ``auth``, Streamlit's own for OpenID Connect.
    """
    if secret("auth") is None or st.user.get("is_logged_in"):
        return
    st.info("This studio is for people who signed in.", icon=":material/lock:")
    if st.button("Sign in", type="primary", icon=":material/login:"):
        try:
            st.login()
        except StreamlitAuthError as error:
            st.error(f"Signing in is not set up completely: {error}", icon=":material/error:")
    st.stop()


def secret(name: str) -> Any:
    """What Streamlit's secrets hold under a name; ``None`` if there is nothing."""
    return st.secrets[name] if st.secrets.load_if_toml_exists() and name in st.secrets else None


def show_open_tab(tabs: Mapping[str, Callable[[Content], None]], key: str, content: Content) -> None:
    """Tabs; only the open one is drawn.

    Args:
        tabs: the function that draws each tab, by title.
        key: of the widget, whose value is the title of the open tab.
        content: what the tabs are about.
    """
    places = st.tabs(list(tabs), key=key, on_change="rerun")
    for place, show in zip(places, tabs.values(), strict=True):
        if place.open:
            with place:
                show(content)


def score_notice() -> None:
    """A folded notice: what a score is and is not, and what happens to the pictures."""
    with st.expander("What a score is, and is not", icon=":material/info:"):
        st.markdown(f"{WHAT_A_SCORE_IS}\n\n{PRIVACY}")


@contextmanager
def errors_in_words(stop: bool = True, icon: str = ":material/error:") -> Iterator[None]:
    """Show the package's own errors as their sentence.

    Args:
        stop: whether the run of the page ends there; else it goes on behind the ``with`` block.
        icon: beside the sentence.
    """
    try:
        with missing_packages_in_words():
            yield
    except FerError as error:
        st.error(str(error), icon=icon)
        if stop:
            st.stop()
