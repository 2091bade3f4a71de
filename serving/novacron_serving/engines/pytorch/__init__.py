"""The PyTorch engine: any Hugging Face causal language model, on CPU or CUDA, with continuous batching.

- `engine`: implements the engine interface.
- `decoder`: the thread that runs the model.
- `kv_cache`: the key-value cache of the running batch.
- `prefix_cache`: keys and values of recent prompts.
- `choice`: one choice of a request.
- `sampling`: chooses the next token.
- `guides`: guided decoding.
- `weights`: loads and quantises the model.

PyTorch is imported when a model is loaded, not before.
"""

from novacron_serving.engines.pytorch.config import PyTorchConfig
from novacron_serving.engines.pytorch.engine import PyTorchEngine

__all__ = ["PyTorchConfig", "PyTorchEngine"]
