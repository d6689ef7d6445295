"""The knowledge tree: which triples, in what order, under which node, and who sees whom."""
