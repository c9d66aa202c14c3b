"""The way in and out for pictures and films: bounded decoding of untrusted files, streaming video, the sample clip."""

from fer_core.media.images import decode_image, encode_image, read_image
from fer_core.media.video_reader import VideoInfo, read_frames, video_info
from fer_core.media.video_writer import write_video

__all__ = ["VideoInfo", "decode_image", "encode_image", "read_frames", "read_image", "video_info", "write_video"]
