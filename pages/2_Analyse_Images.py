"""Photos in, every face out: crop, probabilities and runner-up, several models side by side, tables to download."""

import streamlit as st

from fer_core.analysis.photo_report import face_table, format_reports
from fer_core.app.common.page import errors_in_words, score_notice, start_page
from fer_core.app.common.selection import choose_decision_rule, choose_detector, choose_models, frame_analyser
from fer_core.app.common.widgets import download
from fer_core.app.images import analyse_uploads, show_photo

start_page(
    "Analyse Images",
    "🖼️",
    "Drop in photos or take one: every face is found, cut out and classified. Photos are read in memory and not kept.",
)

with errors_in_words(), st.sidebar:
    models = choose_models()
    answer = choose_decision_rule(models)
    detector = choose_detector()
    choice = (*(model.name for model in models), answer.name, detector)
    analyser = frame_analyser(tuple(model.name for model in models), detector, answer.name)

upload_tab, camera_tab = st.tabs([":material/upload: Photos", ":material/photo_camera: Camera"])
uploads = upload_tab.file_uploader(
    "Photos",
    accept_multiple_files=True,
    help="JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF, up to 25 MB each. Photos are turned as the camera says; only "
    "the first frame of an animation is read.",
)
with camera_tab:
    if st.toggle("Use the camera", help="The browser asks for permission; the photo stays in memory."):
        shot = st.camera_input("Take a photo", label_visibility="collapsed")
        uploads = [*uploads, shot] if shot else uploads

score_notice()

if not uploads:
    st.info("Nothing to analyse yet: choose photos above, as many as you like.", icon=":material/photo_library:")
    st.stop()

photos = analyse_uploads(uploads, analyser, choice)
reports = [photo.report for photo in photos]
faces = sum(len(report.analysis) for report in reports)
if photos:
    st.markdown(f"### Faces: {faces} · Photos: {len(photos)}")
    for number, photo in enumerate(photos):
        show_photo(number, photo)
    st.subheader("All faces as a table")
    table = face_table(reports)
    st.dataframe(table, hide_index=True, column_order=[name for name in table if name != "time_ms"])
    left, right, _ = st.columns([1, 1, 4])
    for place, form in ((left, "csv"), (right, "json")):
        download(form.upper(), format_reports(reports, form), f"faces.{form}", form, place=place)
