"""obrl.keras on the backend that KERAS_BACKEND names, a process each."""
