"""One HTML page about one or several runs: figures, curves, weights, reasons, and signs of failure."""

from __future__ import annotations

from kptoolkit.report.write_report import Report, write_report

__all__ = ["Report", "write_report"]
