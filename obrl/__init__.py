"""Online Batch Relation: learn how labels relate while a model trains, and use it as supervision."""

from obrl._version import __version__

__all__ = ["__version__"]
