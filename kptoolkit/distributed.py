"""Several processes that train one model together, as ``torchrun`` starts them: who am I, what is mine, wait, gather.

With one process every function answers at once and imports no torch. With several the first call that needs the others
opens the process group: gloo on CPU, NCCL for tensors on CUDA. Only numbers travel.
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
"""How long a process waits for another; torchrun ends all of them as soon as one fails."""


def count() -> int:
    """Number of processes; 1 when ``torchrun`` did not start this one."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def number() -> int:
    """This process's number, from 0."""
    return int(os.environ["RANK"]) if count() > 1 else 0


def is_first() -> bool:
    """Whether this process is the one that writes files and reports progress."""
    return number() == 0


def share(size: int) -> slice:
    """This process's part of ``size`` rows; parts follow each other and differ by one row at most."""
    return slice(size * number() // count(), size * (number() + 1) // count())


def start() -> None:
    """Open the process group, if there are several processes and it is not open."""
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
    atexit.register(end)  # gloo's threads, left running, now and then abort a process that is at its end


def end() -> None:
    """Close the process group, if it is open; needed once, at the end of a process."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def wait() -> None:
    """Wait until every process is here."""
    any_of(False)


def any_of(flag: bool) -> bool:
    """Whether ``flag`` is true in any process; every process has the same answer."""
    if count() == 1:
        return flag
    import torch
    from torch import distributed

    start()
    flags = torch.tensor([int(flag)])
    distributed.all_reduce(flags, distributed.ReduceOp.MAX)
    return bool(flags.item())


def averaged(tensor: torch.Tensor) -> torch.Tensor:
    """The mean of the tensors of all processes, of one shape, in every process."""
    if count() == 1:
        return tensor
    from torch import distributed

    start()
    mean = tensor / count()
    distributed.all_reduce(mean)
    return mean


def gather(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ``(n,)`` values of all processes behind each other, in every process; each may bring another n."""
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
