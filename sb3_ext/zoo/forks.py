"""Processes that play and train with the zoo, started without each importing everything."""

import multiprocessing
from multiprocessing.context import BaseContext

from sb3_ext.zoo.registry import ALGORITHMS


def process_context(*modules: str) -> BaseContext:
    """Processes forked from one that has imported PyTorch, the zoo and the given modules, where there is forking."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    algorithms = (path.partition(":")[0] for path in ALGORITHMS.values())
    # The first optimizer of a process imports torch._dynamo, which takes seconds as well.
    context.set_forkserver_preload(["rl_zoo3.import_envs", "rl_zoo3.train", "torch._dynamo", *algorithms, *modules])
    return context
