"""CPU seconds and memory of a training step under the options of attention; no test.

python tests/models/measure_attention.py [REPEATS]
"""

from __future__ import annotations

import sys
import time

import torch
from transformers import T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from kptoolkit.models.t5.tree_t5 import TreeT5, freeze_relative_bias

VOCABULARY, BATCH, WIDTH, HEADS = 5000, 32, 64, 4
VARIANTS = {
    "sdpa": ("sdpa", frozenset[str]()),
    "sdpa, bias frozen": ("sdpa", frozenset({"frozen"})),
    "sdpa, attention dropout": ("sdpa", frozenset({"dropout"})),
    "sdpa, bias frozen, attention dropout": ("sdpa", frozenset({"frozen", "dropout"})),
    "sdpa, checkpointing": ("sdpa", frozenset({"checkpointing"})),
    "eager": ("eager", frozenset[str]()),
    "eager, attention dropout": ("eager", frozenset({"dropout"})),
}


def model(attention: str, changes: frozenset[str]) -> TreeT5:
    """A T5 of the default size, with some options changed."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=VOCABULARY, d_model=WIDTH, d_kv=WIDTH // HEADS, d_ff=4 * WIDTH, num_layers=2, num_decoder_layers=1,
        num_heads=HEADS, dropout_rate=0.1, decoder_start_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    t5 = T5ForConditionalGeneration._from_config(config, attn_implementation=attention)
    for layer in (module for module in t5.modules() if isinstance(module, T5Attention)):
        layer.dropout = 0.1 if "dropout" in changes else 0.0
    if "frozen" in changes:
        freeze_relative_bias(t5)
    if "checkpointing" in changes:
        t5.activation_checkpointing_enable()
    return TreeT5(t5, fresh=True).train()


def prompts(triplets: int, tokens: int) -> dict[str, torch.Tensor]:
    """A batch of prompts with five items and as many triplets of as many tokens below each."""
    mpp = torch.cat([torch.zeros(10, dtype=torch.long), torch.arange(1, 6)])
    triplet = torch.arange(5 * triplets).repeat_interleave(tokens)
    node = torch.cat([mpp, 6 + triplet])
    parent = torch.cat([torch.where(mpp == 0, -1, 0), 1 + triplet // triplets])
    generator = torch.Generator().manual_seed(0)
    batch = {
        "input_ids": torch.randint(1, VOCABULARY, (BATCH, len(node)), generator=generator),
        "node": node.to(torch.int16).expand(BATCH, -1),
        "parent": parent.to(torch.int16).expand(BATCH, -1),
        "whole_word": torch.arange(1, len(node) + 1).expand(BATCH, -1),
    }
    targets = torch.randint(0, VOCABULARY, (BATCH, 3), generator=generator)
    return batch | {"decoder_input_ids": targets, "labels": targets}


def stored(net: TreeT5, batch: dict[str, torch.Tensor]) -> float:
    """MiB stored for the backward pass, weights among them."""
    sizes: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = net(**batch)["loss"]
    loss.backward()
    return sum(sizes.values()) / 2**20


def main(repeats: int) -> None:
    """Print a table for two lengths; the variants take turns, so that other work on the machine affects all of them."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for triplets, tokens in ((8, 5), (14, 6)):
        batch = prompts(triplets, tokens)
        nets = {name: model(*variant) for name, variant in VARIANTS.items()}
        memory = {name: stored(net, batch) for name, net in nets.items()}
        seconds: dict[str, list[float]] = {name: [] for name in nets}
        for _ in range(repeats):
            for name, net in nets.items():
                started = time.process_time()
                net(**batch)["loss"].backward()
                seconds[name].append(time.process_time() - started)
        sys.stdout.write(f"{BATCH} prompts of {batch['node'].shape[1]} tokens\n")
        for name, taken in seconds.items():
            middle = sorted(taken)[repeats // 2]
            sys.stdout.write(f"  {name:40s} {middle:6.3f} CPU s {memory[name]:6.0f} MiB\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
