"""Bad tables, each with what is wrong with it: the files, the arguments, and what the error must name."""

import gzip
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GOOD = "id,a,b\n" + "".join(f"r{row},{row % 2},{row // 2 % 2}\n" for row in range(8))
LABELS_ONLY = "a,b\n1,0\n0,1\n1,1\n"


def npz(**arrays):
    """The bytes of an .npz."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def parquet(**columns):
    """The bytes of a Parquet file."""
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


ONES = [0, 1] * 50
WHOLE = parquet(a=ONES, b=ONES[::-1])

BAD = {
    "a row that is too short": ({"t.csv": GOOD + "r9,1\n"}, [], ["t.csv, row 9, line 10", "got 2", "complete the row"]),
    "a row that is too long": ({"t.csv": GOOD + "r9,1,0,1\n"}, [], ["row 9, line 10", "expected 3 cells", "got 4"]),
    "a web page": ({"t.csv": "<!DOCTYPE html>\n<html>not here</html>\n"}, [], ["t.csv: the file is a web page"]),
    "UTF-16": ({"t.csv": GOOD.encode("utf-16")}, [], ["UTF-16", "iconv"]),
    "latin-1": ({"t.csv": (GOOD + "é,1,0\n").encode("latin-1")}, [], ["line 10", "latin-1", "iconv"]),
    "bytes that are no text": ({"t.bin": b"\x00\x01\x02\x03" * 50}, [], ["t.bin: the file is not UTF-8"]),
    "a zero byte in a cell": ({"t.csv": "a,b\n1,0\n\x00,1\n"}, [], ["t.csv", "is no text"]),
    "two columns of one name": ({"t.csv": GOOD.replace("a,b", "a,a")}, [], ["column 'a'", "same name", "rename"]),
    "a column without a name": ({"t.csv": GOOD.replace("id,a", "id,")}, [], ["column 2 has no name"]),
    "a value outside the coding": ({"t.csv": GOOD + "r9,2,0\n"}, [], ["row 9, column 'a'", "got '2'", "--drop a"]),
    "a bad value in the first label": (
        {"t.csv": "a,b,c\n" + "1,0,1\n0,1,1\n" * 9 + "maybe,0,1\n"},
        [],
        ["column 'a'", "got 'maybe'", "--drop a"],
    ),
    "a late yes": (
        {"t.csv": GOOD + "".join(f"r{row},{row % 2},1\n" for row in range(500)) + "r,yes,0\n"},
        [],
        ["row 509, line 510, column 'a'", "got 'yes'"],
    ),
    "a fraction": ({"t.csv": GOOD + "r9,0.5,0\n"}, [], ["row 9, column 'a'", "got '0.5'"]),
    "an infinite value": ({"t.csv": GOOD + "r9,inf,0\n"}, [], ["row 9, column 'a'", "got 'inf'"]),
    "a number beyond floating point": ({"t.csv": GOOD + "r9,1e400,0\n"}, [], ["row 9, column 'a'", "got '1e400'"]),
    "0, 1 and -1": ({"t.csv": GOOD + "r9,-1,0\n"}, [], ["row 9, column 'a'", "uncertain", "--values u-ignore"]),
    "no label column": ({"t.csv": "id,text\na,b\nc,d\n"}, [], ["column 'text'", "got 'b'", "--labels"]),
    "one row": ({"t.csv": "a,b\n1,0\n"}, [], ["at least two labels that vary", "1 rows"]),
    "one column": ({"t.csv": "a\n1\n0\n"}, [], ["at least two labels", "got 'a'"]),
    "a constant table": ({"t.csv": "a,b\n" + "1,0\n" * 20}, [], ["at least two labels that vary", "constant"]),
    "an empty file": ({"t.csv": ""}, [], ["t.csv: the file is empty"]),
    "a header alone": ({"t.csv": "a,b\n"}, [], ["t.csv: the table has a header and no rows"]),
    "the wrong delimiter": ({"t.csv": GOOD.replace(",", " ")}, [], ["t.csv", "--labels"]),
    "names of 10,000 characters": (
        {"t.csv": f"id,{'n' * 10_000},{'m' * 10_000}\n" + "x,1,0\ny,0,1\nz,3,1\n"},
        [],
        ["nnn...", "got '3'"],
    ),
    "20,000 columns": (
        {"t.csv": ",".join(f"c{k}" for k in range(20_000)) + "\n" + ",".join("01" * 10_000) + "\n"},
        [],
        ["20,000 labels", "of memory", "--labels"],
    ),
    "truncated gzip": (
        {"t.csv.gz": gzip.compress((GOOD * 200).encode())[:100]},
        [],
        ["t.csv.gz", "cut off or damaged"],
    ),
    "truncated Parquet": ({"t.parquet": WHOLE[: len(WHOLE) // 2]}, [], ["t.parquet", "cut off or damaged"]),
    "Parquet files of other columns": (
        {"a.parquet": WHOLE, "b.parquet": parquet(a=ONES, c=ONES)},
        [],
        ["b.parquet, column 'b'", "a.parquet"],
    ),
    "words in Parquet": (
        {"t.parquet": parquet(key=["x", "y"], a=["u", "v"], b=[0, 1])},
        [],
        ["column 'a'", "got 'u'"],
    ),
    "CSV files of other columns": (
        {"a.csv": GOOD, "b.csv": GOOD.replace("a,b", "a,c")},
        [],
        ["b.csv, column 'b'", "a.csv"],
    ),
    "objects in an npz": ({"t.npz": npz(Y=np.array([[1, "x"]], object))}, [], ["Python objects", "never unpickles"]),
    "a truncated npz": ({"t.npz": npz(Y=np.eye(50, dtype=int))[:-200]}, [], ["t.npz", "cut off or damaged"]),
    "values in an npz": ({"t.npz": npz(Y=np.array([[0, 1], [2, 0]]))}, [], ["row 2, column '0'", "got 2"]),
    "names that do not fit": ({"t.npz": npz(Y=np.eye(5, dtype=int), label_names=["a"])}, [], ["1 names for 5 columns"]),
    "a spreadsheet": ({"t.xlsx": b"PK\x03\x04rest"}, [], ["t.xlsx", "spreadsheet", "CSV"]),
    "ARFF without its XML": (
        {"t.arff": "@relation x\n@attribute f numeric\n@attribute l {0,1}\n@data\n1.5,0\n"},
        [],
        ["t.arff", "MULAN's t.xml", "--labels"],
    ),
    "JSON that ends early": (
        {"t.jsonl": '{"labels":["a"]}\n{"labels":\n'},
        ["--list-column", "labels"],
        ["t.jsonl, row 2, line 2", "no JSON"],
    ),
    "a word in svmlight": ({"t.svm": "1,2 1:0.5\nx 2:1\n"}, [], ["t.svm, row 2, line 2", "got 'x'"]),
    "no such list column": (
        {"t.csv": "id,l\n1,a|b\n2,b\n"},
        ["--list-column", "tags"],
        ["column 'tags'", "there is no such column"],
    ),
    "fewer rows than CelebA's first line says": (
        {"t.txt": "5\na b\nx.jpg 1 -1\ny.jpg -1 1\n"},
        [],
        ["the first line says 5 rows, and the file holds 2"],
    ),
    "a value in CelebA's text": ({"t.txt": "2\na b\nx.jpg 1 -1\ny.jpg -1 3\n"}, [], ["row 2, column 'b'", "got '3'"]),
    "no such column to drop": ({"t.csv": GOOD}, ["--drop", "c"], ["column 'c'", "no such column", "'id', 'a', 'b'"]),
    "no such column of ids": ({"t.csv": GOOD}, ["--id", "name"], ["column 'name'", "no such column"]),
    "no such format": ({"t.csv": GOOD}, ["--format", "xls"], ["--format must be one of csv", "got 'xls'"]),
    "an id without a group": (
        {"t.csv": GOOD, "groups.txt": "r0 1\nr1 2\n"},
        ["--groups", "groups.txt"],
        ["row 3", "no group in groups.txt", "got 'r2'"],
    ),
    "a decay above 1": ({"t.csv": LABELS_ONLY}, ["--decay", "1.5"], ["--decay must be in (0, 1]", "got 1.5"]),
    "a decay of 0": ({"t.csv": LABELS_ONLY}, ["--decay", "0"], ["--decay must be in (0, 1]", "got 0.0"]),
}
"""For each kind of fault: the files by name, further arguments, and parts of the line of the error. All files but
groups.txt are tables."""
