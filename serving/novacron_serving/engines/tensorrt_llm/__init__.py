"""TensorRT-LLM 1.2 behind the engine interface, by its Python API and its PyTorch backend: nothing is built beforehand.

`config` is what a worker is told, `arguments` turns it into the library's arguments, `quantization` says which weights
run on which GPU, `answer` is what happens after the library, `engine` is the engine itself, and `launch` starts one
over several machines. The library is imported when a model is loaded, not before.
"""
