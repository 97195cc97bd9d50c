"""What a worker needs to know."""

from __future__ import annotations

import pickle

from studies import MakeSpec


class TestSpec:
    def test_seeds_are_apart(self, make_spec: MakeSpec) -> None:
        spec = make_spec(seed=5, seeds_per_trial=1000, fresh_seeds=1000, eval_episodes=1000)
        ranges = (spec.training_seeds, spec.fresh_training_seeds, spec.evaluation_seeds, spec.comparison_episodes)
        assert len({seed for seeds in ranges for seed in seeds}) == sum(map(len, ranges))

    def test_can_be_sent_to_another_process(self, make_spec: MakeSpec) -> None:
        spec = make_spec()
        assert pickle.loads(pickle.dumps(spec)) == spec
