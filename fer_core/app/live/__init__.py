"""Parts of *Live Webcam*."""
