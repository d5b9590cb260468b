"""obrl for TensorFlow, and for Keras on its TensorFlow backend."""

try:
    import keras as _keras  # noqa: F401
    import tensorflow as _tensorflow  # noqa: F401
except ImportError as error:
    if error.name not in ("keras", "tensorflow"):
        raise  # both are installed; the error names what is missing
    raise ImportError(
        'obrl.tensorflow needs TensorFlow and Keras 3, which are not installed: pip install "obrl[tensorflow]"'
    ) from error

from obrl_tensorflow import LossTerms, OBRLoss, OBRLossCallback, OnlineBatchRelation, RelationLoss, relation_loss

__all__ = ["LossTerms", "OBRLoss", "OBRLossCallback", "OnlineBatchRelation", "RelationLoss", "relation_loss"]

if __name__ == "__main__":
    import sys

    from obrl_tensorflow.check_gpu import main

    sys.exit(main())
