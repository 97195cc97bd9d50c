import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from services import TwoNodeRay, free_port

from sb3_ext.app.errors import UserError
from sb3_ext.app.ray import RayOptions, ray_connection, ray_map, spans_machines

# Functions are defined within tests: then they travel to the workers, which don't know this module.
pytestmark = pytest.mark.xdist_group("servers")


@pytest.fixture
def options(two_nodes: TwoNodeRay) -> Iterator[RayOptions]:
    options = RayOptions(two_nodes.address)
    with ray_connection(options):
        yield options


def test_task_of_a_dead_node_starts_again_on_the_other(
    options: RayOptions, two_nodes: TwoNodeRay, tmp_path: Path
) -> None:
    def note_node(item: int) -> str:
        import ray

        node: str = ray.get_runtime_context().get_node_id()
        with open(tmp_path / f"{item}", "a") as notes:
            notes.write(f"{node}\n")
        while not (tmp_path / "go").exists():
            time.sleep(0.05)
        return node

    killed, died = [], []

    def kill_when_both_run() -> None:
        # The cluster may notice the death only after other waiting
        if not killed and all((tmp_path / item).exists() for item in "01"):
            killed.append(True)
            two_nodes.kill_second_node()

    def restarted(index: int, reason: str) -> None:
        died.append((index, reason))
        (tmp_path / "go").touch()

    results = dict(ray_map(note_node, [0, 1], options, died=restarted, waiting=kill_when_both_run))
    second = two_nodes.second_node
    two_nodes.add_node()

    ((victim, reason),) = died
    assert "node" in reason
    ran_on = {index: (tmp_path / f"{index}").read_text().split() for index in (0, 1)}
    head = results[1 - victim]
    assert ran_on == {victim: [second, head], 1 - victim: [head]}
    assert results == {0: head, 1: head}


def test_task_that_always_dies_is_given_up_after_all_others(options: RayOptions, tmp_path: Path) -> None:
    def work(item: int) -> int:
        with open(tmp_path / f"{item}", "a") as notes:
            notes.write("started\n")
        if item == 0:
            os._exit(1)
        return item * item

    results = {}
    with pytest.raises(UserError, match="died 2 times") as raised:
        for index, result in ray_map(work, [0, 3, 4], options, max_restarts=1):
            results[index] = result
    assert raised.value.exit_code == 1
    assert results == {1: 9, 2: 16}
    assert (tmp_path / "0").read_text() == "started\n" * 2


def test_error_of_the_function_comes_as_it_was(options: RayOptions) -> None:
    def fail(item: int) -> None:
        raise UserError(f"no {item}", exit_code=7)

    with pytest.raises(UserError, match=r"^no 5$") as raised:
        list(ray_map(fail, [5], options))
    assert raised.value.exit_code == 7


def test_two_nodes_on_one_machine_share_its_files(options: RayOptions) -> None:
    assert not spans_machines()


def test_no_machine_is_large_enough(two_nodes: TwoNodeRay) -> None:
    with (
        pytest.raises(UserError, match=r"no machine of the cluster has 1 CPUs and 1 GPUs .*: 1 CPUs, 0 GPUs"),
        ray_connection(RayOptions(two_nodes.address, gpus=1)),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:{free_port}", "cannot connect to Ray at .*refused"),
        ("ray://127.0.0.1:{free_port}", "cannot connect to Ray at .*refused"),
        ("127.0.0.1:port", "cannot connect to Ray at 127.0.0.1:port"),
        ("cluster", "expected HOST:PORT, ray://HOST:PORT, auto or local"),
    ],
)
def test_unreachable_address(address: str, message: str) -> None:
    options = RayOptions(address.format(free_port=free_port()))
    with pytest.raises(UserError, match=message) as raised, ray_connection(options):
        pass
    assert "\n" not in str(raised.value)
