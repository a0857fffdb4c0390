"""The pretrained files that perceptual metrics are defined with; no other weights give the published numbers.

They are not on a hub: their publishers serve them from plain addresses, so they are brought by hand, once.
The hashes are those of the published files; the eight digits in each file name are their beginning.
"""

from __future__ import annotations

from recgen_bench.harness.registration import WeightsInfo

ALEXNET = WeightsInfo(
    name="alexnet",
    hub="",
    file="alexnet-owt-7be5be79.pth",
    revision="",
    sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    licence="BSD-3-Clause",
    size=244_408_911,
)
"""torchvision, AlexNet_Weights.IMAGENET1K_V1, from download.pytorch.org/models."""

VGG16 = WeightsInfo(
    name="vgg16",
    hub="",
    file="vgg16-397923af.pth",
    revision="",
    sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    licence="BSD-3-Clause",
    size=553_433_881,
)
"""torchvision, VGG16_Weights.IMAGENET1K_V1, from download.pytorch.org/models."""

INCEPTION = WeightsInfo(
    name="inception-fid",
    hub="",
    file="pt_inception-2015-12-05-6726825d.pth",
    revision="",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    licence="Apache-2.0",
    size=95_628_359,
)
"""TensorFlow's Inception of 2015-12-05, ported by pytorch-fid; an asset of its GitHub release fid_weights."""
