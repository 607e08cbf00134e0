"""Serving one static batch: a cache whose address never changes, steps that can be replayed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.machine import as_dtype
from bayeslaw.lab.network import Network
from bayeslaw.space import Workload

Step = Callable[[], None]


class Engine:
    """Serve a workload's batch with a network: greedy, no queue, everything allocated once.

    Tokens and cache keep their addresses, and nothing in a decode step waits for the host, so
    that on CUDA a step is one graph. There is a graph for each context, over a fixed slice of the
    cache; its attention kernel thus sees plain strides and the number of keys it was made for.

    Args:
        network: On the device and in the precision of the workload, built for its context.
        workload: Batch, prompt and output.
        graphs: Whether steps are captured CUDA graphs; None: on CUDA yes, on a CPU no.
        compiled: Whether blocks are compiled by ``torch.compile`` first (some ten seconds a network).
        seed: Of the random prompt.

    Attributes:
        prompt: What `prefill` reads, ``(batch, prompt_tokens)``; copy other tokens into it.
        tokens: The newest token of each sequence, ``(batch,)``; every step reads and writes it.
        cache: Keys and values of all layers.

    Raises:
        InvalidInputError: Graphs on a CPU, or a network of another precision or a shorter context.
    """

    def __init__(
        self,
        network: Network,
        workload: Workload,
        graphs: bool | None = None,
        compiled: bool = False,
        seed: int = 0,
    ) -> None:
        weights = network.embedding
        _check(network, workload, graphs)
        self.network, self.workload = network, workload
        self.graphs = weights.is_cuda if graphs is None else graphs
        self.compiled = compiled
        shape = (workload.batch_size, workload.prompt_tokens)
        generator = torch.Generator().manual_seed(seed)
        vocabulary = network.architecture.vocab_size
        self.prompt = torch.randint(vocabulary, shape, generator=generator).to(weights.device)
        self.tokens = self.prompt[:, 0].clone()
        self._written = self.prompt.new_zeros((workload.batch_size, workload.output_tokens))
        self.cache = network.new_cache(workload.batch_size, workload.context)
        # A step reads its whole slice, so all of it must hold ordinary numbers: zeros run faster.
        self.cache.keys.normal_()
        self.cache.values.normal_()
        self._steps: dict[int, Step] = {}
        if self.graphs:
            self._stream = torch.cuda.Stream()
            self._pool = torch.cuda.graph_pool_handle()
        if compiled:
            torch.compiler.reset()  # else the ninth network of a process would not be compiled
            for block in network.blocks:
                block.extend = torch.compile(block.extend)  # type: ignore[method-assign, arg-type]

    @property
    def held_bytes(self) -> int:
        """Bytes of weights and cache."""
        cache = self.cache.keys.nbytes + self.cache.values.nbytes
        return cache + sum(weight.nbytes for weight in self.network.parameters())

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Read the prompt into the cache and choose the first tokens; eager on every device.

        Returns:
            `tokens`, ``(batch,)``: the buffer itself.
        """
        self.cache.length = 0
        logits = self.network.prefill(self.prompt, self.cache)
        return torch.argmax(logits, dim=-1, out=self.tokens)

    def step_at(self, context: int) -> Step:
        """Return what runs one decode step with ``context`` tokens in the cache.

        The step reads `tokens`, writes their keys and values at position ``context`` and chooses
        the tokens after them. With graphs it is captured now, after a warm-up, and replayed at
        each call; the same context is captured once.

        Raises:
            InvalidInputError: The cache has no room for another token.
        """
        if not 1 <= context < self.cache.max_context:
            raise InvalidInputError(
                f"a decode step needs 1 to {self.cache.max_context - 1} tokens in the cache, "
                f"got {context}"
            )
        if context not in self._steps:
            step = self._eager(context)
            self._steps[context] = self._captured(step) if self.graphs else step
        return self._steps[context]

    def generate(self) -> Tensor:
        """Run a true greedy generation: prefill, then a step for every later token.

        With graphs every step is a replay. The first call captures a graph for each position,
        some ten milliseconds each; later calls only replay.

        Returns:
            Tokens, ``(batch, output_tokens)``: a buffer that the next call overwrites.
        """
        first = self.workload.prompt_tokens
        steps = [self.step_at(first + i) for i in range(self.workload.output_tokens - 1)]
        self._written[:, 0] = self.prefill()
        for position, step in enumerate(steps, start=1):
            step()
            self._written[:, position] = self.tokens
        return self._written

    def _eager(self, context: int) -> Step:
        @torch.inference_mode()
        def step() -> None:
            self.cache.length = context
            logits = self.network.decode(self.tokens, self.cache)
            torch.argmax(logits, dim=-1, out=self.tokens)

        return step

    def _captured(self, step: Step) -> Step:
        """Capture on a side stream; graphs share a pool, as no two ever run at once."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(2):
                step()
        torch.cuda.current_stream().wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            step()
        return graph.replay


def _check(network: Network, workload: Workload, graphs: bool | None) -> None:
    weights = network.embedding
    if graphs and not weights.is_cuda:
        raise InvalidInputError(
            f"graphs are CUDA's, this network is on {weights.device.type!r}; leave graphs out, or "
            f"put the network on a GPU"
        )
    if weights.dtype != as_dtype(workload.precision):
        raise InvalidInputError(
            f"the workload asks for {workload.precision}, the network has {weights.dtype}; "
            f"convert it, or change the workload"
        )
    if network.max_context < workload.context:
        raise InvalidInputError(
            f"the workload needs a context of {workload.context} tokens, the network was built "
            f"for {network.max_context}; build it with max_context={workload.context}"
        )
