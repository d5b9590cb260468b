"""Tests of the TensorFlow adapter."""
