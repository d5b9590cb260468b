"""The settings by subject; `reference_model.config` offers them all."""
