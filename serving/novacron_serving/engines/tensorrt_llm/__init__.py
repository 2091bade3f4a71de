"""The TensorRT-LLM engine, for TensorRT-LLM 1.2 with its PyTorch backend. No engine has to be built beforehand.

- `engine`: implements the engine interface.
- `config`: the engine's settings.
- `arguments`: translates settings and requests into the library's arguments.
- `admission`: rejects requests that the library cannot serve.
- `choice`: translates the library's output into deltas.
- `quantization`: which weight formats run on which GPU.
- `health`: detects an engine that hangs or has died.
- `launch`: starts a worker whose model spans several machines.

The library is imported when a model is loaded, not before.
"""
