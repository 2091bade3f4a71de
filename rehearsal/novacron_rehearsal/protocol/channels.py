"""Options of every gRPC channel and server of a run."""

from __future__ import annotations

CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A resource that did not become ready comes with its state, in the metadata of the error.
    ("grpc.max_metadata_size", 64 * 2**20),
    ("grpc.absolute_max_metadata_size", 64 * 2**20),
    ("grpc.enable_http_proxy", 0),  # everyone that the engine talks to is on this machine
    # Otherwise two providers at one attached port would share a connection, and only the connection tells them apart.
    ("grpc.use_local_subchannel_pool", 1),
]
