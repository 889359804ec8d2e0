"""The edge bundle: a served version as a folder that runs with numpy and onnxruntime alone."""
