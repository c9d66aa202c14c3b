"""One or many session logs in: expressions and attention over time, across people, sessions and groups."""

import streamlit as st

from fer_core.app.common.page import errors_in_words, score_notice, start_page
from fer_core.app.insights.inputs import choose_logs, choose_shown, name_sessions, opened, what_to_upload
from fer_core.app.insights.tabs import insights_tabs

start_page(
    "Session Insights",
    "📈",
    "Drop in the logs of live streams and videos, one or many: see how expressions change over time and differ between "
    "people, sessions and groups. Logs are read in memory and not kept; nobody needs a name.",
)

with errors_in_words():
    files = choose_logs()

score_notice()

with errors_in_words():
    if not files:
        what_to_upload()
        st.stop()
    logs = opened(files)
    if logs.sessions:
        placed = name_sessions(logs)
        shown = choose_shown(logs, placed)
        if shown.selection.persons:
            insights_tabs(shown)
        else:
            st.info("Nobody was seen for long enough in these sessions.", icon=":material/person_off:")
