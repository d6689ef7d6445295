"""Changes of the inputs of a training: other triples, other templates."""
