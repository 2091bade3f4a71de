"""The architecture of a model, and what follows from it: parameters, and the values that a token adds to the KV cache.

Three things make a model differ from a dense one with grouped-query attention. Each is a section of `Model`:

- `experts`: a router sends each token to a few of many MLPs, so all have to be in memory, and few are computed.
- `latent_attention` (MLA): a layer caches one compressed vector for each token instead of the keys and values of heads.
- `window`: most layers attend only to the last tokens, or to those of their chunk, and cache no more than these.

Biases and the norms inside attention are not counted: they are below 0.1% of every model in `models.yaml`.
"""

from __future__ import annotations

from math import ceil
from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from novacron_infra.catalog.types import Entry, Name, Sourced


class Experts(Entry):
    """The mixture of experts in the layers of a model."""

    count: PositiveInt
    """Routed experts of a layer."""
    active: PositiveInt
    """Routed experts that compute a token."""
    intermediate: PositiveInt
    """Width of an expert."""
    shared_intermediate: Annotated[int, Field(ge=0)] = 0
    """Width of all experts together that compute every token. 0: there are none."""
    first_layer: Annotated[int, Field(ge=0)] = 0
    """The first layer with experts; those before it are dense."""
    every: PositiveInt = 1
    """Each layer whose number, counted from 1, is a multiple of this has experts; the others are dense."""

    @model_validator(mode="after")
    def _has_enough(self) -> Experts:
        if self.active > self.count:
            raise ValueError(f"active must be at most count, which is {self.count}")
        return self

    def count_layers(self, layers: range) -> int:
        """Return how many of some layers, counted from 0, have experts."""
        return sum(layer >= self.first_layer and (layer + 1) % self.every == 0 for layer in layers)


class LatentAttention(Entry):
    """Multi-head latent attention (MLA). Widths are in values."""

    kv_rank: PositiveInt
    """Compressed key and value of a token, which all heads share."""
    rope_dim: PositiveInt
    """The part of a key that carries the position, which all heads share."""
    query_rank: PositiveInt | None
    """Compressed query. None: queries are not compressed."""
    nope_dim: PositiveInt
    """The part of a head's key without position."""
    value_dim: PositiveInt
    """A head's value."""


class AttentionWindow(Entry):
    """Layers that do not attend to the whole context: a sliding window, or chunks."""

    tokens: PositiveInt
    """Length of the window or chunk."""
    full_every: Annotated[int, Field(ge=0)]
    """Each layer whose number, counted from 1, is a multiple of this attends to everything. 0: none does."""

    def count_layers(self, layers: range) -> int:
        """Return how many of some layers, counted from 0, have the window."""
        return sum(self.full_every == 0 or (layer + 1) % self.full_every != 0 for layer in layers)


class Model(Sourced):
    """The architecture of a decoder-only transformer, from its config.json."""

    name: Name
    layers: PositiveInt
    hidden: PositiveInt
    intermediate: PositiveInt
    """Width of the MLP of a dense layer."""
    attention_heads: PositiveInt
    kv_heads: PositiveInt
    head_dim: PositiveInt
    vocabulary: PositiveInt
    tied_embeddings: bool
    max_context_tokens: PositiveInt
    parameters: PositiveInt
    experts: Experts | None = None
    """None: all layers are dense."""
    latent_attention: LatentAttention | None = None
    """None: grouped-query attention."""
    window: AttentionWindow | None = None
    """None: all layers attend to the whole context."""

    @property
    def all_layers(self) -> range:
        """The numbers of the layers, from 0."""
        return range(self.layers)

    @property
    def computed_parameters(self) -> int:
        """The parameters that follow from the other figures: layers, embedding, output head and the last norm."""
        tables = 1 if self.tied_embeddings else 2
        layers = self.dense_parameters(self.all_layers) + self.expert_parameters(self.all_layers)
        return layers + tables * self.embedding_parameters + self.hidden

    @property
    def active_parameters(self) -> int:
        """The parameters that compute one token: all without the experts that its router does not choose."""
        if self.experts is None:
            return self.parameters
        idle = self.experts.count - self.experts.active
        return self.parameters - self.expert_parameters(self.all_layers) // self.experts.count * idle

    @property
    def embedding_parameters(self) -> int:
        """Parameters of one embedding table. The output head is a second one unless it is tied."""
        return self.vocabulary * self.hidden

    def dense_parameters(self, layers: range) -> int:
        """Return the parameters of some layers, counted from 0, that compute every token."""
        parameters = len(layers) * (self._attention_parameters + 2 * self.hidden)  # and two norms
        mlp = 3 * self.hidden * self.intermediate
        if self.experts is None:
            return parameters + len(layers) * mlp
        with_experts = self.experts.count_layers(layers)
        router_and_shared = self.hidden * (self.experts.count + 3 * self.experts.shared_intermediate)
        return parameters + (len(layers) - with_experts) * mlp + with_experts * router_and_shared

    def expert_parameters(self, layers: range) -> int:
        """Return the parameters of all routed experts of some layers, counted from 0."""
        experts = self.experts
        if experts is None:
            return 0
        return experts.count_layers(layers) * experts.count * 3 * self.hidden * experts.intermediate

    def kv_values(self, layers: range, context_tokens: int, tensor_parallel: int = 1) -> int:
        """Return the values that some layers cache for one sequence on each GPU.

        Args:
            layers: counted from 0.
            context_tokens: length of the sequence.
            tensor_parallel: GPUs that share each layer. They share its heads; each has the whole latent vector.
        """
        tokens = len(layers) * context_tokens
        if self.window is not None:
            tokens -= self.window.count_layers(layers) * max(0, context_tokens - self.window.tokens)
        if self.latent_attention is not None:
            return tokens * (self.latent_attention.kv_rank + self.latent_attention.rope_dim)
        return tokens * 2 * ceil(self.kv_heads / tensor_parallel) * self.head_dim

    def kv_bytes_per_token(self, context_tokens: int, bytes_per_value: int) -> float:
        """Return the bytes of KV cache in all layers for each token of a sequence of this length."""
        return self.kv_values(self.all_layers, context_tokens) * bytes_per_value / context_tokens

    @property
    def _attention_parameters(self) -> int:
        latent, heads = self.latent_attention, self.attention_heads
        if latent is None:
            return 2 * self.hidden * self.head_dim * (heads + self.kv_heads)
        key_dim = latent.nope_dim + latent.rope_dim
        rank = latent.query_rank
        query = self.hidden * heads * key_dim if rank is None else rank * (self.hidden + heads * key_dim)
        compressed = self.hidden * (latent.kv_rank + latent.rope_dim)
        expanded = latent.kv_rank * heads * (latent.nope_dim + latent.value_dim)
        return query + compressed + expanded + heads * latent.value_dim * self.hidden
