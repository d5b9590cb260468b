"""One process of a gloo group that runs the center loss on its rows and writes what it ends with.

python -m tests.reference_model.losses.center_worker RANK WORLD_SIZE STORE_FILE OUT.npz
"""

import datetime
import sys

import numpy as np
import torch
import torch.distributed as dist

from reference_model.losses.center import CenterLoss
from tests.reference_model.losses.paper import CLASSES, EMBEDDING, RATE, WEIGHT, batches

PARTS = {"equal": (6, 6), "uneven": (9, 3), "empty": (12, 0)}
TIMEOUT = datetime.timedelta(seconds=60)


def centers_of(rank: int, sizes: tuple[int, int]) -> np.ndarray:
    """The centres after each step, where this rank sees its rows of every batch."""
    loss = CenterLoss(CLASSES, EMBEDDING, weight=WEIGHT, rate=RATE)
    rows = slice(0, sizes[0]) if rank == 0 else slice(sizes[0], sum(sizes))
    after = []
    for batch in batches():
        outputs = (torch.from_numpy(batch.logits[rows]), torch.from_numpy(batch.embeddings[rows]))
        loss.terms(outputs, torch.from_numpy(batch.labels[rows]))
        loss.after_step()
        after.append(loss.centers.numpy().copy())
    return np.stack(after)


def main(rank: int, world_size: int, store: str, out: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size, timeout=TIMEOUT)
    np.savez(out, **{name: centers_of(rank, sizes) for name, sizes in PARTS.items()})
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
