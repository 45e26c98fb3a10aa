"""Tiny-ImageNet, Caltech-256 and ImageNet as miniatures with their folders and files."""

import numpy as np
import pytest

from sksubsel.datasets import (
    caltech256,
    imagenet,
    load_caltech256,
    load_imagenet,
    load_tiny_imagenet,
    tiny_imagenet,
)

WNIDS = ["n02", "n01", "n03"]  # as wnids.txt may have them; labels go by the sorted names


def first_values(images):
    return np.round(images[:][:, 0, 0, 0] * 255).astype(int)


@pytest.fixture
def tiny(tmp_path, save_image, monkeypatch):
    monkeypatch.setattr(tiny_imagenet, "_N_CLASSES", 3)
    monkeypatch.setattr(tiny_imagenet, "_N_TRAIN", 6)
    monkeypatch.setattr(tiny_imagenet, "_N_TEST", 4)
    root = tmp_path / "tiny-imagenet-200"
    for code, wnid in enumerate(sorted(WNIDS)):
        for k in range(2):
            save_image(root / "train" / wnid / "images" / f"{wnid}_{k}.JPEG", 10 * code + k)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
    lines = []
    for k, wnid in enumerate(["n03", "n01", "n01", "n02"]):
        save_image(root / "val" / "images" / f"val_{k}.JPEG", 100 + k)
        lines.append(f"val_{k}.JPEG\t{wnid}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "wnids.txt").write_text("\n".join(WNIDS))
    (root / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn03\tbullfrog\nn99\tx\n")
    return root


def test_tiny_imagenet(tiny):
    bunch = load_tiny_imagenet(data_home=tiny.parent)
    assert bunch.data.shape == (6, 3, 64, 64) and bunch.test_data.shape == (4, 3, 64, 64)
    np.testing.assert_array_equal(bunch.target, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(first_values(bunch.data), [0, 1, 10, 11, 20, 21])
    np.testing.assert_array_equal(bunch.test_target, [2, 0, 0, 1])
    np.testing.assert_array_equal(first_values(bunch.test_data), [100, 101, 102, 103])
    assert list(bunch.wnids) == ["n01", "n02", "n03"]
    assert list(bunch.target_names) == ["goldfish, Carassius auratus", "n02", "bullfrog"]
    assert bunch.transform.horizontal_flip and bunch.transform.vertical_flip
    assert bunch.target.dtype == bunch.test_target.dtype == np.int64
    X, y = load_tiny_imagenet(data_home=tiny, size=16, return_X_y=True)
    assert X.shape == (6, 3, 16, 16) and len(y) == 6


def test_damaged_tiny_imagenet(tiny):
    path = tiny / "val" / "val_annotations.txt"
    good = path.read_text()
    line = "val_0.JPEG\tn03"
    for wrong, message in (
        (good.replace(line, "val_0.JPEG\tn77"), "line 1 must be .*n77"),
        (good.replace(line, "../../val_0.JPEG\tn03"), "line 1 must be .*val_0"),
        (good.replace("val_1", "val_0"), "names an image more than once"),
        (good[: good.index("val_3")], "4 annotated test images, got 3"),
        (good.replace("val_1", "val_7"), r"lacks 1 of the annotated images, val_7\.JPEG"),
    ):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=message):
            load_tiny_imagenet(data_home=tiny)
    path.write_text(good)
    image = tiny / "train" / "n02" / "images" / "n02_1.JPEG"
    image.rename(tiny / "train" / "n01" / "images" / "n02_1.JPEG")
    with pytest.raises(ValueError, match="as many images of each class; got from 1 to 3"):
        load_tiny_imagenet(data_home=tiny)
    (tiny / "train" / "n01" / "images" / "n02_1.JPEG").unlink()
    with pytest.raises(ValueError, match=r"no complete copy.*6 training images, got 5.*Fetch http"):
        load_tiny_imagenet(data_home=tiny)


def test_missing_tiny_imagenet(tiny, tmp_path):
    with pytest.raises(OSError, match=r"not found in.*tiny-imagenet-200\.zip.*so that .*data_home"):
        load_tiny_imagenet(data_home=tmp_path / "elsewhere")
    (tiny / "val" / "val_annotations.txt").unlink()
    with pytest.raises(OSError, match=r"only a part.*\['val/val_annotations.txt'\]"):
        load_tiny_imagenet(data_home=tmp_path)


@pytest.fixture
def caltech(tmp_path, save_image, monkeypatch):
    """Three classes of 5, 10 and 25 images, the last of clutter; value = 50 * class + image."""
    monkeypatch.setattr(caltech256, "_N_CLASSES", 3)
    monkeypatch.setattr(caltech256, "_N_IMAGES", 40)
    root = tmp_path / "256_ObjectCategories"
    for code, (name, n) in enumerate((("001.ak47", 5), ("002.yo-yo", 10), ("003.clutter", 25))):
        for k in range(n):
            save_image(root / name / f"{code + 1:03d}_{k + 1:04d}.jpg", 50 * code + k, size=(6, 9))
    (root / "002.yo-yo" / "greg").mkdir()  # the archive has such things
    (root / "003.clutter" / "RENAME2").write_text("")
    return root


def test_caltech256(caltech, monkeypatch):
    monkeypatch.setenv("SKSUBSEL_DATA", str(caltech.parent))
    bunch = load_caltech256()
    assert bunch.data.shape == (32, 3, 96, 96) and bunch.test_data.shape == (8, 3, 96, 96)
    np.testing.assert_array_equal(np.bincount(bunch.target), [4, 8, 20])  # a fifth of each
    np.testing.assert_array_equal(np.bincount(bunch.test_target), [1, 2, 5])
    assert list(bunch.target_names) == ["ak47", "yo-yo", "clutter"]
    for part in ("", "test_"):
        values = first_values(bunch[f"{part}data"])
        np.testing.assert_array_equal(values // 50, bunch[f"{part}target"])
    values = np.concatenate([first_values(bunch.data), first_values(bunch.test_data)])
    assert len(set(values)) == 40
    again, other = load_caltech256(size=8), load_caltech256(size=8, random_state=1)
    assert again.test_data.paths == bunch.test_data.paths != other.test_data.paths
    small = load_caltech256(size=8, resize=9, clutter=False, test_size=0.4)
    assert list(small.target_names) == ["ak47", "yo-yo"]
    np.testing.assert_array_equal(np.bincount(small.test_target), [2, 4])
    X, y = load_caltech256(size=8, return_X_y=True)
    assert X.paths == bunch.data.paths and (y == bunch.target).all()
    with pytest.raises(ValueError, match=r"test_size must be in \(0, 1\); got 1"):
        load_caltech256(test_size=1)


def test_damaged_caltech256(caltech):
    image = caltech / "002.yo-yo" / "002_0001.jpg"
    image.rename(image.with_suffix(".txt"))
    with pytest.raises(ValueError, match="40 images, got 39.*Fetch 256_Object"):
        load_caltech256(data_home=caltech)
    (caltech / "002.yo-yo").rename(caltech / "004.yo-yo")
    with pytest.raises(ValueError, match="the 2th is 003.clutter"):
        load_caltech256(data_home=caltech)
    with pytest.raises(OSError, match="Caltech-256 was not found.*256_ObjectCategories.tar"):
        load_caltech256(data_home=caltech / "003.clutter")


@pytest.fixture
def large(tmp_path, save_image, monkeypatch):
    """Two classes, in Kaggle's folders, val flat; an image's size differs from the next one's."""
    monkeypatch.setattr(imagenet, "_N_CLASSES", 2)
    monkeypatch.setattr(imagenet, "_N_TRAIN", 5)
    monkeypatch.setattr(imagenet, "_N_TEST", 3)
    root = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    for k, wnid in enumerate(["n1", "n1", "n2", "n2", "n2"]):
        save_image(root / "train" / wnid / f"{wnid}_{k}.JPEG", k, size=(30 + k, 40))
    table = ["ImageId,PredictionString"]
    for k, wnid in ((2, "n1"), (1, "n2"), (3, "n2")):
        save_image(root / "val" / f"ILSVRC2012_val_0000000{k}.JPEG", 100 + k, size=(40, 30))
        table.append(f"ILSVRC2012_val_0000000{k},{wnid} 111 108 230 366 ")
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(table) + "\n")
    (tmp_path / "LOC_synset_mapping.txt").write_text("n1 tench, Tinca tinca\nn2 goldfish\n")
    return root


def test_imagenet_as_kaggle_has_it(large, tmp_path):
    bunch = load_imagenet(data_home=tmp_path)
    assert bunch.data.shape == (5, 3, 224, 224) and bunch.data.resize == 256
    np.testing.assert_array_equal(bunch.target, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(first_values(bunch.data), np.arange(5))
    np.testing.assert_array_equal(first_values(bunch.test_data), [101, 102, 103])
    np.testing.assert_array_equal(bunch.test_target, [1, 0, 1])
    assert list(bunch.target_names) == ["tench, Tinca tinca", "goldfish"]
    X, _ = load_imagenet(data_home=large, size=28, return_X_y=True)
    assert X.shape == (5, 3, 28, 28) and X.resize == 32


def test_imagenet_with_val_in_folders(large, tmp_path):
    val = large / "val"
    for k, wnid in ((1, "n1"), (2, "n2"), (3, "n2")):
        (val / wnid).mkdir(exist_ok=True)
        name = f"ILSVRC2012_val_0000000{k}.JPEG"
        (val / name).rename(val / wnid / name)
    bunch = load_imagenet(data_home=tmp_path, size=28)
    np.testing.assert_array_equal(bunch.test_target, [0, 1, 1])  # the folders count
    np.testing.assert_array_equal(first_values(bunch.test_data), [101, 102, 103])
    (val / "n3").mkdir()
    (val / "n3" / "a.JPEG").write_bytes(b"")
    with pytest.raises(ValueError, match=r"val must have the folders of .*\['n3'\]"):
        load_imagenet(data_home=tmp_path)


def test_damaged_imagenet(large, tmp_path):
    table = tmp_path / "LOC_val_solution.csv"
    good = table.read_text()
    for wrong, message in (
        (good.replace(",n1 ", ",n7 "), "begins with one of the 2 classes.*n7"),
        (good.replace("ImageId", "Image"), "must have the columns ImageId"),
        (
            good.replace("0000003", "0000004"),
            "no label for 1 images of val: ILSVRC2012_val_0000000",
        ),
    ):
        table.write_text(wrong)
        with pytest.raises(ValueError, match=message):
            load_imagenet(data_home=tmp_path)
    table.unlink()
    with pytest.raises(ValueError, match="LOC_val_solution.csv, and it is not.*val/<wnid>/"):
        load_imagenet(data_home=tmp_path)
    (large / "train" / "n1" / "n1_0.JPEG").unlink()
    with pytest.raises(
        ValueError, match="no complete copy of ImageNet-1K.*5 training images, got 4"
    ):
        load_imagenet(data_home=tmp_path)
    with pytest.raises(OSError, match="ImageNet-1K was not found.*image-net.org"):
        load_imagenet(data_home=tmp_path / "nothing")
