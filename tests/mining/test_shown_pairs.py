"""What `obrl mine` and `obrl pairs` show of the pairs, and what they warn of."""

import numpy as np
import pandas as pd

from obrl.mining.cli import main


def test_few_groups_are_warned_of_once_by_mine_and_by_pairs(tmp_path, capsys):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 2, (400, 3)), columns=["a", "b", "c"]).assign(person=np.arange(400) % 12)
    path, mined = str(tmp_path / "t.csv"), str(tmp_path / "mined")
    frame.to_csv(path, index=False)
    for command in (["mine", path, "--groups", "person", "--out", mined], ["pairs", mined]):
        assert main(command) == 0
        line = "obrl: warning: intervals and q-values rest on 12 groups alone; below 20 they are rough\n"
        assert capsys.readouterr().err == line


def test_mine_shows_as_many_pairs_as_are_asked_for(tmp_path, capsys):
    table = np.repeat(np.random.default_rng(0).integers(0, 2, (200, 1)), 6, axis=1)
    path = str(tmp_path / "t.csv")
    pd.DataFrame(table, columns=list("abcdef")).to_csv(path, index=False)
    shown = []
    for further in ([], ["--top", "3"], ["--top", "0"]):
        assert main(["mine", path, *further]) == 0
        lines = capsys.readouterr().out.splitlines()[3:]
        shown.append((len([line for line in lines if not line.startswith("...")]), lines[-1].partition(":")[0]))
    assert [number for number, _ in shown] == [10, 3, 15]
    assert [last for _, last in shown[:2]] == ["... and 5 more", "... and 12 more"]
    assert main(["mine", path, "--top", "-1"]) == 2
    assert "--top must be at least 0" in capsys.readouterr().err
