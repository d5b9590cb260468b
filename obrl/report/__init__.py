"""A report on how labels relate: one HTML file that needs no network."""

from obrl.report.content import Drift, Finding, PairEvidence, Report, SuspectLabel, SuspectRow, Suspects
from obrl.report.page import write_report

__all__ = ["Drift", "Finding", "PairEvidence", "Report", "SuspectLabel", "SuspectRow", "Suspects", "write_report"]
