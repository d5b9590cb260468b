"""``--help`` lists and explains every setting, and the options of ``--stage all``."""

from __future__ import annotations

import pytest

from reference_model.settings.files import known_keys, make_parser
from reference_model.settings.names import ROOTS
from reference_model.train import main


def test_every_setting_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for words in ("Ctrl-C and the end of an epoch", "The paper's lambda", "Probability that a written label"):
        assert words in text
    for name in known_keys(make_parser()) - {"help", "print_config"}:
        assert f"--{name}" in text, name
    assert "--stage {pretrain,face,identity,age,race,attributes,all}" in text
    assert "--preset {demo,small,paper}" in text
    for name in ("--redo STAGE", *(f"--roots.{name} DIR" for names in ROOTS.values() for name in names)):
        assert text.count(name) == 2, name  # in the usage, and with its explanation
    for words in ("Which stage is trained", "Weights to start from", "Read at most this many people", "center loss"):
        assert words in text, words
