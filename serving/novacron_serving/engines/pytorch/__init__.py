"""The PyTorch engine: any Hugging Face causal language model, on CPU or CUDA, several requests in each forward pass.

`engine` is what a worker talks to, `decoder` the thread that runs the model, `cache` the rows that are decoded
together, `prefixes` the prompts that may come again, `answer` one of the answers, `sampling` how its tokens are chosen,
`guides` what it is held to, `weights` how the model is read and quantised. PyTorch is imported when a model is loaded,
not before.
"""

from novacron_serving.engines.pytorch.config import PyTorchConfig
from novacron_serving.engines.pytorch.engine import PyTorchEngine

__all__ = ["PyTorchConfig", "PyTorchEngine"]
