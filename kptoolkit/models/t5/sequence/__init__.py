"""The default backend: an item's knowledge is computed once, and the next item is predicted at every position."""
