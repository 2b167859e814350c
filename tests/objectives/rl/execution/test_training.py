"""What PPO learns of execution: most of what can be known, and nothing where there is nothing."""

import numpy as np
import pytest

from sharpen.errors import UsageError
from sharpen.objectives.rl.execution.savings import write_saved
from sharpen.objectives.rl.execution.settings import ExecutionSettings
from sharpen.objectives.rl.execution.training import ExecutionJob, Training, metrics
from sharpen.overfit import compare
from sharpen.views.savings import read_file

QUICK = {"net_arch": "[16]", "n_steps": 512, "n_envs": 32, "batch_size": 256}
QUICK |= {"total_timesteps": 1024, "n_checks": 2, "n_episodes": 64}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ppo_earns_most_of_a_known_gain_on_held_out_orders(seed):
    settings = ExecutionSettings.of({"n_checks": 1})
    look = Training([ExecutionJob(settings, seed)]).advance()[0]
    assert look.outcomes["ppo"].reward.mean() >= 0.9 * look.outcomes["optimum"].reward.mean()
    assert look.metrics["val/saved_vs_twap_bps"] > 10 * look.metrics["val/saved_vs_twap_error_bps"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ppo_gains_nothing_where_nothing_can_be_gained(seed):
    """Equal slices are the optimum: what is saved against them is 0 within its paired interval."""
    settings = ExecutionSettings.of({"market": "ac", "n_checks": 1})
    found = Training([ExecutionJob(settings, seed)]).advance()[0].metrics
    assert found["val/mean_reward"] > 0.999  # against trading at once
    saved, error = found["val/saved_vs_twap_bps"], found["val/saved_vs_twap_error_bps"]
    assert abs(saved) < 1.96 * error
    assert abs(saved) < 0.001 * found["val/slippage_bps"]


def test_the_learning_rate_falls_along_a_line():
    def rates(**more):
        training = Training([ExecutionJob(ExecutionSettings.of({**QUICK, "learning_rate": 1e-3, **more}), 0)])
        return [training.advance()[0].figures["learning_rate"] for _ in range(2)]

    assert rates() == pytest.approx([5e-4, 1e-12], rel=1e-6)
    assert rates(lr_schedule="constant") == pytest.approx([1e-3, 1e-3])
    with pytest.raises(UsageError, match="lr_schedule is 'cosine', give linear or constant"):
        ExecutionSettings.of({"lr_schedule": "cosine"})


def test_policies_side_by_side_learn_as_each_alone():
    jobs = [ExecutionJob(ExecutionSettings.of({**QUICK, "learning_rate": rate}), 0) for rate in (1e-4, 1e-3)]
    together = Training(jobs)
    first = together.advance()
    last = together.advance([1])[1]
    alone = Training([jobs[1]])
    alone.advance()
    np.testing.assert_allclose(
        alone.advance()[0].outcomes["ppo"].reward, last.outcomes["ppo"].reward, atol=1e-4
    )
    assert first[0].n_steps == 512
    np.testing.assert_array_equal(*(first[k].outcomes["twap"].shortfall_bps for k in (0, 1)))


def test_the_last_look_is_at_other_orders():
    job = ExecutionJob(ExecutionSettings.of(QUICK), 0)
    found = [
        Training([job], use).advance()[0].outcomes["twap"].shortfall_bps for use in ("held-out", "lockbox")
    ]
    assert abs(np.corrcoef(found)[0, 1]) < 0.5


def test_what_is_saved_comes_back_and_is_judged(tmp_path):
    look = Training([ExecutionJob(ExecutionSettings.of(QUICK), 0)]).advance()[0]
    write_saved(look.outcomes, tmp_path / "saved.parquet")
    saved = read_file(tmp_path / "saved.parquet")
    assert list(saved) == ["immediate", "twap", "pov", "almgren_chriss", "random", "optimum"]
    by_name = {c.baseline: c for c in compare([saved], 0)}
    assert by_name["immediate"].is_beaten
    assert by_name["immediate"].sentence.startswith("beats immediate: saves ")
    assert by_name["optimum"].sentence.startswith("costs more than optimum: ")
    assert metrics(look.outcomes)["val/saved_vs_twap_bps"] == pytest.approx(saved["twap"].mean())


def test_names_of_stable_baselines_are_taken_also_as_text():
    names = {
        "n_steps": 512,
        "num_envs": 32,
        "n_epochs": 3,
        "clip_range": 0.1,
        "ent_coef": 0.01,
        "vf_coef": 0.7,
        "net_arch": [8, 4],
    }
    agent = ExecutionSettings.of({**names, "repeat_times": 3, "gae_lambda": 0.9, "max_grad_norm": 0.4}).agent
    assert (agent.horizon_len, agent.repeat_times, agent.ratio_clip, agent.net_dims) == (16, 3.0, 0.1, (8, 4))
    assert (agent.lambda_entropy, agent.value_coef, agent.clip_grad_norm) == (0.01, 0.7, 0.4)
    assert ExecutionSettings.of({"net_arch": "[64]"}).agent.net_dims == (64,)
    assert ExecutionSettings.of({"horizon_len": 7}).agent.horizon_len == 7
    with pytest.raises(UsageError, match=r"net_arch is '\[64, x\]', give one or two widths"):
        ExecutionSettings.of({"net_arch": "[64, x]"})
    with pytest.raises(UsageError, match="n_steps is 0, give 1 or more"):
        ExecutionSettings.of({"n_steps": 0})
    with pytest.raises(UsageError, match=r"total_timesteps is 0.*learnt by ppo"):
        ExecutionSettings.of({"total_timesteps": 0, "agent": "sac"})
