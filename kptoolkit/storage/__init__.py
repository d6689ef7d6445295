"""Storage for all layers: atomic writes, checksummed arrays, ragged values, vocabularies, text tables, batches."""
