"""Vectors of item trees from a pretrained text encoder, and the items whose vectors are nearest."""
