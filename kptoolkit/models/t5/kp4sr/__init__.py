"""The paper's backend: T5 reads a prompt under the tree mask and names the masked item (KP4SR, arXiv 2308.08459)."""
