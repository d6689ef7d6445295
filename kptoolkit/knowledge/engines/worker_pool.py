"""Runs a job part by part in spawned worker processes or with Ray Data."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kptoolkit.errors import KptoolError
from kptoolkit.knowledge.engines import ray_engine
from kptoolkit.knowledge.engines.jobs import Job, Part, PartResult

MIN_PROMPTS = 50_000
"""With fewer distinct prompts, one process is done before the workers have started."""


@dataclass(frozen=True)
class WorkerPool:
    """Worker processes that run the parts of a job.

    Attributes:
        workers: Number of processes; 1 means this process, and with Ray one process per core.
        engine: ``local``: processes of this machine; ``ray``: Ray Data.
        folder: Folder that all nodes of a Ray cluster can read; the folder for temporary files if unset.
    """

    workers: int = 1
    engine: Literal["local", "ray"] = "local"
    folder: Path | None = None

    @property
    def processes(self) -> int:
        """Number of processes that run parts at the same time."""
        return os.cpu_count() or 1 if self.engine == "ray" and self.workers == 1 else self.workers

    def pays_off(self, prompts: int) -> bool:
        """Whether starting processes is worthwhile for this number of prompts."""
        return (self.engine == "ray" or self.workers > 1) and prompts >= MIN_PROMPTS

    def skips_ray(self, prompts: int) -> bool:
        """Whether Ray is set but not used because there are too few prompts."""
        return self.engine == "ray" and prompts > 0 and not self.pays_off(prompts)

    @contextmanager
    def shared_folder(self) -> Iterator[Path]:
        """Create a folder that all workers can read, and delete it at the end."""
        shared = self.folder if self.engine == "ray" else None
        if shared is not None:
            shared.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".work-", dir=shared) as place:
            yield Path(place).resolve()

    def run(self, job: Callable[..., Job], arguments: tuple[Any, ...], parts: Sequence[Part]) -> list[PartResult]:
        """Run all parts and return their results in order.

        Args:
            job: Creates the job in every worker; a class that a worker can import.
            arguments: Arguments of ``job``.
            parts: One call of the job for each.

        Raises:
            KptoolError: The worker processes ended early, e.g. in a script without
                ``if __name__ == "__main__":``.
        """
        if self.engine == "ray":
            return ray_engine.run_parts(job, arguments, parts, self.processes)
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(
                self.workers, context, initializer=_start_worker, initargs=(job, arguments)
            ) as executor:
                return list(executor.map(_run_part, parts))
        except BrokenProcessPool as error:
            raise KptoolError(
                'the worker processes ended early; a script that sets prompts.workers needs if __name__ == "__main__": '
                "around its calls, or leave prompts.workers at 1"
            ) from error


_job: Job | None = None
"""The job of this worker process."""


def _start_worker(job: Callable[..., Job], arguments: tuple[Any, ...]) -> None:
    global _job
    _job = job(*arguments)


def _run_part(part: Part) -> PartResult:
    assert _job is not None
    return _job(part)
