"""The rows of the table of wrong pastes for README's block that mines a table."""

RANGE = ("targets must lie in [0, 1]", "NaN", "ignore_index", "got values from", "(targets + 1) / 2")

FIT, CONDITION = ".fit(table)", "miner.condition(None, [[1, np.nan, np.nan]])"
MINING = {
    "a name too few": (
        ('["lipstick", "make-up", "glasses"]', '["lipstick", "make-up"]'),
        ("label_names must hold 3 names, one a label in the order of the columns, got 2",),
    ),
    "a name twice": (
        ('"make-up", "glasses"]', '"glasses", "glasses"]'),
        ("label_names must be distinct, got glasses",),
    ),
    "one string": (
        ('["lipstick", "make-up", "glasses"]', '"lipstick, make-up, glasses"'),
        ("label_names must be a sequence of 3 strings",),
    ),
    "names in another order than the columns": (
        (FIT, ".fit(__import__('pandas').DataFrame(table, columns=['make-up', 'lipstick', 'glasses']))"),
        ("the columns must be in the order of the labels: column 0 must be 'lipstick', got 'make-up'",),
    ),
    "a wrong name": (
        (
            CONDITION,
            "miner.predict_proba(__import__('pandas').DataFrame(table, columns=['lipstik', 'make-up', 'glasses']))",
        ),
        ("the columns must be the 3 labels of the relation, got no column 'lipstick'",),
    ),
    "-1 for missing": ((FIT, ".fit(table * 2 - 1)"), RANGE),
    "-1 for unknown": ((CONDITION, "miner.condition(None, [[1, -1, -1]])"), RANGE),
    "a list of the labels present": (
        (FIT, ".fit([[0], [0, 2]] * 500)"),
        ("targets must be an array with rows of one length", "an entry for each label"),
    ),
    "None for missing": ((FIT, ".fit([[1, None, 0], [0, 1, 1]])"), ("missing targets are NaN",)),
    "one row in place of a table": (
        (CONDITION, "miner.condition(None, [1, np.nan, np.nan])"),
        ("(batch, num_labels)",),
    ),
    "logits in place of probabilities": (
        (CONDITION, "miner.condition(np.array([[2.0, -3.0, 1.0]]), [[1, np.nan, np.nan]])"),
        ("probabilities must lie in [0, 1], got values from -3 to 2; apply the sigmoid to logits",),
    ),
    "no probabilities and no counts": (
        (CONDITION, "__import__('obrl').OBRLoss(3).condition(None, [[1, np.nan, np.nan]])"),
        ("give the probabilities of a model, (rows, num_labels)",),
    ),
}
