#!/usr/bin/env bash
# GoCardless' client answers the wish for a payment of 250.00 with an older one of 100.00, as if it had just been made.
#
# Behaviour: where an Idempotency-Key was used before, GoCardless refuses with 409 and names what was made with it (its pages say nothing of
# comparing bodies). The client catches that, fetches the older payment and returns it; that the amounts differ is not looked at. With
# raise_on_idempotency_conflict=True it raises IdempotentCreationConflictError.
# Guessed before: another amount under a used key is an error, as Stripe has it, and a client does not swallow a refusal of a write.
# Why it matters: a key made of the invoice alone, and not of what is collected, leaves a changed invoice collected as it first was, and the
# program told that it is done.
# Versions: gocardless-pro 3.22.0 (PyPI), against a server as gocardless.com/blog/idempotency-keys has it. Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gocardless-pro==3.22.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import gocardless_pro
from gocardless_pro.errors import IdempotentCreationConflictError

made, keys = {}, {}


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"payments": made[self.path.rpartition("/")[2]]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["payments"]
        key = self.headers["Idempotency-Key"]
        if key in keys:
            reason = {"reason": "idempotent_creation_conflict", "message": "A resource exists", "links": {"conflicting_resource_id": keys[key]}}
            self.answer(409, {"error": {"type": "invalid_state", "code": 409, "message": "A resource exists", "errors": [reason]}})
            return
        keys[key] = id = f"PM{len(made) + 1}"
        made[id] = {"id": id, "status": "pending_submission", **asked}
        self.answer(201, {"payments": made[id]})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name in ("ratelimit-limit", "ratelimit-remaining"):
            self.send_header(name, "1000")
        self.send_header("ratelimit-reset", "Tue, 01 Dec 2026 03:00:00 GMT")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}/"


def collect(amount, **options):
    client = gocardless_pro.Client(access_token="made-up", base_url=address, **options)
    wish = {"amount": amount, "currency": "EUR", "links": {"mandate": "MD1"}}
    return client.payments.create(params=wish, headers={"Idempotency-Key": "invoice-1"})


first, second = collect(10000), collect(25000)
try:
    collect(25000, raise_on_idempotency_conflict=True)
    told = "returned"
except IdempotentCreationConflictError:
    told = "raised"
server.shutdown()
print(f"gocardless-pro {version('gocardless-pro')}: 100.00 asked, {first.id} of {first.amount}; 250.00 asked, {second.id} of {second.amount}")
print("with raise_on_idempotency_conflict:", told)
is_so = (first.id, second.id, second.amount, told) == ("PM1", "PM1", 10000, "raised")
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON
