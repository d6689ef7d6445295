"""Encodes texts as subwords by the fast tokenizers of the library tokenizers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from kptoolkit.prompts import Segment
from kptoolkit.tree.tokens import Encoded

WORD: Final = re.compile(r"\S+")
"""A word of a text."""


def encode_subwords(backend: Any, special: Sequence[str], segments: Sequence[Segment]) -> Encoded:
    """Encode a text without adding special tokens; one that is spelled out in the text, e.g. in a name, stays text.

    Args:
        backend: Fast tokenizer of the library tokenizers.
        special: The special tokens, the longest first.
        segments: Segments of the text in order.
    """
    text = "".join(segment.text for segment in segments).strip()
    for token in special:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    backend.no_truncation()
    backend.no_padding()
    out = backend.encode(text, add_special_tokens=False)
    ends = [word.end() for word in WORD.finditer(text)]
    # A token of the space before a word belongs to the word.
    word = [-1, *(bisect_right(ends, start) for start, _ in out.offsets)]
    starts = [own != before for before, own in pairwise(word)]
    return Encoded(np.array(out.ids, dtype=np.int32), np.array(starts, dtype=np.bool_))
