"""What scikit-learn asks of an estimator, without importing scikit-learn."""

from __future__ import annotations

import inspect
from typing import Any, Self


class Parameters:
    """Settings of a constructor that are read and changed by name, in scikit-learn's manner."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name; `deep` changes nothing."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Change settings by name.

        Raises:
            ValueError: a name that is none.
        """
        names = self._parameter_names()
        if unknown := set(parameters) - set(names):
            raise ValueError(f"expected parameters among {', '.join(names)}, got {', '.join(sorted(unknown))}")
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        words = (f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({', '.join(words)})"

    @classmethod
    def _parameter_names(cls) -> tuple[str, ...]:
        return tuple(inspect.signature(cls).parameters)

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect; it alone calls this."""
        from sklearn.utils import InputTags, Tags, TargetTags

        takes = InputTags(sparse=True, allow_nan=True)
        return Tags(estimator_type=None, target_tags=TargetTags(required=False), input_tags=takes)
