"""Real servers on loopback, started by the tests that need them, which skip where a program is not installed."""

import contextlib
import glob
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

from sb3_ext.common.requirements import install_command

# Ray reads these when it is imported. Without the first it puts the machine's own address in place of 127.0.0.1 and
# listens on every interface; without the token it would leave one in the home folder.
os.environ |= {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
}
# The object store is about the smallest that Ray allows.
_NODE = {"num_cpus": 1, "object_store_memory": 78_643_200, "node_ip_address": "127.0.0.1"}

Node = TypeVar("Node")


def _missing(what: str) -> NoReturn:
    """A developer's machine may lack a service; the one that decides about a change may not."""
    if os.environ.get("SB3_EXT_REQUIRE_SERVICES"):
        pytest.fail(what)
    pytest.skip(what)


def _need_module(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        _missing(f"needs {name}: {install_command(name)}")


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _postgres_program(name: str) -> str | None:
    """Debian keeps the server's programs out of the path."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """
    A new PostgreSQL server with a password.

    :return: the URL of its empty database
    """
    _need_module("psycopg")
    initdb, pg_ctl = _postgres_program("initdb"), _postgres_program("pg_ctl")
    if initdb is None or pg_ctl is None:
        _missing("needs a PostgreSQL server: apt-get install postgresql")
    user: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        try:
            account = pwd.getpwnam("postgres")
        except KeyError:
            _missing("needs a user postgres, as PostgreSQL refuses to run as root")
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    # Not under tmp_path, which no other user may enter.
    with tempfile.TemporaryDirectory(prefix="sb3_ext_postgres_", ignore_cleanup_errors=True) as name:
        folder, data, password = Path(name), Path(name, "data"), "a-secret"
        (folder / "password").write_text(password)
        if user:
            for path in (folder, folder / "password"):
                os.chown(path, user["user"], user["group"])

        def run(*command: str | Path) -> None:
            # The server inherits what pg_ctl has open: a pipe would keep us waiting for its end.
            with open(folder / "output.txt", "a+") as output:
                finished = subprocess.run(
                    [str(part) for part in command], cwd=folder, stdout=output, stderr=output, check=False, **user
                )
                output.seek(0)
                assert finished.returncode == 0, output.read()

        port = free_port()
        run(initdb, "-D", data, "-U", "sb3", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        run(pg_ctl, "-D", data, "-l", data / "log", "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://sb3:{password}@127.0.0.1:{port}/postgres"
        finally:
            run(pg_ctl, "-D", data, "-m", "immediate", "stop")


def _patiently(start: Callable[[], Node]) -> Node:
    """Ray gives a node 30 seconds to start, which a busy machine may exceed."""
    for _ in range(2):
        with contextlib.suppress(Exception):
            return start()
    return start()


class TwoNodeRay:
    """
    A Ray cluster of two nodes with one CPU each, on this machine.

    :param cluster: the head node
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.address: str = cluster.address
        self.add_node()

    def add_node(self) -> None:
        """Start the second node."""
        self._second = _patiently(lambda: self._cluster.add_node(**_NODE))

    @property
    def second_node(self) -> str:
        """The id of the second node, as tasks see it."""
        node_id: str = self._second.node_id
        return node_id

    def kill_second_node(self) -> None:
        """Let the second node die without a word."""
        self._cluster.remove_node(self._second, allow_graceful=False)


@contextlib.contextmanager
def two_node_ray() -> Iterator[TwoNodeRay]:
    """A new Ray cluster; this process does not connect to it."""
    _need_module("ray")
    from ray.cluster_utils import Cluster

    head = {**_NODE, "include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    cluster = _patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
    try:
        yield TwoNodeRay(cluster)
    finally:
        cluster.shutdown()
