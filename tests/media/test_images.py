"""What people upload: every kind of picture is decoded right, every kind of bad file gets one plain sentence."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from fer_core.errors import ImageError
from fer_core.media import images
from fer_core.media.images import decode_image, encode_image, read_image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ASTRONAUT = skimage.data.astronaut()


def saved(picture: np.ndarray | Image.Image, file_format: str, **options: Any) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def quadrants(height: int = 32, width: int = 48) -> np.ndarray:
    """RGB: red and green above, blue and white below."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, WHITE
    return picture


def bgr(rgb: np.ndarray) -> np.ndarray:
    return rgb[:, :, ::-1]


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def refusal(data: bytes, name: str = "holiday.jpg") -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(ImageError) as caught:
        decode_image(data, name)
    sentence = str(caught.value)
    assert sentence.startswith(name)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_the_exact_pixels_in_bgr(file_format: str) -> None:
    frame = decode_image(saved(ASTRONAUT, file_format), "a")
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous
    assert frame.flags.writeable
    np.testing.assert_array_equal(frame, bgr(ASTRONAUT))


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "AVIF", "MPO"])
def test_lossy_formats_give_nearly_the_same_pixels(file_format: str) -> None:
    small = np.ascontiguousarray(ASTRONAUT[:128, 128:320])
    frame = decode_image(saved(small, file_format, quality=95), "a")
    assert np.abs(frame.astype(int) - bgr(small)).mean() < 4


def test_grey_and_palette_and_black_and_white_become_three_channels() -> None:
    grey = np.tile(np.arange(64, dtype=np.uint8) * 4, (32, 1))
    np.testing.assert_array_equal(decode_image(saved(grey, "PNG"), "a"), np.dstack([grey] * 3))
    palette = Image.fromarray(quadrants()).quantize(4)
    np.testing.assert_array_equal(decode_image(saved(palette, "PNG"), "a"), bgr(quadrants()))
    bilevel = Image.fromarray(np.where(grey > 127, 255, 0).astype(np.uint8)).convert("1")
    np.testing.assert_array_equal(decode_image(saved(bilevel, "PNG"), "a")[:, :, 1], np.where(grey > 127, 255, 0))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_over_its_whole_range_and_not_clipped(file_format: str) -> None:
    deep = np.tile(np.linspace(0, 65535, 256).round().astype(np.uint16), (20, 1))
    frame = decode_image(saved(deep, file_format), "scan")
    np.testing.assert_array_equal(frame[:, :, 0], np.tile(np.arange(256, dtype=np.uint8), (20, 1)))
    np.testing.assert_array_equal(frame[:, :, 0], frame[:, :, 2])


def test_sixteen_bit_colour_is_scaled_too() -> None:
    done, data = cv2.imencode(".png", bgr(quadrants()).astype(np.uint16) * 257)
    assert done
    np.testing.assert_array_equal(decode_image(data.tobytes(), "scan"), bgr(quadrants()))


def test_floating_point_pictures_are_refused_since_their_white_is_unknown() -> None:
    assert "32-bit" in refusal(saved(np.ones((32, 32), np.float32), "TIFF"), "depth.tiff")


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_is_converted_and_not_inverted(file_format: str) -> None:
    cyan_and_white = np.zeros((32, 32, 4), np.uint8)
    cyan_and_white[:, :16, 0] = 255
    # Pillow writes CMYK JPEG as Adobe does: inverted, with the marker that says so.
    frame = decode_image(saved(Image.fromarray(cyan_and_white, "CMYK"), file_format), "print").astype(int)
    assert np.abs(frame[:, :15] - (255, 255, 0)).max() <= 3
    assert np.abs(frame[:, 17:] - (255, 255, 255)).max() <= 3


def test_transparency_shows_mid_grey_and_half_transparency_half_of_it() -> None:
    layered = np.dstack([quadrants(), np.full((32, 48), 255, np.uint8)])
    layered[:16, :24, 3], layered[16:, 24:, 3] = 0, 128
    frame = decode_image(saved(layered, "PNG"), "logo.png").astype(int)
    assert (frame[:16, :24] == 128).all()
    assert (frame[:16, 24:] == (0, 255, 0)).all()
    assert np.abs(frame[16:, 24:] - 192).max() <= 1


def test_a_transparent_palette_colour_shows_mid_grey() -> None:
    palette = Image.fromarray(quadrants()).quantize(4)
    red = palette.getpixel((0, 0))
    frame = decode_image(saved(palette, "PNG", transparency=red), "logo.png")
    assert (frame[:16, :24] == 128).all()
    np.testing.assert_array_equal(frame[16:], bgr(quadrants())[16:])


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(file_format: str) -> None:
    first, second = Image.new("RGB", (40, 30), RED), Image.new("RGB", (40, 30), BLUE)
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = saved(first, file_format, save_all=True, append_images=[second], **options)
    assert (decode_image(data, "dance") == (0, 0, 255)).all()


# How a camera stores an upright picture under each EXIF orientation: which corner its first row and column are.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_comes_out_upright(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = np.ascontiguousarray(STORED[orientation](quadrants()))
    exact: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
    frame = decode_image(saved(stored, file_format, exif=exif, **exact.get(file_format, {})), "phone.jpg").astype(int)
    assert frame.shape == (32, 48, 3)
    assert np.abs(frame - bgr(quadrants())).max() <= 4


def test_a_broken_orientation_note_does_not_spoil_the_picture() -> None:
    exif = Image.Exif()
    exif[274] = 77
    np.testing.assert_array_equal(decode_image(saved(quadrants(), "PNG", exif=exif), "a"), bgr(quadrants()))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_panorama_20000_pixels_wide_is_shrunk_and_not_refused(file_format: str) -> None:
    frame = decode_image(saved(quadrants(500, 20_000), file_format), "panorama").astype(int)
    assert frame.shape == (102, 4096, 3)
    assert np.abs(frame[25, 1000] - (0, 0, 255)).max() <= 3
    assert np.abs(frame[25, 3000] - (0, 255, 0)).max() <= 3
    assert np.abs(frame[75, 1000] - (255, 0, 0)).max() <= 3


def test_a_large_photo_on_its_side_is_shrunk_and_turned() -> None:
    exif = Image.Exif()
    exif[274] = 6
    stored = np.ascontiguousarray(np.rot90(quadrants(5000, 1000)))
    frame = decode_image(saved(stored, "JPEG", exif=exif), "phone.jpg").astype(int)
    assert frame.shape == (4096, 819, 3)
    assert np.abs(frame[1000, 200] - (0, 0, 255)).max() <= 3
    assert np.abs(frame[3000, 200] - (255, 0, 0)).max() <= 3


def test_a_photo_within_the_longest_side_keeps_every_pixel() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (20, images.MAX_SIDE, 3), np.uint8)
    np.testing.assert_array_equal(decode_image(saved(wide, "PNG"), "a"), bgr(wide))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"])
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.95])
def test_a_truncated_picture_is_refused_and_never_half_shown(file_format: str, kept: float) -> None:
    whole = saved(np.ascontiguousarray(ASTRONAUT[:200, :200]), file_format)
    sentence = refusal(whole[: int(len(whole) * kept)], "download")
    assert "cut off" in sentence or "cut-off" in sentence


def test_a_picture_cut_inside_its_header_is_said_to_be_cut_off() -> None:
    assert "begins like a JPEG picture" in refusal(saved(ASTRONAUT, "JPEG")[:40])


def test_an_empty_file_is_named_as_empty() -> None:
    assert "is empty" in refusal(b"")


def test_a_zip_renamed_to_jpg_is_recognised() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello")
    assert "looks like a zip archive" in refusal(buffer.getvalue())


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"Dear diary, today I smiled. " * 50, "plain text"),
        ("Grüße, heute war es schön. ".encode() * 50, "plain text"),
        (b"%PDF-1.7 \x00\x01", "PDF"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00", "MP4 video"),
        (b"<!DOCTYPE html><title>404</title>", "web page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"\x00\x01\x02\x03" * 100, "no known kind"),
    ],
)
def test_what_is_no_picture_is_told_what_it_looks_like(data: bytes, kind: str) -> None:
    sentence = refusal(data)
    assert "is not a picture" in sentence
    assert kind in sentence


@pytest.mark.parametrize(("width", "height"), [(1, 1), (15, 400), (20_000, 70)])
def test_a_picture_too_small_or_thin_for_a_face_is_refused_with_its_size(width: int, height: int) -> None:
    sentence = refusal(saved(Image.new("RGB", (width, height)), "PNG"))
    assert f"{width} x {height} pixels" in sentence
    assert "at least 16" in sentence


def test_more_pixels_than_allowed_are_refused_from_the_header_alone() -> None:
    sentence = refusal(png_header(10_000, 8_000))
    assert "10000 x 8000 pixels (80 megapixels)" in sentence
    assert "50 megapixels allowed" in sentence


def test_a_decompression_bomb_is_refused_from_the_header_alone() -> None:
    assert "more than the 50 megapixels allowed" in refusal(png_header(60_000, 60_000))


def test_a_text_chunk_that_unpacks_to_hundreds_of_megabytes_is_refused() -> None:
    content = b"Comment\x00\x00" + zlib.compress(bytes(200_000_000), 1)
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    whole = saved(quadrants(), "PNG")
    assert "damaged" in refusal(whole[:33] + chunk + whole[33:])


def test_a_file_longer_than_allowed_is_refused(tmp_path: Path) -> None:
    data = saved(quadrants(), "PNG").ljust(images.MAX_FILE_BYTES + 1, b"\x00")
    assert "larger than the 25 MB allowed" in refusal(data)
    path = tmp_path / "long.png"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"long\.png is larger than the 25 MB"):
        read_image(path)


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "AVIF"])
def test_random_damage_raises_nothing_but_image_error(file_format: str) -> None:
    chance = random.Random(0)
    whole = saved(np.ascontiguousarray(ASTRONAUT[::6, ::6]), file_format)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 5, 20))):
            damaged[chance.randrange(min(len(damaged), 400))] = chance.randrange(256)
        try:
            frame = decode_image(bytes(damaged), "damaged")
        except ImageError:
            refused += 1
        else:
            assert frame.dtype == np.uint8
            assert frame.ndim == 3
    assert refused > 10


def test_read_image_reads_a_file_whose_name_is_not_ascii(tmp_path: Path) -> None:
    path = tmp_path / "Grüße 写真.png"
    path.write_bytes(saved(quadrants(), "PNG"))
    np.testing.assert_array_equal(read_image(path), bgr(quadrants()))


def test_read_image_names_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^nowhere\.png could not be opened \(No such file"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="could not be opened"):
        read_image(tmp_path)


def test_encode_image_returns_what_decode_image_reads() -> None:
    frame = np.ascontiguousarray(bgr(ASTRONAUT))
    np.testing.assert_array_equal(decode_image(encode_image(frame, "png"), "a"), frame)
    jpeg = encode_image(frame, "jpeg")
    assert jpeg.startswith(b"\xff\xd8\xff")
    assert np.abs(decode_image(jpeg, "a").astype(int) - frame).mean() < 3


def test_encode_image_says_what_it_cannot_write() -> None:
    with pytest.raises(ValueError, match="'png' or 'jpeg'"):
        encode_image(np.zeros((16, 16, 3), np.uint8), "gif")  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="can't be saved as PNG"):
        encode_image(np.zeros((0, 0, 3), np.uint8), "png")
