"""Exact counts of a transformer: its parameters by every convention, and its FLOPs.

Decoder-only, with grouped queries, gated feed-forward layers, experts, tied or separate heads.
FLOPs are those of the matrix products, two per multiplication and addition, and the backward pass
is twice the forward one; norms, softmax and activations, below a percent, are left out. Attention
is causal: the token at position t sees t keys.
"""

from __future__ import annotations

import dataclasses

POSITIONS = ("rotary", "learned", "relative")
NORMS = ("rms", "layer", "none")
BIASES = ("none", "qkv", "all")
COUNTS = ("total", "active", "with_head", "non_embedding")
"""Ways of counting parameters; see `Transformer.count`."""


@dataclasses.dataclass(frozen=True)
class Transformer:
    """An architecture.

    Attributes:
        layers: blocks of attention and feed-forward.
        d_model: width of the residual stream.
        heads: query heads.
        vocab: tokens that there are, as the embedding has them.
        kv_heads: heads of keys and values; None for as many as `heads`.
        head_dim: width of a head; None for d_model / heads.
        d_ff: width of a feed-forward layer; None for 4 d_model.
        gated: whether feed-forward layers have a gate (SwiGLU): three matrices in place of two.
        tied: whether the head is the embedding.
        context: tokens of a training sequence.
        experts: routed experts of a layer; 0 for a dense model.
        active_experts: routed experts that a token passes.
        shared_experts: experts that every token passes.
        d_expert: width of an expert; None for d_ff.
        dense_layers: first layers, of those with experts, that have one feed-forward layer.
        positions: "rotary" (no parameters), "learned", or "relative" (Transformer-XL's).
        norm: "rms" (a scale), "layer" (scale and shift) or "none" (no parameters).
        qk_norm: whether queries and keys have RMS norms of their own.
        biases: "none", "qkv" (of queries, keys and values) or "all".

    Raises:
        ValueError: a number is not a positive whole one, or they do not go together.

    Example:
        >>> import jaxscale
        >>> gpt = jaxscale.Transformer(layers=12, d_model=768, heads=12, vocab=50257, tied=True)
        >>> gpt.total, gpt.non_embedding
        (123551232, 84953856)
        >>> f"{gpt.training_flops(tokens=1e9):.3g}"
        '8.54e+17'
    """

    layers: int
    d_model: int
    heads: int
    vocab: int
    kv_heads: int | None = None
    head_dim: int | None = None
    d_ff: int | None = None
    gated: bool = False
    tied: bool = False
    context: int = 2048
    experts: int = 0
    active_experts: int = 0
    shared_experts: int = 0
    d_expert: int | None = None
    dense_layers: int = 0
    positions: str = "rotary"
    norm: str = "rms"
    qk_norm: bool = False
    biases: str = "none"

    def __post_init__(self) -> None:
        for name, allowed in (("positions", POSITIONS), ("norm", NORMS), ("biases", BIASES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; there are {allowed}")
        least = {"experts": 0, "active_experts": 0, "shared_experts": 0, "dense_layers": 0}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None or isinstance(value, bool | str):
                continue
            if value != int(value) or value < least.get(field.name, 1):
                raise ValueError(f"{field.name} must be a positive whole number, got {value!r}")
        if self.head_dim is None and self.d_model % self.heads:
            raise ValueError(
                f"{self.heads} heads do not divide a width of {self.d_model}; give head_dim"
            )
        if self.heads % self.kv:
            raise ValueError(f"{self.kv} heads of keys and values do not divide {self.heads} heads")
        if self.active_experts > self.experts or (self.experts and not self.active_experts):
            raise ValueError(
                f"of {self.experts} experts a token passes 1 to {self.experts}, not "
                f"{self.active_experts}"
            )
        if self.dense_layers > self.layers:
            raise ValueError(f"{self.dense_layers} dense layers of {self.layers}")

    @property
    def kv(self) -> int:
        """Heads of keys and values."""
        return self.kv_heads or self.heads

    @property
    def d_head(self) -> int:
        """Width of a head."""
        return self.head_dim or self.d_model // self.heads

    @property
    def d_attention(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.d_head

    @property
    def ff(self) -> int:
        """Width of a feed-forward layer."""
        return self.d_ff or 4 * self.d_model

    @property
    def embedding(self) -> int:
        """Parameters of the embedding, and so of the head."""
        return self.vocab * self.d_model

    @property
    def total(self) -> int:
        """All parameters."""
        learned = self.context * self.d_model if self.positions == "learned" else 0
        return self.non_embedding + self.embedding * (1 if self.tied else 2) + learned

    @property
    def non_embedding(self) -> int:
        """Parameters but those of embeddings, of positions and of the head: Kaplan's N."""
        with_experts = self.layers - self.dense_layers if self.experts else 0
        return (
            self.layers * (self._attention() + 2 * self._norm())
            + (self.layers - with_experts) * self._feed_forward(self.ff)
            + with_experts * self._experts(self.experts)
            + self._norm()
        )

    @property
    def with_head(self) -> int:
        """Parameters of the blocks and of the head, tied or not."""
        return self.non_embedding + self.embedding

    @property
    def active(self) -> int:
        """All parameters but those of the experts that a token does not pass."""
        return self.total - self.idle

    @property
    def idle(self) -> int:
        """Parameters of the experts that a token does not pass."""
        if not self.experts:
            return 0
        each = self._feed_forward(self.d_expert or self.ff)
        return (self.layers - self.dense_layers) * (self.experts - self.active_experts) * each

    @property
    def multiplied(self) -> int:
        """Weights of the blocks that a token is multiplied with."""
        plain = dataclasses.replace(
            self, biases="none", norm="none", positions="rotary", qk_norm=False
        )
        return plain.non_embedding - plain.idle

    def count(self, name: str = "total") -> int:
        """Return the parameters by a convention.

        Args:
            name: "total"; "active", without experts that a token does not pass; "with_head", the
                blocks and the head; "non_embedding", the blocks alone.

        Raises:
            ValueError: there is no such convention.

        Example:
            >>> import jaxscale
            >>> gpt = jaxscale.Transformer(layers=12, d_model=768, heads=12, vocab=50257, tied=True)
            >>> gpt.count("with_head")
            123551232
        """
        if name not in COUNTS:
            raise ValueError(f"no count {name!r}; there are {', '.join(COUNTS)}")
        return int(getattr(self, name))

    def forward_flops(self, context: int | None = None, causal: bool = True) -> float:
        """Return the FLOPs per token of a forward pass over a whole sequence.

        Args:
            context: tokens of the sequence; default the architecture's own.
            causal: whether a token attends to those before it alone, (context + 1) / 2 in the
                mean; else to all of them, as some counts have it.
        """
        length = context or self.context
        keys = (length + 1) / 2 if causal else length
        return 2 * (self.multiplied + self.embedding) + self._attended(keys)

    def training_flops(self, tokens: float = 1, context: int | None = None) -> float:
        """Return the FLOPs of training: three times those of the forward pass.

        Args:
            tokens: how many; 1 for the FLOPs per token.
            context: tokens of a sequence; default the architecture's own.

        Example:
            >>> import jaxscale
            >>> gpt = jaxscale.Transformer(layers=12, d_model=768, heads=12, vocab=50257, tied=True)
            >>> f"{gpt.training_flops(tokens=1e9) / (6 * gpt.total * 1e9):.2f} of 6 N D"
            '1.15 of 6 N D'
        """
        return 3 * tokens * self.forward_flops(context)

    def prefill_flops(self, prompt: int) -> float:
        """Return the FLOPs of reading a prompt; the head is needed for its last token only.

        Args:
            prompt: tokens of the prompt.
        """
        seen = prompt * (prompt + 1) / 2
        return 2 * prompt * self.multiplied + 2 * self.embedding + self._attended(seen)

    def decode_flops(self, position: int) -> float:
        """Return the FLOPs of writing one token, which stands at a position from 1 on.

        Args:
            position: of the token, those before it being in the cache.
        """
        return 2 * (self.multiplied + self.embedding) + self._attended(position)

    def inference_flops(self, prompt: int, output: int) -> float:
        """Return the FLOPs of reading a prompt and writing an answer, with a cache of the keys.

        Args:
            prompt: tokens read, at least one.
            output: tokens written; the first follows from the prompt alone.

        Example:
            >>> import jaxscale
            >>> gpt = jaxscale.Transformer(layers=12, d_model=768, heads=12, vocab=50257, tied=True)
            >>> f"{gpt.inference_flops(prompt=1000, output=200):.3g}"
            '2.46e+11'
        """
        steps = max(output - 1, 0)
        seen = steps * prompt + steps * (steps + 1) / 2
        written = 2 * steps * (self.multiplied + self.embedding) + self._attended(seen)
        return self.prefill_flops(prompt) + written

    def cache_numbers(self, tokens: int) -> int:
        """Return how many numbers the keys and values of so many tokens are.

        Args:
            tokens: of the prompt and of what was written.
        """
        return 2 * self.layers * self.kv * self.d_head * tokens

    def _attended(self, keys: float) -> float:
        """Return the FLOPs of queries with keys and of weights with values, in all layers."""
        return 4 * self.layers * self.d_attention * keys

    def _projections(self) -> int:
        return self.d_model * self.d_head * (2 * self.heads + 2 * self.kv)

    def _attention(self) -> int:
        found = self._projections()
        if self.biases != "none":
            found += self.d_head * (self.heads + 2 * self.kv)
        if self.biases == "all":
            found += self.d_model
        if self.positions == "relative":
            found += self.d_model * self.d_attention + 2 * self.d_attention
        return found + (2 * self.d_head if self.qk_norm else 0)

    def _feed_forward(self, width: int) -> int:
        matrices = 3 if self.gated else 2
        biases = (matrices - 1) * width + self.d_model if self.biases == "all" else 0
        return matrices * self.d_model * width + biases

    def _experts(self, number: int) -> int:
        """Return the parameters of a layer with so many routed experts."""
        each = self._feed_forward(self.d_expert or self.ff)
        return (number + self.shared_experts) * each + self.d_model * self.experts

    def _norm(self) -> int:
        return {"rms": 1, "layer": 2, "none": 0}[self.norm] * self.d_model


def flops_per_token(model: Transformer) -> dict[str, float]:
    """Return the training FLOPs per token by the counts that papers use.

    "exact" is this module's; "6 N" of all parameters, or the active ones of a model with experts;
    "Kaplan" of those without embeddings, attention left out; "PaLM" of the blocks and the head,
    with attention that is not causal; "Hoffmann" as their table A4 has it, with the softmax, and
    without embedding and head; "DeepSeek" 72 L d² + 12 L d T, of models whose d_ff is 4 d.

    Sources: Kaplan et al. 2020, arXiv:2001.08361, section 2.1; Chowdhery et al. 2022,
    arXiv:2204.02311, appendix B; Hoffmann et al. 2022, arXiv:2203.15556, appendix F; DeepSeek-AI
    2024, arXiv:2401.02954, section 3.
    """
    L, d, T = model.layers, model.d_model, model.context
    full = 3 * 4 * L * model.d_attention * T
    found = {
        "exact": model.training_flops(),
        "6 N": 6.0 * model.active,
        "Kaplan": 6.0 * (model.non_embedding - model.idle),
        "PaLM": 6.0 * (model.with_head - model.idle) + full,
        "Hoffmann": 6.0 * model.multiplied + full + 3 * 3 * L * model.heads * T,
    }
    if not model.experts:
        found["DeepSeek"] = 72.0 * L * d * d + 12.0 * L * d * T
    return found
