"""Functions called on the machines of a Ray cluster, or on this one."""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import os
import socket
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from sb3_ext.app.errors import UserError, need

Item = TypeVar("Item")
Result = TypeVar("Result")


class RayOptions(NamedTuple):
    """Where tasks run and what each of them needs."""

    address: str
    """
    ``host:port`` of a cluster's head, ``ray://host:port``, ``"auto"`` for the cluster that this machine is part of, or
    ``"local"`` for a Ray of its own on this machine.
    """
    cpus: float = 1
    gpus: float = 0
    """Parts of one are allowed."""


def add_ray_arguments(add: Callable[..., Any]) -> None:
    """Offer the flags that :func:`ray_options` reads by ``add_argument`` of a parser or of a group."""
    where = "HOST:PORT of its head, ray://HOST:PORT, auto (the one this machine is part of) or local (this machine)"
    add("--ray-address", metavar="ADDRESS", help=f"run on a Ray cluster: {where}")
    add("--cpus-per-worker", type=_amount, default=1, metavar="N", help="CPUs of a task on Ray (default: 1)")
    add("--gpus-per-worker", type=_amount, default=0, metavar="N", help="GPUs of a task on Ray, 0.5 for half of one")


def ray_options(arguments: argparse.Namespace) -> RayOptions | None:
    """Read the flags; None without ``--ray-address``."""
    if arguments.ray_address is not None:
        if not arguments.cpus_per_worker and not arguments.gpus_per_worker:
            raise UserError("a worker needs something: give --cpus-per-worker or --gpus-per-worker a positive number")
        return RayOptions(arguments.ray_address, arguments.cpus_per_worker, arguments.gpus_per_worker)
    if (arguments.cpus_per_worker, arguments.gpus_per_worker) != (1, 0):
        raise UserError("--cpus-per-worker and --gpus-per-worker are for Ray: give --ray-address, for instance local")
    return None


def _amount(text: str) -> float:
    amount = float(text)
    if not 0 <= amount < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of CPUs or GPUs")
    return amount


@contextlib.contextmanager
def ray_connection(options: RayOptions) -> Iterator[None]:
    """Connect to a cluster with a machine large enough for a task; tasks that run when the block ends are stopped."""
    address = options.address
    settings: dict[str, Any] = {}
    if address == "local":
        # Ray listens on all interfaces unless it may use loopback, which it allows where it expects no other machine.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        settings = {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
    else:
        _check_listening(address)
    need("--ray-address", "ray")
    import ray

    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **settings)
    except Exception as error:
        raise UserError(f"cannot connect to Ray at {address}: {_one_line(error)}", exit_code=1) from error
    try:
        if not room(options):
            # Ray would wait for such a machine to join.
            resources = [node["Resources"] for node in _nodes()]
            there = "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in resources)
            needed = f"{options.cpus:g} CPUs and {options.gpus:g} GPUs"
            raise UserError(f"no machine of the cluster has {needed} for a worker: {there}", exit_code=1)
        yield
    finally:
        ray.shutdown()


def spans_machines() -> bool:
    """Whether the connected cluster has other machines, where the files of this one are not."""
    import ray

    return any(node["NodeManagerAddress"] != ray.util.get_node_ip_address() for node in _nodes())


def room(options: RayOptions) -> int:
    """How many tasks can run at once on the connected cluster."""
    needs = {"CPU": options.cpus, "GPU": options.gpus}
    resources = [node["Resources"] for node in _nodes()]
    return sum(min(int(node.get(name, 0) / amount) for name, amount in needs.items() if amount) for node in resources)


def ray_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    options: RayOptions,
    max_restarts: int = 3,
    died: Callable[[int, str], None] | None = None,
    waiting: Callable[[], None] | None = None,
) -> Iterator[tuple[int, Result]]:
    """
    Call a function that every machine can import with every item, each call a task somewhere on the connected cluster.

    Results come with the item's index, in the order in which they are there; what the function raises comes as it was.
    A task whose machine or process dies is started again, on another machine if there is one: ``died`` is told the
    item's index and the reason. After one that died too often the others still come to their end, then it is the user's
    error. ``waiting`` is called about every second.
    """
    import ray

    remote = ray.remote(num_cpus=options.cpus, num_gpus=options.gpus, max_retries=0)(function)
    running = {remote.remote(item): index for index, item in enumerate(items)}
    deaths = [0] * len(items)
    lost = None
    try:
        while running:
            finished, _ = ray.wait(list(running), timeout=1)
            for reference in finished:
                index = running.pop(reference)
                try:
                    result = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                except ray.exceptions.RayError as error:
                    deaths[index] += 1
                    reason = textwrap.shorten(str(error), 120, placeholder=" ...")
                    if died is not None:
                        died(index, reason)
                    if deaths[index] > max_restarts:
                        lost = UserError(f"a task died {deaths[index]} times, the last time so: {reason}", exit_code=1)
                    else:
                        running[remote.remote(items[index])] = index
                else:
                    yield index, result
            if waiting is not None:
                waiting()
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        if running:
            # Whoever cleans up after them must know that they are no more.
            ray.wait(list(running), num_returns=len(running), timeout=10)
    if lost is not None:
        raise lost


def _check_listening(address: str) -> None:
    """Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        if address == "auto":
            return
        raise UserError(f"--ray-address {address}: expected HOST:PORT, ray://HOST:PORT, auto or local")
    try:
        with socket.create_connection((host, int(port)), timeout=10):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"cannot connect to Ray at {address}: {_one_line(error)}", exit_code=1) from error


def _nodes() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
