"""Every way in which copies of CelebA are known to differ."""

from pathlib import Path

import numpy as np
import pytest

from reference_model.data.catalogue import Catalogue
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import ReadOptions
from reference_model.data.sets import celeba
from reference_model.data.sets.celeba import read_celeba_labels
from tests.reference_model.data.builders import NAMES, TinyCelebA, replace

SPLIT = ["train", "train", "train", "valid", "test", "test"]
ATTRIBUTES, PARTITION, IDENTITY = LISTS = ("list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The six pictures, as they should be."""
    return TinyCelebA().write(tmp_path)


def read_celeba(root: Path) -> Catalogue:
    return celeba.read_celeba(root, ReadOptions())


def read_targets(root: Path, **options: str) -> np.ndarray:
    return read_celeba_labels(root, **options).labels["attributes"].values


def assert_is_tiny(root: Path, images: Path, identity: list[int] | None) -> None:
    table = read_celeba(root)
    attributes = table.labels["attributes"]
    assert attributes.names == NAMES
    np.testing.assert_array_equal(attributes.values, TinyCelebA().expected)
    assert attributes.values.dtype == np.float32
    assert table.split.tolist() == SPLIT
    assert [table.pictures.describe(row) for row in range(6)] == [str(images / name) for name in TinyCelebA().files]
    assert all(table.pictures.read(row) for row in range(6))
    assert (None if table.person is None else table.person.tolist()) == identity


def assert_is_flat(root: Path) -> None:
    assert_is_tiny(root, root / "img_align_celeba", [5, 5, 7, 9, 11, 12])


class TestLayouts:
    def test_without_identities(self, tmp_path: Path) -> None:
        assert_is_tiny(TinyCelebA(identity=None).write(tmp_path), tmp_path / "img_align_celeba", None)

    @pytest.mark.parametrize("name", ["celeba", "CelebA"])
    def test_torchvisions_subfolder(self, tmp_path: Path, name: str) -> None:
        TinyCelebA().write(tmp_path / name)
        assert_is_tiny(tmp_path, tmp_path / name / "img_align_celeba", [5, 5, 7, 9, 11, 12])

    def test_official_tree(self, tmp_path: Path) -> None:
        TinyCelebA(folders={"attr": "Anno", "eval": "Eval", "img": "Img"}).write(tmp_path)
        assert_is_tiny(tmp_path, tmp_path / "Img" / "img_align_celeba", [5, 5, 7, 9, 11, 12])

    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    def test_csv_files_and_nested_pictures(self, tmp_path: Path, newline: str) -> None:
        TinyCelebA().write_csv(tmp_path, newline=newline)
        assert_is_tiny(tmp_path, tmp_path / "img_align_celeba" / "img_align_celeba", None)

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no such folder"):
            read_celeba(tmp_path / "nothing")
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match="not a folder"):
            read_celeba(tmp_path / "file")

    @pytest.mark.parametrize("stem", ["list_attr_celeba", "list_eval_partition"])
    def test_a_missing_list_is_named_with_the_places_searched(self, tiny: Path, stem: str) -> None:
        (tiny / f"{stem}.txt").unlink()
        with pytest.raises(DataError, match=rf"no {stem}\.txt or {stem}\.csv in .*Anno, Eval, Img"):
            read_celeba(tiny)


class TestText:
    @pytest.mark.parametrize("name", LISTS)
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
    def test_another_encoding_is_named(self, tiny: Path, name: str, encoding: str) -> None:
        (tiny / name).write_bytes((tiny / name).read_text().encode(encoding))
        with pytest.raises(DataError, match=rf"{name}: it is encoded in {encoding[:6].upper()}.*: save it in UTF-8"):
            read_celeba(tiny)

    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("header_end", ["", " ", "  "])
    def test_line_ends_and_trailing_spaces(self, tmp_path: Path, newline: str, header_end: str) -> None:
        assert_is_flat(TinyCelebA(newline=newline, header_end=header_end).write(tmp_path))

    def test_lines_that_end_in_cr_alone(self, tiny: Path) -> None:
        """Only in rows: no known copy has a header that ends so."""
        path = tiny / PARTITION
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))
        assert_is_flat(tiny)

    def test_empty_lines_a_byte_order_mark_and_no_final_line_end(self, tiny: Path) -> None:
        for path in (tiny / name for name in LISTS):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"000004", b"\n\n000004").rstrip())
        assert_is_flat(tiny)

    def test_without_the_count_line(self, tiny: Path) -> None:
        replace(tiny / ATTRIBUTES, "6\n", "")
        assert_is_flat(tiny)

    def test_rows_in_another_order_than_the_partitions(self, tiny: Path) -> None:
        for path in (tiny / PARTITION, tiny / IDENTITY):
            path.write_text("\n".join(reversed(path.read_text().splitlines())) + "\n")
        assert_is_flat(tiny)

    @pytest.mark.parametrize("name", LISTS)
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (
                b"<!DOCTYPE html><html><title>Quota exceeded</title></html>",
                "it is .*web page saved in place of the file",
            ),
            (b"\n  <html><body>Sign in</body></html>", "it is .*web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "it is .*Git LFS pointer"),
            (b"PK\x03\x04rest of an archive", "it is .*archive: unpack it"),
            (b"", ".*empty"),
        ],
    )
    def test_something_else_under_the_files_name(self, tiny: Path, name: str, content: bytes, message: str) -> None:
        (tiny / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"{name}: {message}"):
            read_celeba(tiny)

    @pytest.mark.parametrize(
        ("name", "old", "new", "message"),
        [
            *(
                (ATTRIBUTES, "6\n", f"{n}\n", f"declares {n} rows and there are 6; the file may be cut off")
                for n in (5, 7)
            ),
            (ATTRIBUTES, "000003.jpg  1  1 -1", "000003.jpg  1", "line 5: expected 4 fields, got 2"),
            *((name, "03.jpg", "02.jpg", rf"{name}: 1 repeated picture name\(s\): 000002\.jpg") for name in LISTS),
            (ATTRIBUTES, "Young", "Bald", r"1 repeated attribute name\(s\): Bald"),
            *(
                (
                    ATTRIBUTES,
                    "04.jpg -1 -1",
                    f"04.jpg -1 {bad}",
                    rf"{ATTRIBUTES}, line 6: expected -1, 0 or 1 .*got '{bad}'",
                )
                for bad in ("2", "-2", "x", "0.5", "--1", "11", "-", "1e300", "inf")
            ),
            *(
                (PARTITION, "05.jpg 2", f"05.jpg {bad}", rf"{PARTITION}, line 5: a partition must be .*got '?{bad}")
                for bad in ("3", "-1", "train")
            ),
            (IDENTITY, "03.jpg 7", "03.jpg Ada", "line 3: an identity must be a whole number, got 'Ada'"),
            (PARTITION, "000003.jpg 0\n", "", rf"1 pictures of {ATTRIBUTES} have no partition: 000003\.jpg"),
        ],
    )
    def test_a_mistake_is_named(self, tiny: Path, name: str, old: str, new: str, message: str) -> None:
        replace(tiny / name, old, new)
        with pytest.raises(DataError, match=message):
            read_celeba(tiny)

    @pytest.mark.parametrize(
        ("name", "old", "new", "message", "identity"),
        [
            (PARTITION, "06.jpg 2\n", "06.jpg 2\n7.jpg 1\n", r"1 pictures have no labels and are not used: 7\.jpg", 7),
            (IDENTITY, "000003.jpg 7\n", "", r"1 pictures have no identity: 000003\.jpg; theirs is set to -1", -1),
            (IDENTITY, "11\n000006.jpg 12", "5\n000006.jpg 9", "2 people are in more than one partition.*5, 9", 7),
        ],
    )
    def test_a_warning(self, tiny: Path, name: str, old: str, new: str, message: str, identity: int) -> None:
        replace(tiny / name, old, new)
        with pytest.warns(DataWarning, match=message):
            table = read_celeba(tiny)
        assert table.split.tolist() == SPLIT
        assert table.person is not None
        assert table.person.tolist()[:4] == [5, 5, identity, 9]


class TestMissingLabels:
    def test_zero_and_nan_are_missing_beside_minus_one(self, tmp_path: Path) -> None:
        rows = ("0 1 -1", "-1 nan 1", "1 1 NA", "-1 ? -1", "-1 1 1", "1.0 -1 -1.0")
        targets = read_targets(TinyCelebA(rows=rows).write(tmp_path))
        nan = np.nan
        expected = [[nan, 1, 0], [0, nan, 1], [1, 1, nan], [0, nan, 0], [0, 1, 1], [1, 0, 0]]
        np.testing.assert_array_equal(targets, np.array(expected, dtype=np.float32))

    def test_zero_is_absent_where_no_minus_one_occurs(self, tmp_path: Path) -> None:
        rows = tuple(row.replace("-1", "0") for row in TinyCelebA().rows)
        assert_is_flat(TinyCelebA(rows=rows).write(tmp_path))

    def test_the_encoding_can_be_set(self, tmp_path: Path) -> None:
        rows = ("0 1 1", "1 1 1", "1 0 1", "1 1 1", "1 1 0", "1 1 1")
        root = TinyCelebA(rows=rows).write(tmp_path)
        assert np.isnan(read_targets(root, encoding="signed")).sum() == 3
        assert (read_targets(root, encoding="binary") == 0).sum() == 3
        with pytest.raises(DataError, match="holds -1, but the encoding was said to be binary"):
            read_targets(TinyCelebA().write(tmp_path), encoding="binary")
        with pytest.raises(ValueError, match="encoding must be 'auto', 'signed' or 'binary', got 'ternary'"):
            read_targets(root, encoding="ternary")

    def test_empty_and_quoted_csv_fields(self, tmp_path: Path) -> None:
        path = TinyCelebA().write_csv(tmp_path) / "list_attr_celeba.csv"
        replace(path, "000001.jpg,-1,1,-1", "000001.jpg,,1,")
        replace(path, "000002.jpg,-1,-1,1", '"000002.jpg","-1", -1 ,"1"')
        targets = read_targets(tmp_path)
        np.testing.assert_array_equal(targets[0], np.array([np.nan, 1, np.nan], dtype=np.float32))
        np.testing.assert_array_equal(targets[1:], TinyCelebA().expected[1:])


class TestMissingPictures:
    def test_are_counted_and_the_first_few_named(self, tiny: Path) -> None:
        for name in ("000002.jpg", "000005.jpg"):
            (tiny / "img_align_celeba" / name).unlink()
        with pytest.raises(DataError, match=r"2 of 6 pictures of list_attr_.* are not in .*: 000002\.jpg, 000005\.jpg"):
            read_celeba(tiny)
        with pytest.warns(DataWarning, match="2 of 6 pictures.*rows are left out"):
            table = celeba.read_celeba(tiny, ReadOptions(missing="skip"))
        assert [table.pictures.name(row)[5] for row in range(4)] == ["1", "3", "4", "6"]
        np.testing.assert_array_equal(table.labels["attributes"].values, TinyCelebA().expected[[0, 2, 3, 5]])
        assert table.split.tolist() == ["train", "train", "valid", "test"]
        assert len(read_celeba_labels(tiny)) == 6

    def test_none_left_is_an_error_even_when_skipping(self, tiny: Path) -> None:
        for path in (tiny / "img_align_celeba").iterdir():
            path.unlink()
        with pytest.raises(DataError, match="6 of 6 pictures"):
            celeba.read_celeba(tiny, ReadOptions(missing="skip"))

    def test_no_folder_of_pictures(self, tiny: Path) -> None:
        (tiny / "img_align_celeba").rename(tiny / "pictures")
        with pytest.raises(DataError, match="no folder img_align_celeba in"):
            read_celeba(tiny)
        assert len(read_celeba_labels(tiny)) == 6
        (tiny / "img_align_celeba.zip").write_bytes(b"PK\x03\x04")
        with pytest.raises(DataError, match=r"img_align_celeba\.zip is still packed: unpack it"):
            read_celeba(tiny)
