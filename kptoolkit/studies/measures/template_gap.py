"""Whether a model learnt the task or the wording of its MPP templates: ranking by templates that training lacked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from kptoolkit import metrics
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.models import ReadsTemplates
from kptoolkit.runs.run import Run
from kptoolkit.studies.engine.stored_triples import Triples


def template_gap(run: Run, _: Triples) -> Mapping[str, float]:
    """Rank the test cases by each training template and by each held-out template of the pack, by the backend alone.

    Args:
        run: A finished run.

    Returns:
        Mean NDCG@10 by ``"training templates"`` and by ``"held-out templates"``, and their difference, ``"gap"``:
        above zero where the model depends on the wording that it was trained on. Nothing where the backend reads no
        templates, or the pack has none that is held out.
    """
    backend, held_out = run.backend, run.pack.held_out
    if not isinstance(backend, ReadsTemplates) or not held_out:
        return {}
    size, items = run.config.evaluation.batch_size, len(run.catalogue)
    means = []
    for templates in ([template for template in run.pack.mpp if template not in held_out], held_out):
        found = []
        for template in templates:
            score = partial(backend.score_by_template, template=template)
            ranks = evaluate(score, run.split.test, items, batch_size=size).ranks
            found.append(metrics.summary(ranks)["NDCG@10"])
        means.append(float(np.mean(found)))
    return {"training templates": means[0], "held-out templates": means[1], "gap": means[0] - means[1]}
