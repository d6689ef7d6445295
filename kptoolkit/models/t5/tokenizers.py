"""Tokenizers of the T5 backends: whole phrases for training from scratch, subwords for checkpoints or by choice."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from kptoolkit.errors import RunError
from kptoolkit.knowledge.prompt_pool import PromptPool
from kptoolkit.models.subwords import WORD, encode_subwords
from kptoolkit.prompts import Segment
from kptoolkit.storage.arrays import json_hash
from kptoolkit.tree.tokens import Encoded, SavedTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, EOS, UNKNOWN, SENTINELS = "<pad>", "</s>", "<unk>", ("<extra_id_0>", "<extra_id_1>")
_SPECIAL = (PAD, EOS, UNKNOWN, *SENTINELS)
_FILE = "phrases.json"


class ModelTokenizer(SavedTokenizer, Protocol):
    """A tokenizer with T5's sentinels that is saved with a run.

    Attributes:
        sentinels: Ids of the two sentinels around the target; the first is the mask in the prompt.
        size: Size of the vocabulary; the item tokens follow.
        has_item_tokens: Whether an item that a prompt names is encoded as its item token.
        entities_from: The first token that is an entity, all after it too; ``None`` where entities are several tokens.
    """

    sentinels: tuple[int, int]
    size: int
    has_item_tokens: bool
    entities_from: int | None

    @property
    def vocabulary(self) -> list[tuple[str, str]]:
        """Kind and text of each token: a ``"word"``, or the id of an ``"entity"``."""
        ...

    def with_items(self, items: Mapping[str, int]) -> Self:
        """Return this tokenizer for an extended catalogue.

        Args:
            items: Catalogue row of each entity that is one item.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the tokenizer into ``folder``."""


class PhraseTokenizer:
    """One token per entity and one per template fragment: the shortest prompts, for training from scratch.

    An entity that is a catalogue item has that item's token, so that a sequel named in a fact and the sequel as a
    recommendation are the same token. Words and characters spell what the vocabulary does not contain, such as an
    entity that enters the graph later.

    Args:
        phrases: Template fragments, words and characters, in order of their token ids.
        entities: Entity ids, in order of their token ids, which follow those of the phrases.
        items: Catalogue row of each entity that is one item.
    """

    name = "phrase"
    has_item_tokens = True
    pad_id, eos_id, unknown_id = (_SPECIAL.index(token) for token in (PAD, EOS, UNKNOWN))
    sentinels = (_SPECIAL.index(SENTINELS[0]), _SPECIAL.index(SENTINELS[1]))
    mask_id = sentinels[0]

    def __init__(self, phrases: Sequence[str], entities: Sequence[str], items: Mapping[str, int]) -> None:
        self.phrases, self.entities, self.items = list(phrases), list(entities), dict(items)
        self.size = len(_SPECIAL) + len(self.phrases) + len(self.entities)
        self._phrase = {text: len(_SPECIAL) + i for i, text in enumerate(self.phrases)}
        self.entities_from: int | None = len(_SPECIAL) + len(self.phrases)
        self._entity = {entity: self.entities_from + i for i, entity in enumerate(self.entities)}
        self._entity |= {entity: self.size + row for entity, row in self.items.items()}

    @classmethod
    def build(cls, prompts: PromptPool | None, texts: Iterable[str], items: Mapping[str, int]) -> Self:
        """Create a tokenizer whose vocabulary covers prompts and texts.

        Args:
            prompts: Triplet prompts, if any are read; their fragments and entities get tokens.
            texts: The MPP's words and separators.
            items: Catalogue row of each entity that is one item.
        """
        fragments = dict.fromkeys(text.strip() for text in (*texts, *(prompts.fragments if prompts else ())))
        entities = [entity for entity in (prompts.entities if prompts else ()) if entity not in items]
        words = dict.fromkeys(word for fragment in fragments for word in fragment.split())
        characters = dict.fromkeys(chr(code) for code in range(33, 127))
        phrases = [text for text in fragments | words | characters if text]
        return cls(phrases, entities, items)

    def with_items(self, items: Mapping[str, int]) -> Self:
        """Return this tokenizer for an extended catalogue; entities keep the tokens they were trained with."""
        known = set(self.entities)
        return type(self)(self.phrases, self.entities, {name: row for name, row in items.items() if name not in known})

    def encode(self, segments: Sequence[Segment], entities: tuple[str | None, str | None] = (None, None)) -> Encoded:
        """Encode a text; ``entities`` are the ids of its head and tail."""
        ids: list[int] = []
        starts: list[bool] = []
        for segment in segments:
            entity = {"head": entities[0], "tail": entities[1]}.get(segment.role)
            known = self._entity.get(entity) if entity is not None else self._phrase.get(segment.text.strip())
            if known is not None:
                ids.append(known)
                starts.append(True)
            else:
                self._spell(segment.text, ids, starts)
        return Encoded(np.array(ids, dtype=np.int32), np.array(starts, dtype=np.bool_))

    def _spell(self, text: str, ids: list[int], starts: list[bool]) -> None:
        for word in text.split():
            parts = [word] if word in self._phrase else list(word)
            ids += [self._phrase.get(part, self.unknown_id) for part in parts]
            starts += [True] + [False] * (len(parts) - 1)

    @property
    def vocabulary(self) -> list[tuple[str, str]]:
        """Kind and text of each token."""
        words = [("word", text) for text in (*_SPECIAL, *self.phrases)]
        return words + [("entity", entity) for entity in self.entities]

    @property
    def fingerprint(self) -> str:
        """Hash of the vocabulary."""
        return json_hash([self.name, self._saved])

    @property
    def _saved(self) -> dict[str, Any]:
        return {"phrases": self.phrases, "entities": self.entities, "items": self.items}

    def save(self, folder: Path) -> None:
        """Write the vocabulary into ``folder``."""
        (folder / _FILE).write_text(json.dumps(self._saved, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        vocabulary = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return cls(vocabulary["phrases"], vocabulary["entities"], vocabulary["items"])


class SubwordTokenizer:
    """A Hugging Face tokenizer of the T5 family.

    Args:
        tokenizer: A fast tokenizer with ``<extra_id_0>`` and ``<extra_id_1>``; they are added where missing.
    """

    name = "subword"
    has_item_tokens = False
    entities_from: int | None = None

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        missing = [token for token in SENTINELS if token not in tokenizer.get_vocab()]
        if missing:
            tokenizer.add_tokens(missing, special_tokens=True)
        self.tokenizer = tokenizer
        first, second = tokenizer.convert_tokens_to_ids(list(SENTINELS))
        self.sentinels = (int(first), int(second))
        self.mask_id = self.sentinels[0]
        self.pad_id, self.eos_id = int(tokenizer.pad_token_id), int(tokenizer.eos_token_id)
        self.size = len(tokenizer)
        special = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
        self._special = sorted(special, key=lambda token: (-len(token), token))

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int) -> Self:
        """Train a byte-pair tokenizer on ``texts`` with at most ``vocabulary`` tokens.

        With byte pairs equal texts give equal ids; the unigram trainer numbers ties differently each time.
        """
        from tokenizers import Tokenizer as RustTokenizer
        from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
        from transformers import PreTrainedTokenizerFast

        rust = RustTokenizer(models.BPE(unk_token=UNKNOWN))
        rust.normalizer = normalizers.NFKC()
        rust.pre_tokenizer = pre_tokenizers.Metaspace()
        rust.decoder = decoders.Metaspace()
        alphabet = [chr(code) for code in range(33, 127)]
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(_SPECIAL),
            initial_alphabet=alphabet,
            show_progress=False,
        )
        rust.train_from_iterator(texts, trainer)
        return cls(
            PreTrainedTokenizerFast(
                tokenizer_object=rust,
                pad_token=PAD,
                eos_token=EOS,
                unk_token=UNKNOWN,
                additional_special_tokens=list(SENTINELS),
            )
        )

    def with_items(self, items: Mapping[str, int]) -> Self:
        """Return the same tokenizer: prompts contain no item tokens."""
        return self

    def encode(self, segments: Sequence[Segment], entities: tuple[str | None, str | None] = (None, None)) -> Encoded:
        """Encode a text; a special token spelled out in it, e.g. in a name, stays text."""
        # The backend is faster than the wrapper, which converts its arguments each time.
        return encode_subwords(self.tokenizer.backend_tokenizer, self._special, segments)

    @property
    def vocabulary(self) -> list[tuple[str, str]]:
        """Kind and text of each token."""
        return [("word", piece) for piece in self.tokenizer.convert_ids_to_tokens(range(self.size))]

    @property
    def fingerprint(self) -> str:
        """Hash of the whole pipeline and of the library's version."""
        pipeline = self.tokenizer.backend_tokenizer.to_str()
        return json_hash([self.name, WORD.pattern, version("tokenizers"), self._special, pipeline])

    def save(self, folder: Path) -> None:
        """Write the tokenizer into ``folder``."""
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a tokenizer from a folder, or by its name on the hub.

        Raises:
            PretrainedError: There is none that can be read.
        """
        from kptoolkit.models.pretrained import read_tokenizer, reading

        with reading():
            return cls(read_tokenizer(str(folder)))


def load_tokenizer(folder: Path) -> ModelTokenizer:
    """Read the tokenizer that a run was trained with.

    Raises:
        RunError: The folder contains none that can be read.
    """
    try:
        return PhraseTokenizer.load(folder) if (folder / _FILE).is_file() else SubwordTokenizer.load(folder)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{folder} holds no tokenizer that can be read: {error}") from error
