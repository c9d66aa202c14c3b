"""The Streamlit parts that pages share."""

# Before anything else in the app's process: libsrtp, which the live page needs, crashes when TensorFlow is loaded first,
# since it then binds to the cryptographic symbols that TensorFlow exports. The other way round both work.
import pylibsrtp  # noqa: F401
