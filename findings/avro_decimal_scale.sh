#!/usr/bin/env bash
# Apache's own Avro library for Python writes the decimal 1.5 as 0.15 into a field of two decimals, and 12 as 0.12.
#
# Behaviour: avro takes a Decimal's digits as they stand for the unscaled value, whatever its exponent: 1.5, 12 and 1E+2 become 0.15, 0.12
# and 0.01 where the schema's scale is 2. Only what has exactly two decimals is right; what has more is refused. fastavro brings each to scale.
# Guessed before: a number that fits the scale is written as that number, as more decimals than the scale are refused.
# Why it matters: amounts of a database column without a fixed scale, or of JSON, reach the topic or warehouse too small by 10 or 100; those
# with cents are right, so a look at a few rows finds nothing.
# Versions: avro 1.12.2, fastavro 1.13.1 (PyPI). Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check avro==1.12.2 fastavro==1.13.1
"$folder/venv/bin/python" - <<'PYTHON'
import io
import json
import sys
from decimal import Decimal
from importlib.metadata import version

import avro.io
import avro.schema
import fastavro

amount = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
schema = avro.schema.parse(json.dumps(amount))


def by_avro(value):
    buffer = io.BytesIO()
    avro.io.DatumWriter(schema).write(value, avro.io.BinaryEncoder(buffer))
    return buffer.getvalue()


def by_fastavro(value):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(amount), value)
    return buffer.getvalue()


def read(data):
    return {
        str(avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(data)))),
        str(fastavro.schemaless_reader(io.BytesIO(data), amount, None)),
    }


seen = {}
for text in ("1.50", "1.5", "12", "-1.5", "1E+2"):
    seen[text] = [read(write(Decimal(text))) for write in (by_avro, by_fastavro)]
    print(f"{text}: written by avro {version('avro')} it is read as {seen[text][0]}, by fastavro {version('fastavro')} as {seen[text][1]}")
expected = {
    "1.50": [{"1.50"}, {"1.50"}],
    "1.5": [{"0.15"}, {"1.50"}],
    "12": [{"0.12"}, {"12.00"}],
    "-1.5": [{"-0.15"}, {"-1.50"}],
    "1E+2": [{"0.01"}, {"100.00"}],
}
print("as described" if seen == expected else f"changed; described: {expected}")
sys.exit(0 if seen == expected else 1)
PYTHON
