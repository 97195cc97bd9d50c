"""The command ``sb3-ext storage-server``: Optuna's gRPC proxy in front of a database."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

from optuna.storages import get_storage, run_grpc_proxy_server

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.parser import Parser
from sb3_ext.zoo.storage import open_storage, shown

_DESCRIPTION = """\
Let the workers of `sb3-ext tune --storage grpc://HOST:PORT` share one connection to a database.

A database allows some hundred connections, and every worker takes a few; through the proxy hundreds of workers share
a few. It knows no passwords: whoever reaches the port can read and write every study. Bind it to a private address.
"""
_EXAMPLES = """\
examples:
  sb3-ext storage-server --storage postgresql+psycopg://sb3:PASSWORD@10.0.0.1/sb3 --host 10.0.0.1
  sb3-ext tune --algo ppo --env CartPole-v1 --storage grpc://10.0.0.1:13000
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve a database until the process is interrupted."""
    parser = Parser("storage-server", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--storage", required=True, metavar="URL", help="the database, as of `sb3-ext tune`")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=13000, help="default: %(default)s")
    args = parser.parse_args(list(sys.argv[1:] if argv is None else argv))
    if "://" not in args.storage or args.storage.startswith("grpc://"):
        raise UserError(
            f"--storage: {args.storage!r} is no database: give a URL such as"
            " postgresql+psycopg://user:password@host/database (a journal file cannot be served)"
        )
    with mistakes_explained(f"cannot listen on {args.host}:{args.port}", everything=True):
        # gRPC would share the port with another server.
        socket.create_server((args.host, args.port)).close()

    storage = get_storage(open_storage(args.storage))
    print(f"serving {shown(args.storage)} at grpc://{args.host}:{args.port}; Ctrl-C ends it", flush=True)
    run_grpc_proxy_server(storage, host=args.host, port=args.port)
    return 0
