"""The messages of the Pub/Sub API, by the vendor's own definition (``pubsub_api.proto``, compiled to ``pubsub_api.desc``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

_POOL = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString((Path(__file__).parents[1] / "pubsub_api.desc").read_bytes()).file:
    _POOL.Add(_file)


def message(name: str) -> Any:
    """Return the class of a message."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"eventbus.v1.{name}"))


FetchRequest, FetchResponse = message("FetchRequest"), message("FetchResponse")
ConsumerEvent, ProducerEvent = message("ConsumerEvent"), message("ProducerEvent")
SchemaRequest, SchemaInfo = message("SchemaRequest"), message("SchemaInfo")
TopicRequest, TopicInfo = message("TopicRequest"), message("TopicInfo")
LATEST, EARLIEST, CUSTOM = 0, 1, 2
SERVICE = "eventbus.v1.PubSub"
