"""Several processes that train one model together, as ``torchrun`` starts them: number, share, wait, gather.

With one process every function returns at once and imports no torch. With several the first call that needs the others
opens the process group: gloo on CPU, NCCL for tensors on CUDA. Only numbers are exchanged.
"""

from __future__ import annotations

import atexit
import os
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_PATIENCE = timedelta(hours=12)
"""Longest time that a process waits for another; torchrun ends all of them as soon as one fails."""


def count() -> int:
    """Number of processes; 1 if ``torchrun`` did not start this one."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def number() -> int:
    """Number of this process, from 0."""
    return int(os.environ["RANK"]) if count() > 1 else 0


def is_first() -> bool:
    """Whether this is the process that writes files and reports progress."""
    return number() == 0


def share(size: int) -> slice:
    """Rows of ``size`` that belong to this process; consecutive rows; sizes differ by at most one."""
    return slice(size * number() // count(), size * (number() + 1) // count())


def start() -> None:
    """Open the process group if there are several processes and it is not open."""
    if count() == 1:
        return
    import torch
    from torch import distributed

    if distributed.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available() and distributed.is_nccl_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    atexit.register(end)  # running gloo threads sometimes abort a process at its exit


def end() -> None:
    """Close the process group if it is open; called once, at the end of a process."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def wait() -> None:
    """Wait until every process calls this."""
    any_of(False)


def any_of(flag: bool) -> bool:
    """Whether ``flag`` is true in any process; the same result in every process."""
    if count() == 1:
        return flag
    import torch
    from torch import distributed

    start()
    flags = torch.tensor([int(flag)])
    distributed.all_reduce(flags, distributed.ReduceOp.MAX)
    return bool(flags.item())


def averaged(tensor: torch.Tensor) -> torch.Tensor:
    """Mean of the tensors of all processes, which have one shape; the same result in every process."""
    if count() == 1:
        return tensor
    from torch import distributed

    start()
    mean = tensor / count()
    distributed.all_reduce(mean)
    return mean


def gather(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Concatenate the ``(n,)`` values of all processes, n differing between them; the same result in every process."""
    if count() == 1:
        return values
    import torch
    from torch import distributed

    start()
    sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(count())]
    distributed.all_gather(sizes, torch.tensor([len(values)]))
    lengths = [int(size) for size in sizes]
    own = torch.zeros(max(lengths), dtype=torch.float64)
    own[: len(values)] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))
    parts = [torch.zeros_like(own) for _ in lengths]
    distributed.all_gather(parts, own)
    return np.concatenate([part.numpy()[:length] for part, length in zip(parts, lengths, strict=True)])
