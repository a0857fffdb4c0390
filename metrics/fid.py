"""FID and KID of the renderings of a scene against recorded images, per network and resizer.

The real set is `Track.real`. On lane shifts it shows the recorded track, so even a perfect renderer does not
reach 0. Both numbers depend on the set they are computed over: only tables with the same real set and the
same number of renderings compare. FID is biased upwards by roughly 1 / N, by an amount that depends on the
method; KID is not biased.

Neither is defined for fewer than two images on a side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recgen_bench.harness.track import Picture, SceneValue, Track
from recgen_bench.metrics.features import Embedding, features, set_hash
from recgen_bench.metrics.frechet import frechet
from recgen_bench.metrics.kernel import kernel_distance

Embeddings = Callable[[Track], Embedding]


def fid_pytorch_fid(track: Track) -> SceneValue:
    """Return FID as pytorch-fid computes it: bilinear resize without a low-pass, 2048 features."""
    return fid(track, inception_aliased)


def fid_antialias(track: Track) -> SceneValue:
    """Return FID after an antialiased bilinear resize, which high-resolution renderings call for."""
    return fid(track, inception_antialiased)


def fid_embedded(track: Track) -> SceneValue:
    """Return the Fréchet distance in the features of this project's own small network; not FID."""
    return fid(track, embedded)


def kid_pytorch_fid(track: Track) -> SceneValue:
    """Return KID on the features of `fid_pytorch_fid`, not multiplied by 100 or 1000."""
    return kid(track, inception_aliased)


def kid_embedded(track: Track) -> SceneValue:
    """Return the kernel distance in the features of this project's own small network; not KID."""
    return kid(track, embedded)


def fid(track: Track, embeddings: Embeddings) -> SceneValue:
    """Return the Fréchet distance of all renderings from the real set, with its two terms."""
    predictions = [frame.prediction for frame in track.frames]
    if reason := too_few(predictions, track.real):
        return SceneValue(None, len(predictions), reason=reason)
    return distance(track, predictions, track.real, embeddings(track))


def distance(
    track: Track, predictions: Sequence[Picture], real: Sequence[Picture], embedding: Embedding
) -> SceneValue:
    """Return the Fréchet distance of two sets of at least two images each."""
    terms = frechet(features(track, predictions, embedding), features(track, real, embedding))
    return SceneValue(
        terms.distance,
        len(predictions),
        parts={"means": terms.means, "covariances": terms.covariances, "real": float(len(real))},
        facts={**embedding.facts, "real": set_hash(real)},
    )


def kid(track: Track, embeddings: Embeddings) -> SceneValue:
    """Return the kernel distance of all renderings from the real set; a 95 % interval from 9 images on."""
    predictions = [frame.prediction for frame in track.frames]
    if reason := too_few(predictions, track.real):
        return SceneValue(None, len(predictions), reason=reason)
    embedding = embeddings(track)
    estimate = kernel_distance(
        features(track, predictions, embedding), features(track, track.real, embedding)
    )
    low, high = estimate.interval or (None, None)
    facts = {
        **embedding.facts,
        "real": set_hash(track.real),
        "kernel": "(x.y / d + 1)^3, unbiased, all pairs",
        "interval": f"jackknife, at least {estimate.blocks} blocks of neighbouring images"
        if estimate.blocks
        else "",
    }
    return SceneValue(
        estimate.value,
        len(predictions),
        low,
        high,
        parts={"real": float(len(track.real))},
        facts={name: fact for name, fact in facts.items() if fact},
    )


def too_few(predictions: Sequence[Picture], real: Sequence[Picture]) -> str:
    """Return why a distance of two sets is not defined, empty when it is."""
    for name, pictures in (("real image", real), ("rendering", predictions)):
        if len(pictures) < 2:
            return f"a distance of distributions needs two {name}s or more, got {len(pictures)}"
    return ""


def inception_aliased(track: Track) -> Embedding:
    """Return pytorch-fid's network and resizer."""
    from recgen_bench.metrics.inception import inception

    return inception(track, "pytorch-fid")


def inception_antialiased(track: Track) -> Embedding:
    """Return pytorch-fid's network behind an antialiased resize."""
    from recgen_bench.metrics.inception import inception

    return inception(track, "antialias")


def embedded(track: Track) -> Embedding:
    """Return this project's own small network."""
    from recgen_bench.metrics.eye_features import eye_features

    return eye_features(track)
