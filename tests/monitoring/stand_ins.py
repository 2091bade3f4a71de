"""Stand-ins for exporters that cannot run here: NVIDIA's DCGM exporter, kube-state-metrics and cert-manager.

They serve the series, with the names and labels of the real ones, that rules and dashboards read. What they prove is
that the expressions fit those names and labels, and nothing about GPUs or clusters.
"""

from __future__ import annotations

import http.server
import threading

_NODE = 'node="gpu-1",resource="nvidia_com_gpu",unit="integer"'
_QUOTA = 'namespace="novacron-workers",resourcequota="gpus",resource="requests.nvidia.com/gpu"'
SERIES = f"""\
novacron_stand_in 1
DCGM_FI_DEV_GPU_UTIL{{Hostname="gpu-1",gpu="0",UUID="GPU-0",modelName="NVIDIA H100"}} 87
DCGM_FI_DEV_FB_USED{{Hostname="gpu-1",gpu="0",UUID="GPU-0",modelName="NVIDIA H100"}} 70000
DCGM_FI_DEV_FB_FREE{{Hostname="gpu-1",gpu="0",UUID="GPU-0",modelName="NVIDIA H100"}} 11000
DCGM_FI_DEV_GPU_TEMP{{Hostname="gpu-1",gpu="0",UUID="GPU-0",modelName="NVIDIA H100"}} 61
DCGM_FI_DEV_POWER_USAGE{{Hostname="gpu-1",gpu="0",UUID="GPU-0",modelName="NVIDIA H100"}} 540
DCGM_EXP_XID_ERRORS_COUNT{{Hostname="gpu-1",gpu="0",xid="79",window_size_in_ms="300000"}} 1
kube_node_status_allocatable{{{_NODE}}} 7
kube_node_status_capacity{{{_NODE}}} 8
kube_node_status_capacity{{node="gpu-2",resource="nvidia_com_gpu",unit="integer"}} 8
kube_pod_status_phase{{namespace="novacron-workers",pod="llm-workers-3",phase="Pending"}} 1
kube_resourcequota{{{_QUOTA},type="used"}} 95
kube_resourcequota{{{_QUOTA},type="hard"}} 100
certmanager_certificate_expiration_timestamp_seconds{{name="llm-api"}} 86400
certmanager_certificate_renewal_timestamp_seconds{{name="llm-api"}} 40000
"""
_RESTARTS = "kube_pod_container_status_restarts_total"
RESTARTS = (
    f'{_RESTARTS}{{{{namespace="novacron-workers",pod="llm-workers-3",container="worker"}}}} {{n}}\n'
    f'{_RESTARTS}{{{{namespace="novacron-llm",pod="llm-coordinator-a",container="coordinator"}}}} {{n}}\n'
)


class StandIn:
    """Serves the series on a free port. The pods restart at each scrape."""

    def __init__(self) -> None:
        scrapes = iter(range(1_000_000))

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = (SERIES + RESTARTS.format(n=next(scrapes))).encode()
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
