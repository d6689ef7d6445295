"""A pretrained encoder of the BERT or T5 family that reads item trees under the tree mask; it is not trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel

from kptoolkit.errors import ConfigError, shorten
from kptoolkit.knowledge.batches.batch import Batch
from kptoolkit.knowledge.batches.tree_batches import TreeAssembler
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.pretrained import PretrainedError, read_config, read_model, read_tokenizer, reading
from kptoolkit.models.subwords import encode_subwords
from kptoolkit.models.tree_mask import additive, visible
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.prompts import Segment
from kptoolkit.storage.arrays import json_hash
from kptoolkit.tree.tokens import Encoded

_BERT: Final = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "mpnet")
_T5: Final = ("t5", "mt5", "umt5")
_MAY_BE_MISSING: Final = ("pooler.", "decoder.")
_BATCH_TOKENS: Final = {"cpu": 4096, "cuda": 65536}


class TextTokenizer:
    """The tokenizer of a pretrained encoder.

    Args:
        tokenizer: A fast tokenizer of transformers.
    """

    name = "subword"

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
        self.before = [] if first is None else [int(first)]
        self.eos_id = int(tokenizer.eos_token_id if last is None else last)
        self.pad_id = self.mask_id = int(tokenizer.pad_token_id)
        special = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
        self._special = sorted(special, key=lambda token: (-len(token), token))

    def encode(self, segments: Sequence[Segment], entities: tuple[str | None, str | None] = (None, None)) -> Encoded:
        """Encode a text without special tokens; ``entities`` are ignored."""
        return encode_subwords(self._backend, self._special, segments)

    def titles(self, titles: Iterable[str], most: int) -> tuple[TokenPool, NDArray[np.bool_]]:
        """Encode titles between the special tokens that the encoder was trained with.

        Args:
            titles: N titles.
            most: Maximum number of tokens of each, the special tokens included; a longer title is cut.

        Returns:
            Their tokens, and ``(N,)`` whether a title has any that is not special.
        """
        room, encoded, filled = most - len(self.before) - 1, [], []
        for title in titles:
            own = self.encode((Segment(title, "text"),)).ids[:room]
            ids = np.concatenate([self.before, own, [self.eos_id]]).astype(np.int32)
            encoded.append((ids, np.ones(len(ids), dtype=np.bool_)))
            filled.append(len(own) > 0)
        return TokenPool.of(encoded), np.array(filled, dtype=np.bool_)

    @property
    def learnt(self) -> int:
        """Number of tokens; 0 if all are special ones, as in what transformers creates where there is no tokenizer."""
        count = len(self.tokenizer)
        return count if count > len(self._special) else 0

    @property
    def fingerprint(self) -> str:
        """Hash of the whole pipeline and of the library's version."""
        special = [self._special, self.before, self.eos_id]
        return json_hash([self.name, version("tokenizers"), special, self._backend.to_str()])

    def save(self, folder: Path) -> None:
        """Write the tokenizer into ``folder``."""
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a tokenizer from a folder, or by its name on the hub."""
        return cls(read_tokenizer(str(folder)))


class TextEncoder:
    """Encodes item trees as vectors: the mean of the states of all tokens of a tree.

    Args:
        model: Encoder of transformers.
        tokenizer: Its tokenizer.

    Attributes:
        max_tokens: Most tokens that the encoder can read.
        width: Width of the vectors.
    """

    def __init__(self, model: Any, tokenizer: TextTokenizer) -> None:
        self.tokenizer = tokenizer
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self.device).eval().requires_grad_(False)
        places = getattr(model.config, "max_position_embeddings", None)
        longest = int(tokenizer.tokenizer.model_max_length)
        self.max_tokens = longest if places is None else min(longest, int(places))
        self.width = int(model.config.hidden_size)

    @classmethod
    def load(cls, name: str) -> Self:
        """Read an encoder and its tokenizer.

        Args:
            name: Folder, or name on the hub.

        Raises:
            ConfigError: There is none, or it is no encoder of the BERT or T5 family that reads under a mask.
        """
        try:
            with reading():
                return cls._read(name)
        except PretrainedError as error:
            text = "is neither a folder with an encoder of the BERT or T5 family nor one on the hub"
            raise ConfigError(f"setting parts.text_encoder: '{shorten(name)}' {text}: {error}") from error

    @classmethod
    def _read(cls, name: str) -> Self:
        kind = read_config(name).model_type
        if kind not in (*_BERT, *_T5):
            raise PretrainedError(f"its model type is {kind}")
        model, info = read_model(AutoModel, name, dtype=torch.float32, output_loading_info=True)
        missing = [key for key in sorted(info["missing_keys"]) if not key.startswith(_MAY_BE_MISSING)]
        if missing:
            raise PretrainedError(f"it has no weights for {missing[0]}")
        encoder = cls(model.encoder if kind in _T5 else model, TextTokenizer.load(name))
        if not 0 < encoder.tokenizer.learnt <= model.config.vocab_size:
            raise PretrainedError("it has no tokenizer, or that of another model")
        if not encoder.hides():
            raise PretrainedError("it does not read under an attention mask of its own for each token")
        return encoder

    def hides(self) -> bool:
        """Whether a token that the mask hides has no influence, and one that it shows has some."""
        ids = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]], device=self.device)
        node = torch.tensor([[0, 0, 2, 2]] * 2, device=self.device)
        first, second = self.states(ids, visible(node, torch.where(node > 0, 1, -1)))
        same = (first - second).abs().amax(dim=-1) < 1e-5
        return bool(same[:2].all()) and not bool(same[2:].any())

    @torch.no_grad()
    def states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """States ``(B, L, D)`` of tokens.

        Args:
            ids: ``(B, L)`` tokens.
            mask: ``(B, L, L)`` bool: whether a token sees another. The model gets a float mask, because attention may
                add a boolean one to the scores as 0 and 1, which hides nothing.
        """
        states: torch.Tensor = self._model(input_ids=ids, attention_mask=additive(mask, torch.float32))[0]
        return states

    def pooled(self, batch: Batch, masked: bool) -> NDArray[np.float32]:
        """Vectors of the trees of a batch, ``(B, D)``; the means of the states of their tokens.

        Args:
            batch: Trees.
            masked: Whether to read under the tree mask; else every token of a tree sees all of them.
        """
        ids, node, parent = (
            torch.from_numpy(array.astype(np.int64)).to(self.device)
            for array in (batch.input_ids, batch.node, batch.parent)
        )
        there = node >= 0
        mask = visible(node, parent) if masked else there[:, :, None] == there[:, None, :]
        states = self.states(ids, mask).masked_fill(~there[..., None], 0.0)
        pooled: NDArray[np.float32] = (states.sum(dim=1) / there.sum(dim=1, keepdim=True)).cpu().numpy()
        return pooled

    def vectors(
        self,
        trees: TreeAssembler,
        items: NDArray[np.int64],
        lengths: NDArray[np.int64],
        *,
        masked: bool,
        progress: ProgressCallback = silent,
    ) -> NDArray[np.float32]:
        """Vectors of the trees of M items, ``(M, D)``; trees of about equal length are read together.

        Args:
            trees: Assembles the trees.
            items: ``(M,)`` catalogue rows.
            lengths: ``(M,)`` tokens of each tree.
            masked: Whether to read under the tree mask.
            progress: Progress callback.
        """
        vectors, done = np.zeros((len(items), self.width), dtype=np.float32), 0
        for rows in _batches(lengths, _BATCH_TOKENS[self.device.type]):
            vectors[rows] = self.pooled(trees.assemble(items[rows]), masked)
            done += len(rows)
            progress(ProgressEvent("encode texts", done, len(items), "items"))
        return vectors

    @property
    def fingerprint(self) -> str:
        """Hash of weights and configuration."""
        sums = hashlib.sha256()
        for name, weight in sorted(self._model.state_dict().items()):
            sums.update(f"{name} {tuple(weight.shape)}".encode())
            sums.update(weight.detach().cpu().contiguous().numpy().tobytes())
        settings = json.loads(self._model.config.to_json_string(use_diff=False))
        unrelated = ("_name_or_path", "transformers_version")
        return json_hash([sums.hexdigest(), {key: settings[key] for key in sorted(settings) if key not in unrelated}])


def _batches(lengths: NDArray[np.int64], most: int) -> Iterator[NDArray[np.int64]]:
    """Rows in order of their lengths, in batches with at most ``most`` tokens after padding, or with one row."""
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        last = first + 1
        while last < len(order) and int(lengths[order[last]]) * (last + 1 - first) <= most:
            last += 1
        yield order[first:last]
        first = last
