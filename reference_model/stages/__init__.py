"""The stages of the pipeline, each declared once as a value."""
