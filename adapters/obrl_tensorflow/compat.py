"""What obrl uses of TensorFlow's private parts, one function each."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext


def in_xla() -> bool:
    """Whether XLA will compile the operations that are called now.

    Native code has no kernels for XLA, so `impl="fused"` must be refused while such a graph is traced: TensorFlow says
    so only when the graph runs, and names operations that no user wrote. A graph does not know whether it is compiled,
    but its control flow context does, or that of a graph around it. TensorFlow has no public call that looks there.
    """
    return not tf.executing_eagerly() and bool(GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))
