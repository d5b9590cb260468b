"""What `obrl env` says of Keras: its backend, and how `obrl.keras` computes there."""

from __future__ import annotations

import json

import keras


def facts() -> dict[str, str]:
    """The version and the backend, which `KERAS_BACKEND` or `keras.json` in Keras's folder chooses."""
    backend = keras.config.backend()
    return {
        "version": keras.__version__,
        "backend": backend,
        "OBRLossLayer": f"computes in operations of Keras on {backend}; it has no impl=",
    }


if __name__ == "__main__":
    print(json.dumps(facts()))
