import numpy as np
import pytest
import torch
from click.testing import CliRunner

from recgen_bench.harness.errors import DataError
from recgen_bench.metrics.embedded import train as training_module
from recgen_bench.metrics.embedded.damage import Sample, varied
from recgen_bench.metrics.embedded.eye import load_eye
from recgen_bench.metrics.embedded.learning import loss_of, truth_of
from recgen_bench.metrics.embedded.network import EyeNetwork, Sight
from recgen_bench.metrics.embedded.samples import join
from recgen_bench.metrics.embedded.train import Training, main, save, train


def silent(line):
    pass


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(samples, tmp_path, monkeypatch):
    training = Training(steps=4, batch=2)
    whole = train(training, samples, tmp_path / "a.state", silent)
    monkeypatch.setattr(training_module, "STATE_EVERY", 2)

    class Stop(Exception):
        pass

    def stop(line):
        raise Stop

    with pytest.raises(Stop):
        train(training, samples, tmp_path / "b.state", stop)
    resumed = train(training, samples, tmp_path / "b.state", silent)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    with pytest.raises(DataError, match="another training"):
        train(Training(steps=5, batch=2), samples, tmp_path / "b.state", silent)
    (tmp_path / "b.state").write_bytes(b"damaged")
    with pytest.raises(DataError, match="cannot be read"):
        train(training, samples, tmp_path / "b.state", silent)


def test_saved_weights_load(samples, tmp_path):
    save(EyeNetwork(), Training(), tmp_path / "eye.safetensors")
    eye = load_eye(path=tmp_path / "eye.safetensors")
    # An untrained eye says that there is nothing.
    assert eye.detect(samples.images[0]) == ()


def sample_of(samples, index=0):
    mine = samples.view == index
    boxes = samples.boxes[mine].astype(np.float64)
    return Sample(samples.images[index], samples.paint[index], boxes, np.ones(len(boxes), bool))


def test_the_truth_itself_has_hardly_any_loss(samples):
    large = sample_of(samples)
    wide = large.boxes[:, 2] - large.boxes[:, 0] > 12
    sample = Sample(large.image, large.paint, large.boxes[wide], large.counts[wide])
    truth = truth_of([sample])
    perfect = Sight(torch.logit(truth.peaks.clamp(1e-4, 1 - 1e-4)), truth.sides, (truth.paint * 2 - 1) * 20)
    centre, box, paint = loss_of(perfect, truth)
    assert box < 1e-5
    assert paint < 0.01
    nothing = Sight(torch.full_like(truth.peaks, -4), torch.full_like(truth.sides, 8), -perfect.lanes)
    assert all(
        bad > 5 * good for bad, good in zip(loss_of(nothing, truth), (centre, box, paint), strict=True)
    )


def test_vehicles_that_do_not_count_are_neither_learnt_nor_missed(samples):
    sample = sample_of(samples)
    truth = truth_of([Sample(sample.image, sample.paint, sample.boxes, np.zeros(len(sample.boxes), bool))])
    assert truth.peaks.max() == 0
    assert not truth.own.any()
    assert truth.weight.min() == 0


def test_varied_views_keep_boxes_on_their_vehicles():
    """A bright rectangle on black is found again by its own pixels, whatever the geometry did."""
    image = np.zeros((160, 240, 3), np.uint8)
    image[60:100, 90:150] = 255
    paint = image[..., 0] > 0
    seen = 0
    for seed in range(40):
        sample = Sample(image, paint, np.array([[90.0, 60, 150, 100]]), np.array([True]))
        found = varied(sample, np.random.default_rng(seed))
        rows, columns = np.nonzero(found.paint)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert found.boxes[0] == pytest.approx(box, abs=1.5)
        assert found.image.dtype == np.uint8
        seen += not np.array_equal(found.paint, paint)
    assert seen > 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "0-3"], "streets 1000 to 1999 only"),
        (["--seeds", "many"], "not a span of seeds"),
        (["--seeds", "1000-1900"], "validation streets"),
    ],
)
def test_test_streets_cannot_be_trained_on(arguments, message, tmp_path):
    result = CliRunner().invoke(main, ["--out", str(tmp_path / "eye.safetensors"), *arguments])
    assert result.exit_code == 1
    assert message in result.output


def test_the_command_trains_and_prints_its_figures(samples, tmp_path, monkeypatch):
    asked = []

    def given(folder, seed, views):
        asked.append(seed)
        return join([samples, samples])

    monkeypatch.setattr(training_module, "kept_samples", given)
    arguments = ["--out", str(tmp_path / "eye.safetensors"), "--seeds", "1905-1906"]
    result = CliRunner().invoke(main, [*arguments, "--validation", "1907-1907", "--steps", "1"])
    assert result.exit_code == 0, result.output
    assert asked == [1905, 1906, 1907]
    assert "recall: " in result.output
    assert load_eye(path=tmp_path / "eye.safetensors").digest in result.output


def test_too_few_views_for_a_step_are_refused(samples, tmp_path):
    with pytest.raises(DataError, match="fewer views than a step needs"):
        train(Training(steps=1, batch=6), samples, tmp_path / "a.state", silent)
