import os

import cv2
import numpy as np
import pytest

from fer_core.datasets import Split, read_dataset
from fer_core.datasets.readers.expw import read_expw, split_of_image
from fer_core.errors import DatasetError
from fer_core.labels import Emotion

# As ExpW's own readme numbers them.
EMOTIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def photo(high: int = 120, wide: int = 200) -> np.ndarray:
    """Dark, with one face-sized bright box at top 10, left 100, right 160, bottom 70."""
    image = np.zeros((high, wide, 3), np.uint8)
    image[10:70, 100:160] = 200
    return image


ROW = "{name} 0 10 100 160 70 85.2 3"


def write(root, rows: list[str], images: str = "image/origin", labels: str = "", pictures=None):
    """ExpW with these rows, and a photo for each name in them."""
    (root / labels).mkdir(parents=True, exist_ok=True)
    (root / images).mkdir(parents=True, exist_ok=True)
    (root / labels / "label.lst").write_text("\n".join([*rows, ""]))
    for name in {row.rsplit(maxsplit=7)[0] for row in rows}:
        cv2.imwrite(str(root / images / name), photo() if pictures is None else pictures[name])
    return root


def test_the_box_is_read_as_top_left_right_bottom(tmp_path):
    dataset = read_expw(write(tmp_path, [ROW.format(name="a.png")]))
    assert dataset.images.shape == (1, 48, 48)
    assert dataset.images.dtype == np.uint8
    assert (dataset.images == 200).all()


def test_every_label_of_expw_means_the_emotion_of_its_readme(tmp_path):
    dataset = read_expw(write(tmp_path, [f"a.png {n} 10 100 160 70 85.2 {n}" for n in range(7)]))
    assert [dataset.label_set.emotions[label] for label in dataset.labels] == [Emotion(e) for e in EMOTIONS]
    assert dataset.name == "ExpW"


def test_a_box_over_the_border_is_cut_at_it(tmp_path):
    picture = photo()
    picture[:30, :30] = 90
    dataset = read_expw(write(tmp_path, ["a.png 0 -20 -20 30 30 50 1"], pictures={"a.png": picture}))
    assert (dataset.images == 90).all()


def test_shrinking_averages_all_pixels_of_the_box(tmp_path):
    fine = np.indices((96, 96)).sum(axis=0) % 2 * 200
    picture = np.repeat(fine[:, :, None], 3, axis=2).astype(np.uint8)
    assert (read_expw(write(tmp_path, ["a.png 0 0 0 96 96 50 1"], pictures={"a.png": picture})).images == 100).all()


def test_small_faces_are_enlarged_smoothly(tmp_path):
    picture = np.zeros((24, 24, 3), np.uint8)
    picture[:, 12:] = 240
    row = read_expw(write(tmp_path, ["a.png 0 0 0 24 24 50 1"], pictures={"a.png": picture})).images[0, 0]
    assert (np.diff(row.astype(int)) >= 0).all()
    assert len(np.unique(row)) > 2


def test_colour_becomes_grey(tmp_path):
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[:, :, 2] = 255  # red, of which a third is light (BT.601: 0.299)
    dataset = read_expw(write(tmp_path, ["a.png 0 0 0 60 60 50 1"], pictures={"a.png": picture}))
    assert dataset.images.mean() == pytest.approx(0.299 * 255, abs=1)


def test_boxes_refer_to_the_pixels_as_stored_not_as_exif_turns_them(tmp_path):
    from PIL import Image

    write(tmp_path, [ROW.format(name="a.jpg")])
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(photo()).save(tmp_path / "image/origin/a.jpg", exif=exif, quality=100)
    assert abs(read_expw(tmp_path).images[0, 10:-10, 10:-10].astype(int) - 200).max() < 6


def test_faces_below_the_confidence_asked_for_are_left_out(tmp_path):
    rows = [f"a.png {n} 10 100 160 70 {confidence} {n}" for n, confidence in enumerate([59.9, 60, 99])]
    write(tmp_path, rows)
    assert read_expw(tmp_path, min_confidence=60).labels.tolist() == [1, 2]
    assert len(read_expw(tmp_path)) == 3
    with pytest.raises(DatasetError, match="found no face of confidence 100 or more"):
        read_expw(tmp_path, min_confidence=100)


def test_rows_keep_the_order_of_the_file_though_photos_repeat(tmp_path):
    rows = ["a.png 0 0 0 60 60 9 0", "b.png 0 0 0 60 60 9 1", "a.png 1 60 0 60 120 9 2"]
    pictures = {"a.png": np.full((120, 60, 3), 50, np.uint8), "b.png": np.full((60, 60, 3), 99, np.uint8)}
    pictures["a.png"][60:] = 70
    dataset = read_expw(write(tmp_path, rows, pictures=pictures))
    assert dataset.labels.tolist() == [0, 1, 2]
    assert dataset.images[:, 20, 20].tolist() == [50, 99, 70]


def test_all_faces_of_one_photo_are_in_one_split_and_splits_are_eighty_ten_ten():
    names = [f"happy_actor_{number}.jpg" for number in range(5000)]
    splits = np.array([split_of_image(name) for name in names])
    shares = [(splits == split).mean() for split in (Split.TRAINING, Split.VALIDATION, Split.TEST)]
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.015)


def test_the_split_of_a_photo_never_changes(tmp_path):
    # Written down once: a change here moves test faces into training.
    known = {"angry_actor_104.jpg": "training", "happy_actor_9.jpg": "validation", "happy_actor_11.jpg": "test"}
    dataset = read_expw(write(tmp_path, [ROW.format(name=name) for name in known for _ in range(2)]))
    assert dataset.splits.tolist() == [split for split in known.values() for _ in range(2)]


@pytest.mark.parametrize("images", ["image/origin", "image", "origin", ""])
@pytest.mark.parametrize("labels", ["", "label"])
def test_the_photos_are_found_where_people_keep_them(images, labels, tmp_path):
    root = write(tmp_path / "data", [ROW.format(name="a.png")], images, labels)
    for path in (tmp_path, root, root / labels / "label.lst"):
        assert len(read_expw(path)) == 1


def test_a_name_may_hold_blanks(tmp_path):
    assert len(read_expw(write(tmp_path, ["angry old man_1.png 0 10 100 160 70 85.2 3"]))) == 1


GOOD = "a.png 0 10 100 160 70 85.2 3"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png 0 10 100 160 70 3", r"found 7 columns, expected 8 \(image_name face_id_in_image face_box_top"),
        ("a.png 0 10 100 160 70 85.2 7", "found label '7', expected a number from 0 to 6"),
        ("a.png 0 10 100 160 70 85.2 -1", "found label '-1', expected a number from 0 to 6"),
        ("a.png 0 10 100 160 70 85.2 happy", "found label 'happy', expected a number from 0 to 6"),
        ("a.png 0 10 100 160 x 85.2 3", "found box '10 100 160 x', expected four whole numbers"),
        ("a.png 0 70 100 160 10 85.2 3", "bottom 10, expected top above bottom"),
        ("a.png 0 10 160 100 70 85.2 3", "left 160, right 100, .* left before right"),
        ("a.png 0 10 100 100 70 85.2 3", "left before right"),
        ("a.png 0 10 100 160 70 high 3", "found confidence 'high', expected a number"),
        ("a.png 0 10 100 160 70 nan 3", "found confidence 'nan', expected a number"),
        ("../a.png 0 10 100 160 70 85.2 3", "found image '../a.png', expected a file name without a folder"),
        ("a.png 0 500 100 160 700 85.2 3", "top 500, .* expected one on the 200x120 pixels of a.png"),
        ("a.png 0 -90 100 160 -10 85.2 3", "expected one on the 200x120 pixels of a.png"),
        ("gone.png 0 10 100 160 70 85.2 3", "there is no gone.png, expected it in"),
        ("broken.png 0 10 100 160 70 85.2 3", "broken.png: found a file that is no image, expected a photo"),
    ],
)
def test_a_damaged_row_is_named_with_what_was_found_and_expected(row, message, tmp_path):
    write(tmp_path, [GOOD])
    (tmp_path / "image/origin/broken.png").write_bytes(b"no png")
    (tmp_path / "label.lst").write_text(f"{GOOD}\n\n{row}\n")
    with pytest.raises(DatasetError, match=rf"label\.lst, row 3: .*{message}"):
        read_expw(tmp_path)


def test_missing_photos_and_an_empty_list_are_refused_in_a_sentence(tmp_path):
    (tmp_path / "label.lst").write_text("")
    with pytest.raises(DatasetError, match=r"label\.lst: found an empty file, expected one row of 8 columns a face"):
        read_expw(tmp_path)
    (tmp_path / "label.lst").write_text(GOOD)
    with pytest.raises(DatasetError, match=r"row 1: there is no a\.png in .*, expected it in image/origin, image"):
        read_expw(tmp_path)
    (tmp_path / "label.lst").unlink()
    with pytest.raises(DatasetError, match=r"found no label\.lst, expected ExpW's label\.lst and image/origin/"):
        read_expw(tmp_path)


def test_read_dataset_knows_expw_and_reads_it_again_from_the_cache(tmp_path, cache, monkeypatch):
    root = write(tmp_path / "ExpW", [ROW.format(name="a.png")])
    first = read_dataset(root)
    assert (first.name, len(first)) == ("ExpW", 1)
    monkeypatch.setattr("fer_core.datasets.readers.expw.read_expw", lambda _: pytest.fail("read again"))
    again = read_dataset(root / "label.lst")
    assert again.name == "ExpW"
    np.testing.assert_array_equal(again.images, first.images)


def test_a_photo_that_changed_is_read_anew_even_if_its_size_did_not(tmp_path, cache):
    root = write(tmp_path / "ExpW", [ROW.format(name="a.bmp")])
    path = root / "image/origin/a.bmp"
    assert (read_dataset(root).images == 200).all()
    before = path.stat()
    cv2.imwrite(str(path), photo() // 2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000_000))
    assert path.stat().st_size == before.st_size
    assert (read_dataset(root).images == 100).all()
