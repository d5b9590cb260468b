"""Hugging Face Trainer: resuming is exact, accumulated gradients are the mean, evaluation moves nothing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel, BertPreTrainedModel, Trainer, TrainerCallback

from obrl.torch import OBRLoss, RelationLoss
from obrl.torch.transformers import trainer_loss
from tests.hub.trainer_runs import ACCUMULATE, BATCH, LABELS, ROWS, STEPS, Rows, arguments, small_model, trainer
from tests.project.helpers import ROOT, run_python
from tests.support.tolerances import assert_close, band

BUFFERS = ("relation_sum", "relation_weight")


def assert_same_state(first: torch.nn.Module, second: torch.nn.Module) -> None:
    """Both models hold the same numbers, bit for bit, the relation among them."""
    states = [module.state_dict() for module in (first, second)]
    assert list(states[0]) == list(states[1])
    assert {f"criterion.{name}" for name in BUFFERS} <= set(states[0])
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A run that nothing interrupts."""
    run = trainer(tmp_path_factory.mktemp("whole"))
    run.train()
    return run


class Stop(TrainerCallback):
    """Stops after some step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop = state.global_step == self.step


@pytest.mark.parametrize("step", [2, 3], ids=["at a checkpoint", "after one"])
def test_a_run_that_was_stopped_and_resumed_is_the_whole(whole: Trainer, tmp_path: Path, step: int) -> None:
    stopped = trainer(tmp_path, Stop(step))
    stopped.train()
    assert stopped.state.global_step == step
    resumed = trainer(tmp_path)
    resumed.train(resume_from_checkpoint=True)
    assert resumed.state.global_step == STEPS
    assert_same_state(resumed.model, whole.model)
    assert not torch.equal(resumed.model.criterion.relation_sum, stopped.model.criterion.relation_sum)


def test_a_run_that_was_killed_and_resumed_is_the_whole(whole: Trainer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.hub.trainer_runs", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]
    resumed = trainer(tmp_path)
    resumed.train(resume_from_checkpoint=True)
    assert_same_state(resumed.model, whole.model)


def test_the_relation_is_that_of_the_micro_batches(whole: Trainer, tmp_path: Path) -> None:
    seen = []

    class Seen(OBRLoss):
        def forward(self, logits: Any, targets: Any, **options: Any) -> Any:
            if torch.is_grad_enabled():
                seen.append(targets.clone())
            return super().forward(logits, targets, **options)

    model = small_model()
    loss = trainer_loss(model, Seen(LABELS))
    Trainer(
        model, arguments(tmp_path, save_strategy="no", eval_strategy="no"), None, Rows(), compute_loss_func=loss
    ).train()
    assert [len(targets) for targets in seen] == 2 * [*[BATCH] * 8, ROWS % BATCH]
    plain = OBRLoss(LABELS)
    for targets in seen:
        plain(torch.zeros(targets.shape, requires_grad=True), targets)
    for name in BUFFERS:
        assert torch.equal(whole.model.criterion.get_buffer(name), plain.get_buffer(name))


def test_a_checkpoint_holds_the_relation_of_its_step(whole: Trainer) -> None:
    saved = load_file(Path(whole.args.output_dir) / f"checkpoint-{STEPS}" / "model.safetensors")
    for name in BUFFERS:
        assert torch.equal(saved[f"criterion.{name}"], whole.model.criterion.get_buffer(name))


def test_evaluation_and_prediction_move_nothing(whole: Trainer) -> None:
    before = {name: whole.model.criterion.get_buffer(name).clone() for name in BUFFERS}
    loss = whole.evaluate()["eval_loss"]
    whole.predict(whole.eval_dataset)
    assert loss > 0
    for name, value in before.items():
        assert torch.equal(whole.model.criterion.get_buffer(name), value)


class Gradients(TrainerCallback):
    """Holds the gradients of the last step."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.values = [parameter.grad.clone() for parameter in model.parameters()]


def gradients(folder: Path, *, batch: int, accumulate: int) -> list[torch.Tensor]:
    """The gradients of ten rows, of which some labels are missing, in one step."""
    model = small_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).double()
    frozen = OBRLoss(LABELS, relation=np.where(np.eye(LABELS), np.nan, 0.9), freeze=True)
    settings = arguments(
        folder,
        max_steps=1,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulate,
        eval_strategy="no",
        save_strategy="no",
        max_grad_norm=0,
    )
    seen = Gradients()
    loss = trainer_loss(model, frozen)
    Trainer(model, settings, None, Rows(10), compute_loss_func=loss, callbacks=[seen]).train()
    return seen.values


def test_accumulated_gradients_are_those_of_all_rows_at_once(tmp_path: Path) -> None:
    """Also where the last micro-batch has fewer rows: 4, 4 and 2."""
    once = gradients(tmp_path, batch=10, accumulate=1)
    accumulated = gradients(tmp_path, batch=4, accumulate=ACCUMULATE)
    size = max(float(gradient.abs().max()) for gradient in once)
    for first, second in zip(once, accumulated, strict=True):
        assert_close("gradient", second, first, band(10 * LABELS, size))
    assert size > 0.01


class Net(BertPreTrainedModel):
    """A model that builds its criterion itself."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.head = torch.nn.Linear(config.hidden_size, LABELS)
        self.criterion = OBRLoss(LABELS, pos_weight=[1.0, 2.0, 3.0, 4.0], relation=config.start)
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, OBRLoss):
            module.reset_parameters()


START = np.full((LABELS, LABELS), 0.75).tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("start", [None, START], ids=["from nothing", "from a relation"])
def test_a_model_with_a_criterion_inside_is_loaded_with_its_relation(
    tmp_path: Path, dtype: torch.dtype, start: Any
) -> None:
    config = small_model().config
    config.start = start
    net = Net(config)
    for size in (5, 7):
        net.criterion(torch.zeros(size, LABELS, requires_grad=True), Rows(size).labels)
    net.to(dtype).save_pretrained(tmp_path)
    loaded = Net.from_pretrained(tmp_path)
    assert loaded.head.weight.dtype == dtype
    for name in (*BUFFERS, "pos_weight", "_arrivals"):
        assert torch.equal(loaded.criterion.get_buffer(name), net.criterion.get_buffer(name)), name
    assert loaded.criterion.relation_sum.dtype == torch.float32


@pytest.mark.parametrize("start", [None, START], ids=["from nothing", "from a relation"])
def test_a_criterion_that_a_checkpoint_lacks_starts_as_it_was_built(tmp_path: Path, start: Any) -> None:
    model = small_model()
    model.config.start = start
    model.save_pretrained(tmp_path)
    loaded = Net.from_pretrained(tmp_path)
    plain = OBRLoss(LABELS, relation=start)
    for name in BUFFERS:
        assert torch.equal(loaded.criterion.get_buffer(name), plain.get_buffer(name))
    assert loaded.criterion.pos_weight.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_a_checkpoint_is_loaded_without_its_criterion_too(whole: Trainer) -> None:
    loaded = type(small_model()).from_pretrained(Path(whole.args.output_dir) / f"checkpoint-{STEPS}")
    assert torch.equal(loaded.classifier.weight, whole.model.classifier.weight)


def test_the_loss_of_outputs_that_are_a_tuple_or_a_mapping() -> None:
    logits, labels = torch.randn(3, LABELS), Rows(3).labels
    compute_loss = trainer_loss(torch.nn.Module(), RelationLoss(LABELS).eval())
    assert compute_loss({"logits": logits}, labels) == compute_loss((logits, None), labels)


def test_a_micro_batch_weighs_by_its_rows_whatever_is_missing() -> None:
    targets = torch.tensor([[1, -1, 0, 1], [0, 1, -1, 0]])
    logits, criterion = torch.randn(2, LABELS), OBRLoss(LABELS, ignore_index=-1).eval()
    compute_loss = trainer_loss(torch.nn.Module(), criterion)
    loss = compute_loss({"logits": logits}, targets, num_items_in_batch=32)
    assert_close("loss", loss, criterion(logits, targets) * 8 / 32, band(LABELS, 1.0, "float32"))
    nothing_known = compute_loss({"logits": logits}, torch.full((2, LABELS), -1), num_items_in_batch=8)
    assert nothing_known == 0


def test_the_number_that_trainer_does_not_count_is_refused() -> None:
    model = torch.nn.Module()
    with pytest.raises(ValueError, match="another number than -100"):
        trainer_loss(model, OBRLoss(LABELS, ignore_index=-100))
    assert not hasattr(model, "criterion")


def test_transformers_is_not_imported() -> None:
    program = "import sys, obrl.torch.transformers\nprint('transformers' in sys.modules)"
    assert run_python(program) == "False\n"


def test_what_does_not_fit_is_refused() -> None:
    model, criterion = torch.nn.Module(), OBRLoss(LABELS)
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got int"):
        trainer_loss(3, criterion)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"criterion must be an OBRLoss or RelationLoss of obrl.torch, got BCE"):
        trainer_loss(model, torch.nn.BCELoss())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"reduction='mean'.*got 'sum'"):
        trainer_loss(model, OBRLoss(LABELS, reduction="sum"))
    assert not hasattr(model, "criterion")
    compute_loss = trainer_loss(model, criterion)
    with pytest.raises(ValueError, match="has another attribute 'criterion'"):
        trainer_loss(model, OBRLoss(LABELS))
    with pytest.raises(ValueError, match="expected labels in the batch, got none"):
        compute_loss({"logits": torch.zeros(2, LABELS)}, None)
    assert criterion.relation_weight.count_nonzero() == 0
