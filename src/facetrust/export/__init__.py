"""A trained network leaves PyTorch: ONNX, int8, and proof that each file answers as its origin does."""
