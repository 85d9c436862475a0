"""The messages of the Pub/Sub API, by the vendor's own definition (``pubsub_api.proto``), compiled to a description that is read as data.

No code is generated: what the compiler makes of a definition needs a library at least as new as the compiler.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

LATEST, EARLIEST, CUSTOM = 0, 1, 2
"""Where a stream begins: at its tip, with the oldest event that is kept, after a replay id."""
SUBSCRIBE, GET_SCHEMA, GET_TOPIC = (f"/eventbus.v1.PubSub/{name}" for name in ("Subscribe", "GetSchema", "GetTopic"))

_POOL = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(Path(__file__).with_name("pubsub_api.desc").read_bytes()).file:
    _POOL.Add(_file)


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"eventbus.v1.{name}"))


FetchRequest, FetchResponse = _message("FetchRequest"), _message("FetchResponse")
SchemaRequest, SchemaInfo = _message("SchemaRequest"), _message("SchemaInfo")
TopicRequest, TopicInfo = _message("TopicRequest"), _message("TopicInfo")
