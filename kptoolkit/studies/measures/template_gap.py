"""Whether a model learnt the task or the wording of its MPP templates: ranking by templates that training lacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kptoolkit import metrics
from kptoolkit.data.histories import Cases
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.knowledge.batches.prompt_batches import PromptAssembler
from kptoolkit.prompts import MppTemplate
from kptoolkit.runs.run import Run
from kptoolkit.studies.engine.stored_triples import Triples


def template_gap(run: Run, _: Triples) -> Mapping[str, float]:
    """Rank the test cases by each training template and by each held-out template of the pack.

    Args:
        run: A finished run of ``kp4sr``.

    Returns:
        Mean NDCG@10 by ``"training templates"`` and by ``"held-out templates"``, and their difference, ``"gap"``:
        above zero where the model depends on the wording that it was trained on. Nothing for other backends, or where
        the pack has no held-out template.
    """
    from kptoolkit.models.t5.kp4sr.kp4sr_backend import Kp4srBackend

    if not isinstance(run.backend, Kp4srBackend):
        return {}
    backend = run.backend
    groups = {
        split: [template for template in run.pack.mpp if (template.split == "train") == (split == "training")]
        for split in ("training", "held-out")
    }
    if not all(groups.values()):
        return {}
    found = {
        f"{split} templates": float(np.mean([_ndcg(run, backend, template) for template in templates]))
        for split, templates in groups.items()
    }
    training, held_out = found.values()
    return found | {"gap": training - held_out}


def _ndcg(run: Run, backend: object, template: MppTemplate) -> float:
    """NDCG@10 on test, ranked by the backend alone with one template."""
    from kptoolkit.models.t5.kp4sr.kp4sr_backend import Kp4srBackend

    assert isinstance(backend, Kp4srBackend)
    state = backend.fitted
    own = state.assembler
    assembler = PromptAssembler(
        own.knowledge,
        state.index.tokens,
        state.user_tokens,
        (template,),
        state.tokenizer,
        max_tokens=own.max_tokens,
        history=own.history,
    )
    other = replace(state, assembler=assembler, templates=(template,))

    def score(cases: Cases) -> NDArray[np.float32]:
        return other.scores(len(cases), lambda rows: other.prompts(cases, rows))

    ranks = evaluate(score, run.split.test, len(run.catalogue), batch_size=run.config.evaluation.batch_size).ranks
    return float(metrics.summary(ranks)["NDCG@10"])
