"""The command's frame: exit statuses, errors and warnings in one line, progress."""

import io
import os
import subprocess
import sys
import warnings
from types import ModuleType

import numpy as np
import pytest

from obrl import __version__
from obrl.mining import MiningError, MiningWarning, TableError
from obrl.mining.blocks import Block, DenseLabels
from obrl.mining.cli import COMMANDS, main
from obrl.mining.cli.options import names
from obrl.mining.cli.progress import Progress, progress_line


@pytest.fixture
def command(monkeypatch):
    """Registers a subcommand `probe` that calls a function; returns the registration."""

    def register(function):
        module = ModuleType("obrl.mining.cli.probe")
        module.add_arguments = lambda parser: None
        module.run = function
        monkeypatch.setitem(sys.modules, "obrl.mining.cli.probe", module)
        monkeypatch.setitem(COMMANDS, "probe", "test")

    return register


def raising(error):
    def run(options):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (TableError("is bad", file="a.csv", row=3), 2, "obrl: error: a.csv, row 3: is bad\n"),
        (MiningError("two\nlines\x1b[31m"), 2, "obrl: error: two\\nlines\\x1b[31m\n"),
        (ValueError("decay"), 2, "obrl: error: decay\n"),
        (
            FileNotFoundError(2, "No such file or directory", "x.csv"),
            2,
            "obrl: error: x.csv: no such file or directory\n",
        ),
        (OSError("plain"), 2, "obrl: error: plain\n"),
        (MemoryError(), 2, "obrl: error: not enough memory; name fewer labels with --labels\n"),
        (KeyboardInterrupt(), 130, "obrl: interrupted: nothing was written\n"),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_errors_are_one_line_and_a_status(command, capsys, error, status, line):
    command(raising(error))
    assert main(["probe"]) == status
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == ("", line)


def test_a_fault_of_the_program_is_no_error_of_the_user(command):
    command(raising(AttributeError("fault")))
    with pytest.raises(AttributeError, match="fault"):
        main(["probe"])


def test_warnings_are_one_line_and_change_no_status(command, capsys):
    def run(options):
        warnings.warn("rows\nare ordered", MiningWarning, stacklevel=1)
        return 0

    command(run)
    before = warnings.showwarning
    assert main(["probe"]) == 0
    assert capsys.readouterr().err == "obrl: warning: rows\\nare ordered\n"
    assert warnings.showwarning is before


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["mine"], ["mine", "a.csv", "--frobnicate"], ["pairs"]])
def test_a_wrong_command_line_is_one_line(capsys, arguments):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("obrl: error: ")
    assert error.count("\n") == 1
    assert "--help" in error


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(capsys, name):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert f"obrl {name}" in capsys.readouterr().out


def test_a_reader_that_has_gone_is_no_error(tmp_path):
    table = tmp_path / "table.csv"
    columns = 120
    rows = np.random.default_rng(0).integers(0, 2, (40, columns))
    header = ",".join(f"label{k}" for k in range(columns))
    table.write_text(header + "\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n")
    assert main(["mine", str(table), "--out", str(tmp_path / "mined"), "--quiet"]) == 0
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as output:
        done = subprocess.run(
            [sys.executable, "-m", "obrl", "pairs", str(tmp_path / "mined"), "--all", "--csv"],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_names_may_hold_commas_in_quotes():
    assert names('a, "b, c",d') == ["a", "b, c", "d"]
    assert names("") == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


def block(rows, read):
    return Block(DenseLabels(np.zeros((2, rows), np.int8), complete=True), rows, "a.csv", 1, read)


def test_progress_shows_on_a_terminal_and_clears_its_line(monkeypatch):
    monkeypatch.setattr("obrl.mining.cli.progress.SECONDS_BETWEEN", 0.0)
    stream = Terminal()
    with Progress(stream=stream) as progress:
        progress(block(1_000, 0.25))
        progress(block(1_000, None))
    text = stream.getvalue()
    assert "[######..................]  25 %  1,000 rows  " in text
    assert "2,000 rows  " in text
    assert text.endswith("\r\033[K")
    assert progress.rows == 2_000


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_progress_is_silent_where_nobody_watches(stream, quiet):
    with Progress(quiet=quiet, stream=stream) as progress:
        progress(block(10, 0.5))
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("share", "filled"), [(0.0, 0), (0.5, 12), (1.0, 24), (1.5, 24)])
def test_the_bar_is_as_long_as_the_share(share, filled):
    assert progress_line(1, 1.0, share).split("]")[0] == "[" + "#" * filled + "." * (24 - filled)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"obrl {__version__}\n"
