"""Everything that can be chosen about training Gaussians, as one flat record that `--set` can override."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recgen_bench.harness.errors import RecgenError
from recgen_bench.methods.splats.densify import CloneAndSplit, Fixed, Strategy
from recgen_bench.methods.splats.losses import Padding
from recgen_bench.methods.splats.mcmc import Relocate


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters; the defaults are those of the 3DGS paper and its release (Kerbl et al. 2023).

    Methods subclass it to add their own.

    Attributes:
        iterations: Optimiser steps.
        least_points: With fewer scene points than this, random training pixels are placed at random depths.
        random_points: How many of them.
        most_points: More scene points than this are thinned at random.
        initial_opacity: Of every Gaussian at the start.
        sh_degree: Highest degree of the harmonics, 0 to 3.
        sh_every: Iterations after which one more degree is used; 0 uses all from the start.
        position_rate: Learning rate of the positions at the start, times the extent of the scene.
        position_rate_end: The same at the last iteration; exponential in between.
        scale_rate: Learning rate of the log-scales.
        rotation_rate: Of the quaternions.
        opacity_rate: Of the logits of the opacities.
        colour_rate: Of the constant harmonic.
        harmonics_rate: Of the other harmonics.
        sky_rate: Of the sky's texture.
        sky_size: Side of the sky's texture in texels; 0 renders black behind the Gaussians.
        structure: Share of the SSIM term in the loss, lambda in the paper.
        padding: How SSIM treats the border, see `losses.photometric`.
        depth_weight: Weight of the L1 on known depths; 0 leaves the depths of the data unread.
        sky_weight: Weight of the cross-entropy between opacity and sky masks, where there are masks.
        opacity_penalty: Weight of the mean opacity, used with "mcmc".
        scale_penalty: Weight of the mean scale, used with "mcmc".
        densify: "default" clones, splits and prunes; "mcmc" relocates; "none" keeps the initial ones.
        densify_from: Change the population after this iteration.
        densify_until: And before this one.
        densify_every: Iterations between two changes.
        densify_gradient: Screen gradient from which a Gaussian is cloned or split.
        split_scale: Above this fraction of the extent it is split instead of cloned.
        prune_opacity: Gaussians below are removed, or relocated.
        prune_scale: Gaussians above this fraction of the extent are removed after the first opacity reset.
        reset_every: Iterations between opacity resets; 0 means never.
        most_gaussians: Never more than this.
        noise: Of the positions with "mcmc", as a multiple of their learning rate.
    """

    iterations: int = 30_000
    least_points: int = 100
    random_points: int = 100_000
    most_points: int = 1_000_000
    initial_opacity: float = 0.1
    sh_degree: int = 3
    sh_every: int = 1000
    position_rate: float = 1.6e-4
    position_rate_end: float = 1.6e-6
    scale_rate: float = 5e-3
    rotation_rate: float = 1e-3
    opacity_rate: float = 5e-2
    colour_rate: float = 2.5e-3
    harmonics_rate: float = 1.25e-4
    sky_rate: float = 1e-2
    sky_size: int = 256
    structure: float = 0.2
    padding: Padding = "zero"
    depth_weight: float = 0.0
    sky_weight: float = 0.05
    opacity_penalty: float = 0.01
    scale_penalty: float = 0.01
    densify: Literal["default", "mcmc", "none"] = "default"
    densify_from: int = 500
    densify_until: int = 15_000
    densify_every: int = 100
    densify_gradient: float = 2e-4
    split_scale: float = 0.01
    prune_opacity: float = 0.005
    prune_scale: float = 0.1
    reset_every: int = 3000
    most_gaussians: int = 5_000_000
    noise: float = 5e5

    def __post_init__(self) -> None:
        positive = (
            "iterations",
            "random_points",
            "most_points",
            "densify_every",
            "most_gaussians",
            "position_rate",
        )
        for name in (*positive, "position_rate_end"):
            if not getattr(self, name) > 0:
                raise RecgenError(f"{name} must be positive", got=getattr(self, name))
        for name in ("initial_opacity", "prune_opacity"):
            if not 0 < getattr(self, name) < 0.5:
                raise RecgenError(
                    f"{name} is out of range", got=getattr(self, name), expected="above 0, below 0.5"
                )
        if not 0 <= self.structure <= 1:
            raise RecgenError("structure is out of range", got=self.structure, expected="0 to 1")
        if not 0 <= self.sh_degree <= 3:
            raise RecgenError("sh_degree is out of range", got=self.sh_degree, expected="0 to 3")

    def position_rate_at(self, iteration: int) -> float:
        """Return the learning rate of the positions, before the extent: exponential decay."""
        part = min(iteration / self.iterations, 1.0)
        return self.position_rate * (self.position_rate_end / self.position_rate) ** part

    def degree_at(self, iteration: int) -> int:
        """Return the degree of the harmonics in use."""
        return min(self.sh_degree, iteration // self.sh_every) if self.sh_every else self.sh_degree

    def strategy(self, extent: float) -> Strategy:
        """Return how the population changes, for a scene of an extent in world units."""
        match self.densify:
            case "default":
                return CloneAndSplit(
                    begin=self.densify_from,
                    end=self.densify_until,
                    every=self.densify_every,
                    gradient=self.densify_gradient,
                    split_scale=self.split_scale,
                    prune_opacity=self.prune_opacity,
                    prune_scale=self.prune_scale,
                    reset_every=self.reset_every,
                    most=self.most_gaussians,
                    extent=extent,
                )
            case "mcmc":
                return Relocate(
                    begin=self.densify_from,
                    end=self.densify_until,
                    every=self.densify_every,
                    dead_opacity=self.prune_opacity,
                    most=self.most_gaussians,
                    noise=self.noise,
                    rates=(self.position_rate * extent, self.position_rate_end * extent),
                    iterations=self.iterations,
                )
            case "none":
                return Fixed()
