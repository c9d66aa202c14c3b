"""How pages begin where a deployment asks people to sign in."""

from streamlit.testing.v1 import AppTest

AUTH = {"redirect_uri": "http://localhost:8501/oauth2callback", "cookie_secret": "0" * 32}


def page() -> None:
    import streamlit as st

    from fer_core.app.common.page import start_page

    start_page("Title", "🙂", "Lead.")
    st.markdown("what is behind it")


def shown(app: AppTest) -> list[str]:
    return [element.value for element in app.markdown]


def test_nobody_has_to_sign_in_unless_the_secrets_say_so() -> None:
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    assert shown(app) == ["Lead.", "what is behind it"]


def test_with_a_provider_in_the_secrets_nothing_is_shown_before_the_sign_in() -> None:
    app = AppTest.from_function(page, default_timeout=60)
    app.secrets["auth"] = AUTH
    app.run()
    assert not app.exception
    assert shown(app) == ["Lead."]
    app.button[0].click().run()
    assert not app.exception
    assert app.error[0].value.startswith("Signing in is not set up completely: ")
    assert shown(app) == ["Lead."]
