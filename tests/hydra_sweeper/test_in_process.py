"""A job's configuration without composing it again: Hydra's own composition is the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.sharpen_sweeper import registration
from hydra_plugins.sharpen_sweeper._in_process import job_config

FOLDER = Path(__file__).parent / "apps" / "conf"
DIRNAME = "hydra.job.config.override_dirname"


@pytest.fixture
def hydra() -> Iterator[Any]:
    """Return Hydra at the programs' configurations."""
    with initialize_config_dir(str(FOLDER), version_base="1.3", job_name="bowl"):
        yield GlobalHydra.instance().hydra


@pytest.mark.parametrize(
    ("shared", "own"),
    [
        ([], ["++x=1e-05"]),
        (["seed=11", "+note=a@b"], ["++x=0.25", "++kind=b", "++fold_id=1", "hydra.sweep.subdir=3/1"]),
        (
            ["shape=flat", "hydra.job.config.override_dirname.exclude_keys=[x]"],
            ["++x=0.5", "++new.inner=[1,2]"],
        ),
        (
            ["hydra.job.config.override_dirname.kv_sep=:"],
            ["++x='${seed}'", "++shape={lift:2}", "++kind=null"],
        ),
    ],
)
def test_a_job_has_the_configuration_that_hydra_composes(
    hydra: Any, shared: list[str], own: list[str]
) -> None:
    config = hydra.compose_config("bowl", shared, RunMode.MULTIRUN)
    composed = hydra.config_loader.load_sweep_config(config, config.hydra.overrides.task)
    words = OverridesParser.create().parse_overrides(own)
    found = job_config(config, composed, words)
    wanted = hydra.config_loader.load_sweep_config(config, [*config.hydra.overrides.task, *own])
    assert OmegaConf.to_container(found) == OmegaConf.to_container(wanted)
    assert OmegaConf.get_cache(found) == OmegaConf.get_cache(wanted)


@pytest.mark.parametrize("name", registration.NAMES)
def test_every_name_of_a_sweeper_has_every_key(hydra: Any, name: str) -> None:
    config: DictConfig = hydra.compose_config("bowl", [f"hydra/sweeper={name}"], RunMode.MULTIRUN)
    wanted = registration.node(registration.NAMES[name])
    assert set(wanted) <= set(config.hydra.sweeper)
    assert config.hydra.sweeper.opt_constructor == wanted["opt_constructor"]
    assert config.hydra.sweeper._target_ == registration.TARGET
    assert "eta" in config.hydra.sweeper.sweeper_kwargs.optimizer_kwargs
    names = [f"{name}.yaml" for name in registration.NAMES]
    assert set(names) <= set(ConfigStore.instance().list("hydra/sweeper"))
