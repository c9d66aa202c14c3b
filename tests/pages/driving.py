"""How the tests run a page, or a part of one."""

from streamlit.testing.v1 import AppTest


def rerun(page: AppTest) -> AppTest:
    """Run it once more; an exception on it fails the test with its message."""
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def rerun_with(page: AppTest, state: dict[str, object]) -> AppTest:
    """The same with these values in the session, by keys whose hyphens are written as underscores."""
    for key, value in state.items():
        page.session_state[key.replace("_", "-")] = value
    return rerun(page)
