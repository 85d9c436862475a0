#!/usr/bin/env bash
# gRPC tells a write that was done the same status as one that was throttled: RESOURCE_EXHAUSTED, where only its answer was too large for us.
#
# Behaviour: a unary call whose answer is larger than grpc.max_receive_message_length (4 MB by default) ends on the client with
# RESOURCE_EXHAUSTED. The server has done all it was asked by then, and saw the call end well.
# Guessed before: RESOURCE_EXHAUSTED is the server's word for "too many calls", said before anything was done, as HTTP's 429 is.
# Why it matters: a write that is sent again after it, as after a 429, is done twice; each time its answer is too large again.
# Here: kit/grpc.py leaves the outcome of such a write unknown.
# Versions: grpcio 1.85.3 (PyPI). Seen on 2026-11-30 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check grpcio==1.85.3
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys

import grpc
from grpc import aio

done = []


async def add(request, context):
    done.append(request)
    return b"x" * (5 * 1024 * 1024)


async def main():
    server = aio.server()
    methods = {"Add": grpc.unary_unary_rpc_method_handler(add)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("acme.Ledger", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            await channel.unary_unary("/acme.Ledger/Add")(b"1")
            code = "OK"
        except aio.AioRpcError as error:
            code = error.code().name
    await server.stop(0)
    print(f"grpcio {grpc.__version__}: the client sees {code}, the server did it {len(done)} time(s)")
    return code == "RESOURCE_EXHAUSTED" and len(done) == 1


is_so = asyncio.run(main())
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON
