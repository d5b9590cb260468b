"""A report on how labels relate: one HTML file that needs no network."""

from obrl.report.content import Drift, Finding, PairEvidence, Report, SuspectLabel, SuspectRow, Suspects

__all__ = ["Drift", "Finding", "PairEvidence", "Report", "SuspectLabel", "SuspectRow", "Suspects"]
