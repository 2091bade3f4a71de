"""The contract of novacron-serving that pods rely on: ports, paths, variables and files.

Images contain that package, and the machine that deploys them may not, so the values are repeated here. A test compares
them with `protocol/contract.json` of novacron-serving.
"""

from __future__ import annotations

HTTP_PORT = 8080
"""Port of the coordinators' API."""
GRPC_PORT = 9090
"""Port where workers register with coordinators."""
WORKER_PORT = 9091
"""Port where workers get requests from coordinators."""
HEALTH_PATH = "/health"
READY_PATH = "/ready"
CLUSTER_TOKEN = "NOVACRON_CLUSTER_TOKEN"  # noqa: S105 - the name of a variable
ADMIN_KEY = "NOVACRON_ADMIN_KEY"
DATABASE_URL = "NOVACRON_DATABASE_URL"
REDIS_URL = "NOVACRON_REDIS_URL"
WORKER_ID = "NOVACRON_WORKER_ID"
HOST = "NOVACRON_HOST"
CONFIG_FOLDER = "/etc/novacron"
"""Folder of the configuration files, `coordinator.json` and `worker.json`. It is the images' default as well."""
TLS_FOLDER = "/etc/novacron-api-tls"
"""Folder of the API's certificate and key, as a Secret of type `kubernetes.io/tls` has them."""
CERTIFICATE_FILE, KEY_FILE = "tls.crt", "tls.key"
DATABASE_FOLDER, REDIS_FOLDER = "/etc/novacron-database", "/etc/novacron-redis"
"""Folders of the services' logins."""
POSTGRES_PASSWORD, REDIS_PASSWORD = "POSTGRES_PASSWORD", "REDIS_PASSWORD"
"""Keys of the passwords in their Secrets, in a cluster of your own."""
POSTGRES_PORT, REDIS_PORT = 5432, 6379
"""Their ports where a URL names none."""
PASSWORD_FILE, CA_FILE = "password", "ca.crt"
PUBLIC_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Certificates of public authorities, which Debian's package ca-certificates has."""
HOME = "/home/novacron"
"""Home folder, and the working folder of the images. Pods mount a writable volume there."""
USER_ID = 10001
"""User and group of the images."""
REQUESTS_RUNNING = "trtllm_num_requests_running"
REQUESTS_WAITING = "trtllm_num_requests_waiting"
KV_CACHE_UTILIZATION = "trtllm_kv_cache_utilization"
QUALITY_SCORE = "novacron_quality_score"
"""Metrics that autoscaling reads."""
