"""The one-step restorer network: encode, one UNet call at t = 199 without noise, decode.

Wu et al., Difix3D+ (arXiv 2503.01774), section 4; conditioned on expected information gain as in FaithFusion.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from recgen_bench.methods.priors.config import RestorerConfig
from recgen_bench.methods.priors.eig_unet import conv_in_channels, install_eig, to_latent_size
from recgen_bench.methods.priors.mixing import install_mixing
from recgen_bench.methods.priors.schedule import to_clean
from recgen_bench.methods.priors.vae import SkipVae


class OneStepNetwork(nn.Module):
    """A restorer's networks as one trainable module.

    Attributes:
        unet: diffusers' UNet with mixing attention.
        vae: The autoencoder with skips.
        context: (tokens, width) text states, a parameter.
    """

    def __init__(self, config: RestorerConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = _unet(config)
        self.vae = SkipVae(config.vae)
        self.context = nn.Parameter(torch.randn(config.context))
        if config.residual:
            with torch.no_grad():
                # Small, not zero: the first output is nearly the input and every layer has a gradient.
                self.vae.decoder.conv_out.weight.mul_(0.01)
                self.vae.decoder.conv_out.bias.zero_()
        _steady(self)

    def forward(
        self,
        images: Tensor,
        references: Tensor | None = None,
        eig: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return restored frames.

        Release code differs: it clamps, decodes the reference's latent along with the frame's and drops it,
        and draws the latent from the posterior instead of taking its mean.

        Args:
            images: (B, 3, H, W) in [0, 1]; H and W multiples of `config.multiple`.
            references: (B, 3, H, W) in [0, 1]; exactly when `config.uses_reference`.
            eig: (B, H, W) in [0, 1], already scaled; exactly when `config.uses_eig`.
            generator: Draws from the posterior as the release does; its mean is taken without one.

        Returns:
            (B, 3, H, W), nominally in [0, 1]; not clamped, so that every pixel has a gradient.
        """
        views = [images] if references is None else [images, references]
        stacked = torch.stack(views, dim=1).flatten(0, 1) * 2 - 1
        encoded = self.vae.encode(stacked)
        latents = encoded.mean
        if generator is not None:
            noise = torch.randn(latents.shape, generator=generator, device=generator.device)
            latents = latents + encoded.deviation * noise.to(latents)
        if eig is not None:
            # The reference is a photograph: nothing in it is uncertain.
            maps = torch.stack([eig] + [torch.zeros_like(eig)] * (len(views) - 1), dim=1).flatten(0, 1)
            eig = to_latent_size(maps.unsqueeze(1), (latents.shape[-2], latents.shape[-1]))
        clean = self.denoise(latents * self.config.vae.scale, len(views), eig)[:: len(views)]
        shown = self.config.vae.skip_views
        skips = tuple(
            skip.reshape(-1, len(views), *skip.shape[1:])[:, :shown].flatten(1, 2) for skip in encoded.skips
        )
        decoded = self.vae.decode(clean / self.config.vae.scale, skips)
        return images + decoded / 2 if self.config.residual else (decoded + 1) / 2

    def denoise(self, latents: Tensor, views: int, eig: Tensor | None = None) -> Tensor:
        """Return the clean estimate of scaled latents.

        Args:
            latents: (B * views, C, h, w) in the order (b v).
            views: Per sample, the frame to repair first.
            eig: (B * views, 1, h, w) in [0, 1]; exactly when `config.uses_eig`.
        """
        inputs = latents if eig is None else conv_in_channels(latents, eig)
        extra = {"views": views} if eig is None else {"views": views, "eig": eig}
        context = self.context.to(latents.dtype).expand(len(latents), -1, -1)
        noise = self.unet(
            inputs, self.config.timestep, context, cross_attention_kwargs=extra, return_dict=False
        )[0]
        # A conditioned UNet also predicts the map's noise, which nothing uses.
        return to_clean(latents, noise[:, : latents.shape[1]], self.config.timestep)


def build(config: RestorerConfig) -> OneStepNetwork:
    """Return a fresh network; seed torch before for the same one twice."""
    return OneStepNetwork(config)


def _unet(config: RestorerConfig) -> Any:
    sizes, latents = config.unet, config.vae.latents
    unet: Any = UNet2DConditionModel(  # type: ignore[no-untyped-call] # diffusers is typed in part only.
        in_channels=2 * latents + 1 if config.uses_eig else latents,
        out_channels=latents + 1 if config.uses_eig else latents,
        down_block_types=tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in sizes.attends),
        up_block_types=tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(sizes.attends)),
        block_out_channels=sizes.channels,
        layers_per_block=sizes.layers,
        norm_num_groups=sizes.groups,
        attention_head_dim=sizes.heads,  # diffusers' name; for this family it is the number of heads.
        cross_attention_dim=config.context[1],
        use_linear_projection=True,
    )
    (install_eig if config.uses_eig else install_mixing)(unet)
    return unet


def _steady(network: nn.Module) -> None:
    """Make 1x1 convolutions give the same bytes with any number of CPU threads.

    With one thread torch computes plain ones by another library. A dilation means nothing to a kernel of one
    pixel, but keeps them with the library that all other convolutions use.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
            layer.dilation = (2, 2)
