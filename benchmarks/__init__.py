"""Programs that measure kptoolkit and a baseline in one run: ``python -m benchmarks.NAME [--quick] [--json FILE]``.

``training``, ``inference``, ``time_to_quality``, ``growth_model``; docs/benchmarks.md has what they measured.
"""
