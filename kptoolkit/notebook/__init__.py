"""What a notebook shows: the progress of long calls, and tables about graphs, packs and runs."""
