"""The training loop: AdamW with warm-up and cosine decay, an average of the weights, and snapshots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from recgen_bench.harness.checkpoint import Snapshots
from recgen_bench.harness.errors import MethodFailed, RecgenError
from recgen_bench.methods.priors.onestep import OneStepNetwork
from recgen_bench.methods.priors.training.examples import Batch
from recgen_bench.methods.priors.training.objective import Objective
from recgen_bench.methods.priors.training.recipe import TrainingRecipe
from recgen_bench.methods.splats.target import stream


class Fit:
    """A restorer in training.

    Args:
        network: Trained in place.
        objective: What is minimised.
        recipe: How.
        steps: Length of the whole schedule.
        seed: Of the Gram windows.
        order: Names the training; a snapshot of another one is refused.
    """

    def __init__(
        self,
        network: OneStepNetwork,
        objective: Objective,
        recipe: TrainingRecipe,
        *,
        steps: int,
        seed: int,
        order: str,
    ) -> None:
        self.network, self.step = network, 0
        self._objective, self._recipe = objective, recipe
        self._steps, self._seed, self._order = steps, seed, order
        self._half = recipe.precision == "bf16"
        self._average = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self._optimiser = torch.optim.AdamW(
            network.parameters(), recipe.rate, (0.9, recipe.second), weight_decay=recipe.decay
        )

    def learn(self, batch: Batch) -> float:
        """Take one step and return its loss.

        Raises:
            MethodFailed: The loss is not finite.
        """
        recipe = self._recipe
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        # The fused attention of torch's CPU back end is slower than the plain one for so few tokens.
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16, enabled=self._half):
            made = self.network(batch.renders, batch.references, batch.eig)
        draw = stream(self._seed, self.step)
        loss = self._objective(made.float(), batch.targets, batch.renders, self.step, draw)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch does not annotate it.
        nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
        self._optimiser.step()
        self.step += 1
        self._take_average()
        value = loss.item()
        if not math.isfinite(value):
            raise MethodFailed("training diverged: the loss is not finite", got=f"step {self.step}")
        return value

    def averaged(self) -> OneStepNetwork:
        """Return a network of its own with the averaged weights, ready for inference."""
        network = OneStepNetwork(self.network.config)
        network.load_state_dict(self._average)
        return network.eval()

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs."""
        moments = self._optimiser.state_dict()["state"]
        return {
            "order": self._order,
            "step": self.step,
            "network": dict(self.network.state_dict()),
            "average": dict(self._average),
            "moments": {str(place): dict(values) for place, values in moments.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same training.

        Raises:
            RecgenError: It belongs to another one.
        """
        if state["order"] != self._order:
            hint = "delete the snapshot beside --out to start over, or repeat the first command"
            raise RecgenError("the snapshot belongs to another training", hint=hint)
        self.step = int(state["step"])
        self.network.load_state_dict(state["network"])
        self._average = dict(state["average"])
        stored = self._optimiser.state_dict()
        stored["state"] = {int(place): values for place, values in state["moments"].items()}
        self._optimiser.load_state_dict(stored)

    def _rate(self) -> float:
        recipe = self._recipe
        rise = min(1.0, (self.step + 1) / recipe.warm_up) if recipe.warm_up else 1.0
        fall = 0.5 * (1 + math.cos(math.pi * self.step / self._steps))
        return rise * (recipe.rate_end + (recipe.rate - recipe.rate_end) * fall)

    @torch.no_grad()
    def _take_average(self) -> None:
        # Early averages would hold on to the random start.
        decay = min(self._recipe.average, self.step / (self.step + 10))
        for name, value in self.network.state_dict().items():
            _blend(self._average[name], value, decay)


def fit(
    training: Fit,
    examples: Callable[[int], Batch],
    snapshots: Snapshots,
    *,
    until: int,
    after: Callable[[int, float], None],
) -> OneStepNetwork:
    """Train up to a step, from the snapshot if there is one, and return the averaged network.

    Args:
        training: What is trained.
        examples: (step, from 0) -> its batch.
        snapshots: Where the state is saved now and then.
        until: Number of steps.
        after: (steps done, loss) -> None, called after each.
    """
    snapshot = snapshots.latest()
    if snapshot is not None:
        training.restore(snapshot.state)
    while training.step < until:
        loss = training.learn(examples(training.step))
        snapshots.save_if_due(training.step, training.state)
        after(training.step, loss)
    return training.averaged()


def _blend(average: Tensor, value: Tensor, decay: float) -> None:
    if average.is_floating_point():
        average.lerp_(value, 1 - decay)
    else:
        average.copy_(value)
