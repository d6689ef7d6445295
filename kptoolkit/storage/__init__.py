"""What every layer stores with: checksummed arrays, ragged values, text tables, batches, errors of writing."""
