"""CIFAR's binary files, with four records in place of 10,000."""

import gzip
import io
import tarfile

import numpy as np
import pytest

from sksubsel.datasets import cifar, load_cifar10, load_cifar100

N = 4
LOADERS = {"cifar10": load_cifar10, "cifar100": load_cifar100}
FORMATS = {"cifar10": cifar._CIFAR10, "cifar100": cifar._CIFAR100}
LABELS = {"cifar10": ["target"], "cifar100": ["coarse_target", "target"]}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.delenv("SKSUBSEL_DATA", raising=False)
    monkeypatch.setattr(cifar, "_N_RECORDS", N)


def write(name, folder):
    """Files of a small copy, written record by record, and what they should be read as."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    parts = (("", FORMATS[name].train), ("test_", FORMATS[name].test))
    expected = {}
    for prefix, sizes in parts:
        images, labels = [], []
        for file, times in sizes.items():
            content = b""
            for _ in range(times * N):
                image = rng.integers(0, 256, (3, 32, 32), np.uint8)
                codes = [int(rng.integers(n)) for _, n in FORMATS[name].names.values()]
                content += bytes(codes)
                for channel in image:  # red, green, blue, each by rows
                    content += b"".join(bytes(row) for row in channel)
                images.append(image)
                labels.append(codes)
            (folder / file).write_bytes(content)
        expected[f"{prefix}data"] = np.array(images)
        for kind, codes in zip(LABELS[name], np.transpose(labels)):
            expected[prefix + kind] = codes
    for file, n_classes in FORMATS[name].names.values():
        names = [f"{file[:4]}-{k}" for k in range(n_classes)]
        (folder / file).write_text("\n".join(names) + "\n\n")
    return expected


def pack(folder, path, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        archive.add(folder, arcname=folder.name)


def check(bunch, expected):
    for key, values in expected.items():
        if key.endswith("data"):
            assert bunch[key].dtype == np.float32
            np.testing.assert_array_equal(bunch[key], (values / np.float32(255)))
        else:
            assert bunch[key].dtype == np.int64
            np.testing.assert_array_equal(bunch[key], values)


@pytest.mark.parametrize("name", LOADERS)
def test_folder_and_archive(name, tmp_path, monkeypatch):
    folder = tmp_path / "unpacked" / FORMATS[name].folder
    expected = write(name, folder)
    bunch = LOADERS[name](data_home=folder.parent)
    check(bunch, expected)
    assert bunch.data.shape == (5 * N, 3, 32, 32) and bunch.test_data.shape == (N, 3, 32, 32)
    assert list(bunch.target_names[:2]) == (
        ["batc-0", "batc-1"] if name == "cifar10" else ["fine-0", "fine-1"]
    )
    assert (name == "cifar100") == ("coarse_target_names" in bunch)
    assert bunch.transform.horizontal_flip and bunch.transform.crop_padding == 4
    check(LOADERS[name](data_home=folder), expected)  # the folder itself

    home = tmp_path / "packed" / FORMATS[name].title.lower()
    home.mkdir(parents=True)
    pack(folder, home / FORMATS[name].archive)
    monkeypatch.setenv("SKSUBSEL_DATA", str(home.parent))
    check(LOADERS[name](), expected)
    assert [path.name for path in home.iterdir()] == [FORMATS[name].archive]  # nothing unpacked
    X, y = LOADERS[name](return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)
    X[0] = 0  # read-only memory would surprise


def test_files_of_the_wrong_length(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    write("cifar10", folder)
    path = folder / "data_batch_3.bin"
    content = path.read_bytes()
    # also where whole records are missing or too many
    for wrong in (content[:-1], content[:-3073], content + content[:3073], b""):
        path.write_bytes(wrong)
        with pytest.raises(
            ValueError,
            match=rf"data_batch_3\.bin is damaged.*4 records of 3073 bytes, 12292.*{len(wrong)} "
            r"bytes.*Fetch cifar-10-binary\.tar\.gz.*toronto",
        ):
            load_cifar10(data_home=tmp_path)


def test_label_out_of_range(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    write("cifar100", folder)
    path = folder / "test.bin"
    good = path.read_bytes()
    for place, kind, top in ((2 * 3074, "coarse_target", 19), (2 * 3074 + 1, "target", 99)):
        content = bytearray(good)
        content[place] = top + 1
        path.write_bytes(content)
        with pytest.raises(
            ValueError,
            match=rf"test\.bin is damaged: the {kind} labels must be in \[0, {top}\]; got "
            rf"{top + 1} in record 2",
        ):
            load_cifar100(data_home=tmp_path)
    content[place] = top
    path.write_bytes(content)
    assert load_cifar100(data_home=tmp_path).test_target[2] == 99


def test_names_missing(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    write("cifar100", folder)
    (folder / "fine_label_names.txt").write_text("apple\n")
    with pytest.raises(ValueError, match="fine_label_names.txt must name 100 classes.*got 1"):
        load_cifar100(data_home=tmp_path)


@pytest.mark.parametrize("how", ["cut", "not gzip", "broken", "no member", "huge member"])
def test_damaged_archive_is_named(how, tmp_path):
    folder = tmp_path / "unpacked" / "cifar-10-batches-bin"
    write("cifar10", folder)
    path = tmp_path / "cifar-10-binary.tar.gz"
    if how == "no member":
        (folder / "data_batch_5.bin").unlink()
    pack(folder, path)
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "not gzip":
        path.write_bytes(b"<html>not found</html>")
    elif how == "broken":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes(100) + content[middle + 100 :])
    elif how == "huge member":
        tar = io.BytesIO(gzip.decompress(content))
        with tarfile.open(fileobj=tar, mode="a") as archive:
            member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
            member.size = 1_000_000
            archive.addfile(member, io.BytesIO(bytes(member.size)))
        path.write_bytes(gzip.compress(tar.getvalue()))
    with pytest.raises(ValueError, match=r"cifar-10-binary\.tar\.gz .*Fetch cifar-10-binary"):
        load_cifar10(data_home=tmp_path)


def test_archive_members_of_other_kinds_are_not_followed(tmp_path):
    """A link of the right name is no file of the data set."""
    folder = tmp_path / "unpacked" / "cifar-10-batches-bin"
    write("cifar10", folder)
    (folder / "test_batch.bin").unlink()
    (folder / "test_batch.bin").symlink_to("data_batch_1.bin")
    pack(folder, tmp_path / "cifar-10-binary.tar.gz")
    with pytest.raises(ValueError, match=r"lacks \['test_batch.bin'\]"):
        load_cifar10(data_home=tmp_path)


def test_nothing_there_or_a_part(tmp_path):
    with pytest.raises(
        OSError,
        match=r"CIFAR-100 was not found in .*Fetch cifar-100-binary.tar.gz.*data_home or set the "
        "environment variable SKSUBSEL_DATA",
    ):
        load_cifar100(data_home=tmp_path)
    with pytest.raises(OSError, match=r"^CIFAR-10 was not found\. Fetch"):
        load_cifar10()
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(OSError, match=r"cifar-10-batches-py is the version for Python, pickles"):
        load_cifar10(data_home=tmp_path)
    folder = tmp_path / "cifar-10-batches-bin"
    write("cifar10", folder)
    (folder / "batches.meta.txt").unlink()
    with pytest.raises(OSError, match=r"only a part of CIFAR-10; missing: \['batches.meta.txt'\]"):
        load_cifar10(data_home=tmp_path)
