"""HR, NDCG and MRR from the rank of the one relevant item of each case (numpy only).

With a single relevant item the ideal DCG is 1, so ``NDCG@k = 1 / log2(rank + 1)`` for ``rank <= k`` and 0 beyond.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KS = (1, 5, 10, 20)


def hit_ratio(ranks: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """HR@k per case: 1 where the rank is at most ``k``, else 0.

    Args:
        ranks: Ranks from 1, shape ``(N,)``; fractional where scores tie.
        k: Cut-off.
    """
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """NDCG@k per case with one relevant item, shape ``(N,)``."""
    gains = 1.0 / np.log2(np.asarray(ranks, dtype=np.float64) + 1.0)
    return np.where(ranks <= k, gains, 0.0)


def reciprocal_rank(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / rank per case, shape ``(N,)``; the mean is the MRR."""
    return 1.0 / np.asarray(ranks, dtype=np.float64)


def per_case(ranks: NDArray[np.float64], ks: Sequence[int] = KS) -> dict[str, NDArray[np.float64]]:
    """All metrics per case: ``HR@k`` and ``NDCG@k`` for each k, and ``MRR``; each of shape ``(N,)``."""
    out = {f"HR@{k}": hit_ratio(ranks, k) for k in ks}
    out |= {f"NDCG@{k}": ndcg(ranks, k) for k in ks}
    out["MRR"] = reciprocal_rank(ranks)
    return out


def summary(ranks: NDArray[np.float64], ks: Sequence[int] = KS) -> dict[str, float]:
    """Means of :func:`per_case` over the cases; 0 for no case."""
    return {name: float(values.mean()) if len(values) else 0.0 for name, values in per_case(ranks, ks).items()}
