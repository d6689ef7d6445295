"""A few histories are scored from saved vectors without torch, with the scores of the model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from test_sequence import backend
from test_t5_backend import checkpoint as checkpoint  # the fixture: one checkpoint of each T5 family

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import RunError
from kptoolkit.models.t5.sequence.sequence_backend import SequenceBackend
from kptoolkit.models.t5.sequence.sequence_state import build_state
from kptoolkit.models.t5.sequence.vector_scorer import VectorScorer
from kptoolkit.testing.small_worlds import ITEMS, chain_task

CASES = Cases.of(Histories.of([[0], [5, 6, 7], np.resize(np.arange(ITEMS), 70).tolist(), [3, 3]]))
SHAPES: dict[str, dict[str, Any]] = {
    "default": {},
    "deep": {"decoder_layers": 3, "heads": 4},
    "trees": {"knowledge": "tree", "tokens": "subword", "vocabulary": 600},
    "no identity": {"identity": False},
}


def saved(folder: Path, **options: Any) -> SequenceBackend:
    """A model with weights large enough for a wrong one to show, in a folder."""
    made = backend(**options)
    made._fitted = build_state(made.options, chain_task(folder / "task", {"tree.degree": 2}))
    torch.manual_seed(5)
    with torch.no_grad():
        for name, weight in made.fitted.model.named_parameters():
            if "relative_attention_bias" in name or "layer_norm" in name:
                weight.add_(torch.randn_like(weight))
    (folder / "saved").mkdir()
    made.save(folder / "saved")
    return made


def compared(made: SequenceBackend, folder: Path, cases: Cases) -> None:
    scorer = VectorScorer.load(folder / "saved", made.options)
    assert scorer is not None
    expected = made.score(cases)
    assert np.ptp(expected, axis=1).min() > 0.1, "scores differ between items"
    scores = scorer.score(cases)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", list(SHAPES))
def test_fresh_models(tmp_path: Path, name: str) -> None:
    compared(saved(tmp_path, **SHAPES[name]), tmp_path, CASES)


def test_checkpoints_of_each_family(checkpoint: Path, tmp_path: Path) -> None:
    compared(saved(tmp_path, checkpoint=str(checkpoint)), tmp_path, CASES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[SequenceBackend, Path]:
    path = tmp_path_factory.mktemp("saved")
    return saved(path, decoder_layers=2), path


@given(rows=st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=80), min_size=1, max_size=5))
def test_any_histories(folder: tuple[SequenceBackend, Path], rows: list[list[int]]) -> None:
    compared(*folder, Cases.of(Histories.of(rows)))


def test_a_loaded_backend_reads_the_model_only_where_it_is_needed(folder: tuple[SequenceBackend, Path]) -> None:
    made, path = folder
    loaded = SequenceBackend.load(path / "saved", made.options)
    np.testing.assert_allclose(loaded.score(CASES), made.score(CASES), rtol=0, atol=2e-4)
    assert loaded._fitted is None
    many = Cases.of(Histories.of([[row % ITEMS] for row in range(40)]))
    np.testing.assert_allclose(loaded.score(many), made.score(many), rtol=0, atol=1e-5)
    assert loaded._fitted is not None
    case = CASES.take(np.array([1]))
    assert len(loaded.triplets(case, np.array([0]))) == len(made.triplets(case, np.array([0])))


def test_attention_to_knowledge_needs_the_model(tmp_path: Path) -> None:
    made = saved(tmp_path, cross_attention=True)
    assert VectorScorer.load(tmp_path / "saved", made.options) is None
    loaded = SequenceBackend.load(tmp_path / "saved", made.options)
    np.testing.assert_allclose(loaded.score(CASES), made.score(CASES), rtol=0, atol=1e-5)


@pytest.mark.parametrize("damage", ["vectors.safetensors", "model.safetensors", "sequence.json", "t5/config.json"])
def test_damaged_files_are_found_when_it_is_loaded(tmp_path: Path, damage: str) -> None:
    made = saved(tmp_path)
    (tmp_path / "saved" / damage).write_bytes(b"{")
    with pytest.raises(RunError, match="no T5 run that can be read"):
        SequenceBackend.load(tmp_path / "saved", made.options)


def test_vectors_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    made, file = saved(tmp_path), tmp_path / "saved" / "vectors.safetensors"
    arrays = load_file(file)
    arrays["items"][0, 0] = np.nan
    save_file(arrays, file)
    with pytest.raises(RunError, match="not numbers"):
        SequenceBackend.load(tmp_path / "saved", made.options)


@pytest.mark.process
def test_neither_torch_nor_transformers_is_imported(folder: tuple[SequenceBackend, Path]) -> None:
    _, path = folder
    script = (
        "import json, sys\nfrom pathlib import Path\n"
        "from kptoolkit.config import validate\nfrom kptoolkit.data.histories import Cases, Histories\n"
        "from kptoolkit.models import backend_class, options_class\nkind = backend_class('sequence')\n"
        "options = validate(options_class(kind), json.loads(sys.argv[2]), 'model')\n"
        "scores = kind.load(Path(sys.argv[1]), options).score(Cases.of(Histories.of([[1, 2]])))\n"
        "print(scores.shape, sorted({'torch', 'transformers'} & set(sys.modules)))\n"
    )
    words = [sys.executable, "-c", script, str(path / "saved"), json.dumps({"decoder_layers": 2})]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == f"(1, {ITEMS}) []\n"
