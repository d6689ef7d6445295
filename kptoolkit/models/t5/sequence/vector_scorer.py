"""Scores of a saved ``sequence`` model by numpy: the item vectors it was saved with, read by its T5 decoder.

Importing torch and transformers takes longer than scoring a few histories; this module needs neither.
``tests/models/test_vector_scorer.py`` compares every score with those of the model.

References:
    T5: Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, arXiv 1910.10683.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from kptoolkit.data.histories import Cases
from kptoolkit.data.slices import padded
from kptoolkit.errors import RunError
from kptoolkit.models.t5.options import SequenceOptions
from kptoolkit.models.t5.t5_backend import WEIGHTS, output_scale
from kptoolkit.names import quantity

DESCRIPTION, VECTORS = "sequence.json", "vectors.safetensors"
_DECODER: Final = "tree.t5.decoder."
_TABLES: Final = ("tree.t5.shared.weight", f"{_DECODER}embed_tokens.weight", "tree.t5.encoder.embed_tokens.weight")
"""Names that the table of tokens may have in a file: tied weights are written once."""
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class VectorScorer:
    """A saved model that scores and does nothing else.

    Attributes:
        vectors: ``(n, d)`` vectors of the items.
        prefix: ``(P, d)`` vectors of the words before the history.
        weights: Weights of the decoder, by their names in it.
        config: Settings of the T5.
        history: Latest items that are read.
    """

    vectors: Array
    prefix: Array
    weights: Mapping[str, Array]
    config: Mapping[str, Any]
    history: int

    @classmethod
    def load(cls, folder: Path, options: SequenceOptions) -> VectorScorer | None:
        """Read what ``SequenceState.save`` wrote.

        Args:
            folder: Folder of the backend.
            options: Options of the model.

        Returns:
            ``None`` if the decoder also attends to knowledge, or has an activation other than T5's.

        Raises:
            RunError: A file is missing or damaged, or a weight is not a number.
        """
        try:
            described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            config = json.loads((folder / "t5" / "config.json").read_text(encoding="utf-8"))
            if options.cross_attention or config["dense_act_fn"] not in _ACTIVATIONS:
                return None
            with safe_open(folder / VECTORS, "np") as file:
                vectors = file.get_tensor("items")
            with safe_open(folder / WEIGHTS, "np") as file:
                names = list(file.keys())
                table = file.get_slice(next(name for name in _TABLES if name in names))
                words = [table[token : token + 1][0] for token in described["prefix_tokens"][-1]]
                prefix = np.array(words, dtype=vectors.dtype).reshape(-1, vectors.shape[1])
                weights = {name.removeprefix(_DECODER): file.get_tensor(name) for name in _read(names)}
            scorer = cls(vectors, prefix, weights, config, int(described["history"]))
            items = len(np.load(folder / "knowledge" / "tree_indptr.npy", mmap_mode="r", allow_pickle=False)) - 1
            scorer.check(items)
        except (OSError, ArithmeticError, ValueError, LookupError, TypeError, StopIteration, SafetensorError) as error:
            raise RunError(f"{folder} holds no T5 run that can be read: {error}".replace("\n", " ")) from error
        if not all(bool(np.isfinite(array).all()) for array in (vectors, prefix, *weights.values())):
            raise RunError(f"{folder / WEIGHTS} holds weights that are not numbers; train again")
        return scorer

    def check(self, items: int) -> None:
        """Score a history of one item, after which arrays and settings are known to fit each other.

        Raises:
            ValueError: There are not as many vectors as items; or another error of numpy.
        """
        if len(self.vectors) != items:
            raise ValueError(f"it has vectors of {quantity(len(self.vectors), 'items')}, and knowledge of {items:,}")
        if items:
            one, none = np.zeros(1, np.int32), np.full(1, -1, np.int32)
            self.score(Cases(np.array([0, 1]), one, none, none))

    def score(self, cases: Cases) -> Array:
        """Log-likelihood of every item as the next one, ``(N, n_items)``."""
        items = padded(cases.histories, self.history)  # (N, L)
        read = self.vectors[np.maximum(items, 0)] * (items >= 0)[:, :, None]  # (N, L, d)
        before = np.broadcast_to(self.prefix, (len(items), *self.prefix.shape))  # (N, P, d)
        states = self._decoded(np.concatenate([before, read.astype(np.float32)], axis=1))  # (N, P + L, d)
        last = np.maximum(len(self.prefix) + (items >= 0).sum(axis=1) - 1, 0)
        logits = states[np.arange(len(items)), last] * np.float32(output_scale(self.config)) @ self.vectors.T  # (N, n)
        logits -= logits.max(axis=1, keepdims=True)
        scores: Array = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return scores

    def _decoded(self, hidden: Array) -> Array:
        """Decoder states ``(N, T, d)`` of embedded rows."""
        places = np.arange(hidden.shape[1])
        causal = np.where(places[:, None] >= places, 0, -np.inf).astype(np.float32)  # (T, T)
        bias: Array = causal[None]
        for layer in self._layers():
            own = layer.get("0.SelfAttention.relative_attention_bias.weight")
            bias = bias if own is None else own[self._buckets(places)].transpose(2, 0, 1) + causal  # (H, T, T)
            hidden = hidden + self._attended(layer, self._normed(hidden, layer["0.layer_norm.weight"]), bias)
            hidden = hidden + self._fed_forward(layer, self._normed(hidden, layer["2.layer_norm.weight"]))
        return self._normed(hidden, self.weights["final_layer_norm.weight"])

    def _layers(self) -> Iterator[dict[str, Array]]:
        """Weights of each layer, by their names in it."""
        for number in range(self.config["num_decoder_layers"]):
            start = f"block.{number}.layer."
            yield {name.removeprefix(start): w for name, w in self.weights.items() if name.startswith(start)}

    def _attended(self, layer: Mapping[str, Array], normed: Array, bias: Array) -> Array:
        """What every place reads of the places that it sees, ``(N, T, d)``."""
        rows, places = normed.shape[:2]
        heads = self.config["num_heads"]

        def split(part: str) -> Array:
            whole = normed @ layer[f"0.SelfAttention.{part}.weight"].T
            return whole.reshape(rows, places, heads, -1).transpose(0, 2, 1, 3)  # (N, H, T, d / H)

        scores = split("q") @ split("k").swapaxes(2, 3) + bias  # (N, H, T, T)
        shares = np.exp(scores - scores.max(axis=3, keepdims=True))
        shares /= shares.sum(axis=3, keepdims=True)
        mixed = (shares @ split("v")).transpose(0, 2, 1, 3).reshape(rows, places, -1)
        attended: Array = mixed @ layer["0.SelfAttention.o.weight"].T
        return attended

    def _fed_forward(self, layer: Mapping[str, Array], normed: Array) -> Array:
        """What the feed-forward part adds to every place, ``(N, T, d)``."""
        activation = _ACTIVATIONS[self.config["dense_act_fn"]]
        if self.config["is_gated_act"]:
            inner = activation(normed @ layer["2.DenseReluDense.wi_0.weight"].T)
            inner = inner * (normed @ layer["2.DenseReluDense.wi_1.weight"].T)
        else:
            inner = activation(normed @ layer["2.DenseReluDense.wi.weight"].T)
        added: Array = inner @ layer["2.DenseReluDense.wo.weight"].T
        return added

    def _buckets(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Bucket of the distance from every query to every key before it, ``(T, T)``: exact when near, else coarse."""
        buckets, farthest = (
            self.config["relative_attention_num_buckets"],
            self.config["relative_attention_max_distance"],
        )
        distance = np.maximum(places[:, None] - places, 0)
        near = buckets // 2
        ratio = np.log(np.maximum(distance, near).astype(np.float32) / near) / np.float32(np.log(farthest / near))
        far = near + (ratio * (buckets - near)).astype(np.int64)
        bucket: NDArray[np.int64] = np.where(distance < near, distance, np.minimum(far, buckets - 1))
        return bucket

    def _normed(self, hidden: Array, weight: Array) -> Array:
        """Layer norm without mean and shift."""
        variance = np.square(hidden).mean(axis=2, keepdims=True)
        normed: Array = hidden / np.sqrt(variance + np.float32(self.config["layer_norm_epsilon"])) * weight
        return normed


def _read(names: list[str]) -> Iterator[str]:
    """Names of the weights that are read: those of the decoder, without its attention to an encoder."""
    unread = ("EncDecAttention", "layer.1.", "embed_tokens")
    return (name for name in names if name.startswith(_DECODER) and not any(part in name for part in unread))


def _relu(values: Array) -> Array:
    return np.maximum(values, np.float32(0))


def _gelu(values: Array) -> Array:
    """GELU by its approximation with tanh, as T5 1.1 and mT5 have it."""
    inner = np.float32(np.sqrt(2 / np.pi)) * (values + np.float32(0.044715) * values**3)
    smooth: Array = np.float32(0.5) * values * (1 + np.tanh(inner))
    return smooth


_ACTIVATIONS: Final = {"relu": _relu, "gelu_new": _gelu}
