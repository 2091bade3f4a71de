"""Bounds of everything that a client can make the coordinator hold, and limits of every wait.

| Buffer of a connection | Bound | Beyond it |
|---|---|---|
| head of a request, or its trailers | `MAX_HEAD_BYTES` | connection aborted |
| body before the API key is checked | none is read | 401, then closed |
| body | `max_body_bytes` | 413, then closed |
| requests that wait behind the one in progress | `MAX_PIPELINED` | connection aborted |
| their bodies | `MAX_PIPELINED_BYTES` and one read | no more is read |
| responses that the client does not read | `WRITE_BUFFER_BYTES` and one read | no more is read from the worker |
| head of a worker's response | `MAX_RESPONSE_HEAD_BYTES` | counts as the worker's failure |

| Sum over all connections | Bound | Beyond it |
|---|---|---|
| bodies of requests that have not arrived completely | `MAX_INCOMPLETE_BYTES` | 503, then closed |
| connections | half of the process's open files | the longest idle one is closed, or the new one |
| requests in flight | `max_requests` | 429 |

| Wait | Limit | After it |
|---|---|---|
| for the first request of a connection, or the rest of a head | `HEAD_TIMEOUT_S` | 408 if a part came, then closed |
| for the next request of a connection | `KEEP_ALIVE_S` | closed |
| for the rest of a body | `BODY_TIMEOUT_S` | 408, then closed |
| for a client that does not read its response | `UNREAD_TIMEOUT_S` | connection aborted |
| for Redis or the disk, in the response cache | `CACHE_TIMEOUT_S` | counts as a miss |
| for a worker's slot | `queue_timeout_s` | 503 |
| for a connection to a worker | `CONNECT_TIMEOUT_S` | another worker |
| for the first byte of a worker's response | `first_byte_timeout_s` | 504 |
| for the next byte of a worker's response | `stream_idle_timeout_s` | error event, then closed |
| for the next byte of a worker that no longer reports | `lost_after_s` | another worker, or an error event |
| for a peer that acknowledges nothing, on any connection | `PEER_TIMEOUT_S`, `CLIENT_TIMEOUT_S` | connection aborted |

Names in lower case are settings of the coordinator, the others constants of this module, of workers/upstream.py and of
server.py.
"""

from __future__ import annotations

MAX_HEAD_BYTES = 2**17
"""Limit for a head, or trailers, that take several reads. The parser itself has no limit."""
MAX_PIPELINED, MAX_PIPELINED_BYTES = 64, 2**16
"""Requests, and bytes of their bodies, that are read while the response before them is in progress.

Reading on is how the coordinator notices that the client has left.
"""
WRITE_BUFFER_BYTES = 2**16
"""asyncio's default: above it, the connection asks to pause."""
MAX_INCOMPLETE_BYTES = 2**27
"""128 MiB. Bodies of 4 MiB arrive within `BODY_TIMEOUT_S` at 70 kB/s; 32 of them may do so at the same time."""
HEAD_TIMEOUT_S = 20.0
BODY_TIMEOUT_S = 60.0
UNREAD_TIMEOUT_S = 60.0
CACHE_TIMEOUT_S = 1.0
DRAINED_BODY_BYTES = 2**16
"""After an error, a connection is kept if the rest of the body is at most this long: it is read and dropped."""
