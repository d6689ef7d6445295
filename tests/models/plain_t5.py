"""T5 under a visibility matrix, written from its definition: one prompt, one token, one head at a time.

Slow on purpose and made of numpy alone, in double precision; nothing of transformers' attention is used. It reads the
weights by their names in the state dict and follows arXiv 1910.10683: layer norm without mean and shift before each
part, no scaling of the scores, a relative position bias of the first layer in all layers of a stack.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """The shape of a model as far as its weights do not determine it.

    Attributes:
        heads: Attention heads.
        buckets: Buckets of relative positions.
        distance: Distance from which all positions share a bucket.
        gated: Whether the feed-forward part is gated by a GELU, else a ReLU.
        scaled: Whether the decoder's states are divided by the square root of the width before the output.
    """

    heads: int
    buckets: int
    distance: int
    gated: bool
    scaled: bool


def logits(
    weights: Mapping[str, Array],
    shape: Shape,
    ids: list[int],
    words: list[int],
    sees: NDArray[np.bool_],
    targets: list[int],
) -> Array:
    """Logits ``(T, V)`` of a prompt without padding.

    Args:
        weights: The state dict of the model.
        shape: The rest of the model.
        ids: Tokens of the prompt.
        words: Word of each token, from 1.
        sees: ``(L, L)``, which token sees which.
        targets: Decoder inputs.
    """
    table = weights["t5.shared.weight"]
    prompt = np.array([table[i] + weights["whole_word.weight"][w] for i, w in zip(ids, words, strict=True)])
    states = _stack(weights, shape, "encoder", prompt, sees, None)
    causal = np.array([[key <= query for key in range(len(targets))] for query in range(len(targets))])
    decoded = _stack(weights, shape, "decoder", np.array([table[i] for i in targets]), causal, states)
    if shape.scaled:
        decoded = decoded / math.sqrt(decoded.shape[1])
    return np.array([[float(row @ state) for row in weights["t5.lm_head.weight"]] for state in decoded])


def bucket(distance: int, shape: Shape, *, both_ways: bool) -> int:
    """Bucket of the distance from a query to a key: exact when near, logarithmic when far, keys behind it apart."""
    count, first = shape.buckets, 0
    if both_ways:
        count //= 2
        first = count if distance > 0 else 0
        distance = abs(distance)
    else:
        distance = max(-distance, 0)
    near = count // 2
    if distance < near:
        return first + distance
    far = math.log(distance / near) / math.log(shape.distance / near) * (count - near)
    return first + min(near + int(far + 1e-9), count - 1)


def _stack(
    weights: Mapping[str, Array], shape: Shape, name: str, x: Array, sees: NDArray[np.bool_], states: Array | None
) -> Array:
    prefix = f"t5.{name}.block."
    layers = 1 + max(int(key.removeprefix(prefix).split(".")[0]) for key in weights if key.startswith(prefix))
    positions = None
    for number in range(layers):
        block = f"{prefix}{number}.layer."
        own = weights.get(f"{block}0.SelfAttention.relative_attention_bias.weight")
        positions = positions if own is None else own
        h = _norm(x, weights[f"{block}0.layer_norm.weight"])
        x = x + _attention(weights, shape, f"{block}0.SelfAttention.", h, h, sees, positions, name == "encoder")
        if states is not None:
            h = _norm(x, weights[f"{block}1.layer_norm.weight"])
            everything = np.ones((len(h), len(states)), dtype=bool)
            x = x + _attention(weights, shape, f"{block}1.EncDecAttention.", h, states, everything, None, True)
        part = f"{block}{1 if states is None else 2}."
        x = x + _feed_forward(weights, shape, f"{part}DenseReluDense.", _norm(x, weights[f"{part}layer_norm.weight"]))
    return _norm(x, weights[f"t5.{name}.final_layer_norm.weight"])


def _attention(
    weights: Mapping[str, Array],
    shape: Shape,
    name: str,
    queries: Array,
    keys: Array,
    sees: NDArray[np.bool_],
    positions: Array | None,
    both_ways: bool,
) -> Array:
    q, k, v = (rows @ weights[f"{name}{part}.weight"].T for part, rows in (("q", queries), ("k", keys), ("v", keys)))
    width = q.shape[1] // shape.heads
    mixed = np.zeros_like(q)
    for head in range(shape.heads):
        of_head = slice(head * width, (head + 1) * width)
        for i in range(len(queries)):
            seen = [j for j in range(len(keys)) if sees[i, j]]
            scores = [float(q[i, of_head] @ k[j, of_head]) for j in seen]
            if positions is not None:
                scores = [
                    score + positions[bucket(j - i, shape, both_ways=both_ways), head]
                    for score, j in zip(scores, seen, strict=True)
                ]
            powers = [math.exp(score - max(scores)) for score in scores]
            for power, j in zip(powers, seen, strict=True):
                mixed[i, of_head] += power / sum(powers) * v[j, of_head]
    return mixed @ weights[f"{name}o.weight"].T


def _feed_forward(weights: Mapping[str, Array], shape: Shape, name: str, x: Array) -> Array:
    if shape.gated:
        gate = x @ weights[f"{name}wi_0.weight"].T
        inner = math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3)
        hidden = 0.5 * gate * (1 + np.tanh(inner)) * (x @ weights[f"{name}wi_1.weight"].T)
    else:
        hidden = np.maximum(x @ weights[f"{name}wi.weight"].T, 0)
    out: Array = hidden @ weights[f"{name}wo.weight"].T
    return out


def _norm(x: Array, weight: Array) -> Array:
    return np.array([row / math.sqrt(float(np.mean(row**2)) + 1e-6) * weight for row in x])
