"""The stages' reports: figures from what was collected, one picture, and the text for the console and report.md."""
