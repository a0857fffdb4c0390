import pytest

from recgen_bench.harness.errors import RecgenError
from recgen_bench.harness.settings import override
from recgen_bench.methods.splats.densify import CloneAndSplit, Fixed
from recgen_bench.methods.splats.mcmc import Relocate
from recgen_bench.methods.splats.recipe import Recipe


def test_the_defaults_are_those_of_the_release():
    recipe = Recipe()
    assert recipe.position_rate_at(0) == 1.6e-4
    assert recipe.position_rate_at(30_000) == pytest.approx(1.6e-6)
    assert recipe.position_rate_at(15_000) == pytest.approx(1.6e-5)
    assert [recipe.degree_at(i) for i in (1, 999, 1000, 2999, 3000, 30_000)] == [0, 0, 1, 2, 3, 3]
    assert Recipe(sh_every=0).degree_at(1) == 3


def test_the_strategy_follows_the_choice():
    assert isinstance(Recipe().strategy(2.0), CloneAndSplit)
    assert isinstance(Recipe(densify="none").strategy(2.0), Fixed)
    mcmc = Recipe(densify="mcmc").strategy(2.0)
    assert isinstance(mcmc, Relocate)
    assert mcmc.rates == (3.2e-4, 3.2e-6)


def test_every_field_can_be_set_from_the_command_line():
    recipe = override(Recipe(), ["iterations=7", "densify=mcmc", "structure=0.5", "padding=valid"])
    assert (recipe.iterations, recipe.densify, recipe.structure, recipe.padding) == (7, "mcmc", 0.5, "valid")


@pytest.mark.parametrize(
    "setting",
    ["iterations=0", "structure=1.5", "sh_degree=4", "densify=fast", "initial_opacity=0", "iteration=5",
     "position_rate_end=0", "densify_every=-1", "iterations=nan"],
)  # fmt: skip
def test_senseless_settings_are_refused(setting):
    with pytest.raises(RecgenError):
        override(Recipe(), [setting])
