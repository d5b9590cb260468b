"""Every way in which copies of CelebA are known to differ."""

from pathlib import Path

import numpy as np
import pytest

from reference_model.data.celeba import read_celeba
from reference_model.data.errors import DataError, DataWarning
from tests.reference_model.data.builders import NAMES, TinyCelebA, replace

SPLIT = ["train", "train", "train", "valid", "test", "test"]


def assert_is_tiny(root: Path, images: Path) -> None:
    table = read_celeba(root)
    assert table.names == NAMES
    np.testing.assert_array_equal(table.targets, TinyCelebA().expected)
    assert table.targets.dtype == np.float32
    assert table.split.tolist() == SPLIT
    assert list(table.files) == [images / name for name in TinyCelebA().files]
    assert all(path.is_file() for path in table.files)


class TestLayouts:
    def test_flat(self, tmp_path: Path) -> None:
        assert_is_tiny(TinyCelebA().write(tmp_path), tmp_path / "img_align_celeba")

    @pytest.mark.parametrize("name", ["celeba", "CelebA"])
    def test_torchvisions_subfolder(self, tmp_path: Path, name: str) -> None:
        TinyCelebA().write(tmp_path / name)
        assert_is_tiny(tmp_path, tmp_path / name / "img_align_celeba")

    def test_official_tree(self, tmp_path: Path) -> None:
        TinyCelebA(folders={"attr": "Anno", "eval": "Eval", "img": "Img"}).write(tmp_path)
        assert_is_tiny(tmp_path, tmp_path / "Img" / "img_align_celeba")

    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_csv_files_and_nested_pictures(self, tmp_path: Path, newline: str) -> None:
        TinyCelebA().write_csv(tmp_path, newline=newline)
        assert_is_tiny(tmp_path, tmp_path / "img_align_celeba" / "img_align_celeba")
        assert read_celeba(tmp_path).identity is None

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no such folder"):
            read_celeba(tmp_path / "nothing")
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match="not a folder"):
            read_celeba(tmp_path / "file")

    @pytest.mark.parametrize("stem", ["list_attr_celeba", "list_eval_partition"])
    def test_a_missing_list_is_named_with_the_places_searched(self, tmp_path: Path, stem: str) -> None:
        (TinyCelebA().write(tmp_path) / f"{stem}.txt").unlink()
        with pytest.raises(DataError, match=rf"no {stem}\.txt or {stem}\.csv in .*Anno, Eval, Img"):
            read_celeba(tmp_path)


class TestText:
    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("header_end", ["", " ", "  "])
    def test_line_ends_and_trailing_spaces(self, tmp_path: Path, newline: str, header_end: str) -> None:
        if newline == "\r":  # only the rows: no known copy has a header that ends in CR alone
            TinyCelebA().write(tmp_path)
            path = tmp_path / "list_eval_partition.txt"
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))
        else:
            TinyCelebA(newline=newline, header_end=header_end).write(tmp_path)
        assert_is_tiny(tmp_path, tmp_path / "img_align_celeba")
        table = read_celeba(tmp_path)
        assert table.identity is not None
        assert table.identity.tolist() == [5, 5, 7, 9, 11, 12]

    @pytest.mark.parametrize("gap", [" ", "  ", "\t", "   "])
    def test_any_number_of_spaces(self, tmp_path: Path, gap: str) -> None:
        rows = [gap.join(row.split()) for row in TinyCelebA().rows]
        assert_is_tiny(TinyCelebA(rows=rows).write(tmp_path), tmp_path / "img_align_celeba")

    def test_empty_lines_a_byte_order_mark_and_no_final_line_end(self, tmp_path: Path) -> None:
        TinyCelebA().write(tmp_path)
        for name in ("list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt"):
            path = tmp_path / name
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"000004", b"\n\n000004").rstrip())
        assert_is_tiny(tmp_path, tmp_path / "img_align_celeba")

    def test_without_the_count_line(self, tmp_path: Path) -> None:
        replace(TinyCelebA().write(tmp_path) / "list_attr_celeba.txt", "6\n", "")
        assert_is_tiny(tmp_path, tmp_path / "img_align_celeba")

    @pytest.mark.parametrize("name", ["list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt"])
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"<!DOCTYPE html><html><title>Quota exceeded</title></html>", "web page saved in place of the file"),
            (b"\n  <html><body>Sign in</body></html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
            (b"PK\x03\x04rest of an archive", "archive: unpack it"),
            (b"", "empty"),
        ],
    )
    def test_something_else_under_the_files_name(self, tmp_path: Path, name: str, content: bytes, message: str) -> None:
        (TinyCelebA().write(tmp_path) / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"{name}: it is .*{message}" if message != "empty" else message):
            read_celeba(tmp_path)

    def test_rows_in_another_order_than_the_partitions(self, tmp_path: Path) -> None:
        TinyCelebA().write(tmp_path)
        for name in ("list_eval_partition.txt", "identity_CelebA.txt"):
            path = tmp_path / name
            path.write_text("\n".join(reversed(path.read_text().splitlines())) + "\n")
        assert_is_tiny(tmp_path, tmp_path / "img_align_celeba")
        table = read_celeba(tmp_path)
        assert table.identity is not None
        assert table.identity.tolist() == [5, 5, 7, 9, 11, 12]

    @pytest.mark.parametrize("count", ["5", "7", "202599"])
    def test_a_count_that_disagrees(self, tmp_path: Path, count: str) -> None:
        TinyCelebA(count=count).write(tmp_path)
        with pytest.raises(DataError, match=rf"declares {count} rows and there are 6; the file may be cut off"):
            read_celeba(tmp_path)

    def test_a_row_that_is_cut_off(self, tmp_path: Path) -> None:
        replace(TinyCelebA().write(tmp_path) / "list_attr_celeba.txt", "000003.jpg  1  1 -1", "000003.jpg  1")
        with pytest.raises(DataError, match="line 5: expected 4 fields, got 2"):
            read_celeba(tmp_path)

    @pytest.mark.parametrize("name", ["list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt"])
    def test_a_picture_listed_twice(self, tmp_path: Path, name: str) -> None:
        replace(TinyCelebA().write(tmp_path) / name, "000003.jpg", "000002.jpg")
        with pytest.raises(DataError, match=rf"{name}: 1 repeated picture name\(s\): 000002\.jpg"):
            read_celeba(tmp_path)

    def test_an_attribute_listed_twice(self, tmp_path: Path) -> None:
        TinyCelebA(names=("Bald", "Male", "Bald")).write(tmp_path)
        with pytest.raises(DataError, match=r"1 repeated attribute name\(s\): Bald"):
            read_celeba(tmp_path)

    @pytest.mark.parametrize("bad", ["2", "-2", "x", "0.5", "--1", "11", "-", "1e300", "inf"])
    def test_a_value_that_is_no_label(self, tmp_path: Path, bad: str) -> None:
        replace(TinyCelebA().write(tmp_path) / "list_attr_celeba.txt", "000004.jpg -1 -1", f"000004.jpg -1 {bad}")
        with pytest.raises(DataError, match=rf"list_attr_celeba\.txt, line 6: expected -1, 0 or 1 .*got '{bad}'"):
            read_celeba(tmp_path)

    @pytest.mark.parametrize("bad", ["3", "-1", "train"])
    def test_a_partition_that_is_none(self, tmp_path: Path, bad: str) -> None:
        replace(TinyCelebA().write(tmp_path) / "list_eval_partition.txt", "000005.jpg 2", f"000005.jpg {bad}")
        with pytest.raises(DataError, match=rf"list_eval_partition\.txt, line 5: a partition must be .*got '?{bad}"):
            read_celeba(tmp_path)

    def test_an_identity_that_is_no_number(self, tmp_path: Path) -> None:
        replace(TinyCelebA().write(tmp_path) / "identity_CelebA.txt", "000003.jpg 7", "000003.jpg Ada")
        with pytest.raises(DataError, match="line 3: an identity must be a whole number, got 'Ada'"):
            read_celeba(tmp_path)


class TestMissingLabels:
    def test_zero_and_nan_are_missing_beside_minus_one(self, tmp_path: Path) -> None:
        rows = ("0 1 -1", "-1 nan 1", "1 1 NA", "-1 ? -1", "-1 1 1", "1.0 -1 -1.0")
        targets = read_celeba(TinyCelebA(rows=rows).write(tmp_path)).targets
        nan = np.nan
        expected = [[nan, 1, 0], [0, nan, 1], [1, 1, nan], [0, nan, 0], [0, 1, 1], [1, 0, 0]]
        np.testing.assert_array_equal(targets, np.array(expected, dtype=np.float32))

    def test_zero_is_absent_where_no_minus_one_occurs(self, tmp_path: Path) -> None:
        rows = tuple(row.replace("-1", "0") for row in TinyCelebA().rows)
        assert_is_tiny(TinyCelebA(rows=rows).write(tmp_path), tmp_path / "img_align_celeba")

    def test_the_encoding_can_be_set(self, tmp_path: Path) -> None:
        rows = ("0 1 1", "1 1 1", "1 0 1", "1 1 1", "1 1 0", "1 1 1")
        root = TinyCelebA(rows=rows).write(tmp_path)
        assert np.isnan(read_celeba(root, encoding="signed").targets).sum() == 3
        assert (read_celeba(root, encoding="binary").targets == 0).sum() == 3
        with pytest.raises(DataError, match="holds -1, but the encoding was said to be binary"):
            read_celeba(TinyCelebA().write(tmp_path), encoding="binary")
        with pytest.raises(ValueError, match="encoding must be 'auto', 'signed' or 'binary', got 'ternary'"):
            read_celeba(root, encoding="ternary")

    def test_empty_and_quoted_csv_fields(self, tmp_path: Path) -> None:
        path = TinyCelebA().write_csv(tmp_path) / "list_attr_celeba.csv"
        replace(path, "000001.jpg,-1,1,-1", "000001.jpg,,1,")
        replace(path, "000002.jpg,-1,-1,1", '"000002.jpg","-1", -1 ,"1"')
        targets = read_celeba(tmp_path).targets
        np.testing.assert_array_equal(targets[0], np.array([np.nan, 1, np.nan], dtype=np.float32))
        np.testing.assert_array_equal(targets[1:], TinyCelebA().expected[1:])


class TestDisagreement:
    def test_labels_without_a_partition(self, tmp_path: Path) -> None:
        replace(TinyCelebA().write(tmp_path) / "list_eval_partition.txt", "000003.jpg 0\n", "")
        with pytest.raises(DataError, match=r"1 pictures of list_attr_celeba\.txt have no partition: 000003\.jpg"):
            read_celeba(tmp_path)

    def test_a_partition_without_labels_is_a_warning(self, tmp_path: Path) -> None:
        path = TinyCelebA().write(tmp_path) / "list_eval_partition.txt"
        path.write_text(path.read_text() + "000007.jpg 1\n")
        with pytest.warns(DataWarning, match=r"1 pictures have no labels and are not used: 000007\.jpg"):
            table = read_celeba(tmp_path)
        assert table.split.tolist() == SPLIT

    def test_a_missing_identity_is_a_warning(self, tmp_path: Path) -> None:
        replace(TinyCelebA().write(tmp_path) / "identity_CelebA.txt", "000003.jpg 7\n", "")
        with pytest.warns(DataWarning, match=r"1 pictures have no identity: 000003\.jpg; theirs is set to -1"):
            table = read_celeba(tmp_path)
        assert table.identity is not None
        assert table.identity.tolist() == [5, 5, -1, 9, 11, 12]

    def test_a_person_in_two_partitions_is_a_warning(self, tmp_path: Path) -> None:
        TinyCelebA(identity=("5", "5", "7", "9", "5", "9")).write(tmp_path)
        with pytest.warns(DataWarning, match="2 people are in more than one partition.*5, 9"):
            read_celeba(tmp_path)

    def test_without_identities(self, tmp_path: Path) -> None:
        assert read_celeba(TinyCelebA(identity=None).write(tmp_path)).identity is None


class TestMissingPictures:
    def test_are_counted_and_the_first_few_named(self, tmp_path: Path) -> None:
        images = TinyCelebA().write(tmp_path) / "img_align_celeba"
        for name in ("000002.jpg", "000005.jpg"):
            (images / name).unlink()
        with pytest.raises(DataError, match=r"2 of 6 pictures with labels are not in .*: 000002\.jpg, 000005\.jpg"):
            read_celeba(tmp_path)
        with pytest.warns(DataWarning, match="2 of 6 pictures.*rows are left out"):
            table = read_celeba(tmp_path, missing="skip")
        assert [path.name for path in table.files] == ["000001.jpg", "000003.jpg", "000004.jpg", "000006.jpg"]
        np.testing.assert_array_equal(table.targets, TinyCelebA().expected[[0, 2, 3, 5]])
        assert table.split.tolist() == ["train", "train", "valid", "test"]
        assert len(read_celeba(tmp_path, missing="ignore")) == 6

    def test_none_left_is_an_error_even_when_skipping(self, tmp_path: Path) -> None:
        images = TinyCelebA().write(tmp_path) / "img_align_celeba"
        for path in images.iterdir():
            path.unlink()
        with pytest.raises(DataError, match="6 of 6 pictures"):
            read_celeba(tmp_path, missing="skip")

    def test_no_folder_of_pictures(self, tmp_path: Path) -> None:
        images = TinyCelebA().write(tmp_path) / "img_align_celeba"
        images.rename(tmp_path / "pictures")
        with pytest.raises(DataError, match="no folder img_align_celeba in"):
            read_celeba(tmp_path)
        assert len(read_celeba(tmp_path, missing="ignore")) == 6

    def test_pictures_still_packed(self, tmp_path: Path) -> None:
        images = TinyCelebA().write(tmp_path) / "img_align_celeba"
        images.rename(tmp_path / "pictures")
        (tmp_path / "img_align_celeba.zip").write_bytes(b"PK\x03\x04")
        with pytest.raises(DataError, match=r"img_align_celeba\.zip is still packed: unpack it"):
            read_celeba(tmp_path)

    def test_an_unknown_choice(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="missing must be 'error', 'skip' or 'ignore', got 'drop'"):
            read_celeba(TinyCelebA().write(tmp_path), missing="drop")
