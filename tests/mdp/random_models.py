"""Random decision processes, for property tests."""

import numpy as np
from hypothesis import strategies as st

from sb3_ext.mdp import Model


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Random models with 1 to 3 states and actions, some actions missing."""
    n_states, n_actions = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    transitions = rng.dirichlet(np.full(n_states, 0.5), (n_states, n_actions))
    rewards = rng.normal(size=transitions.shape) * draw(st.sampled_from([1e-3, 1.0, 1e3]))
    available = rng.random((n_states, n_actions)) < 0.7
    available[:, 0] |= ~available.any(axis=1)
    return Model(transitions, rewards, available)


gammas = st.sampled_from([0.0, 0.3, 0.9, 0.97])
