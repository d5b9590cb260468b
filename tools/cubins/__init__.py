"""How the kernels become the cubins that TensorFlow and JAX launch, without a GPU."""
