# A worker with TensorRT-LLM, on NVIDIA's image, which has CUDA, NCCL, MPI, PyTorch, TensorRT-LLM, and the compilers
# that its libraries call at run time. `novacron images build worker-gpu` builds it from the root of the repository.
# NVIDIA publishes no list of digests; this one is in the logs of several public projects, of 2026-06-29 and later.
ARG BASE=nvcr.io/nvidia/tensorrt-llm/release:1.2.1@sha256:33cd085b772947bd22b7273886539331420404e5d2a4a039945241945ff927b9

FROM ${BASE} AS build
# The base makes pip install only versions of a list, which has no hashes.
ENV PIP_CONSTRAINT=""
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
WORKDIR /build
COPY requirements/image-build.txt requirements/image-worker-gpu.txt ./
RUN python3 -m venv tools && python3 -m venv --without-pip --system-site-packages /opt/novacron \
 && tools/bin/pip install --no-cache-dir --require-hashes --requirement image-build.txt \
 && tools/bin/pip download --no-cache-dir --no-deps --require-hashes --dest wheels --requirement image-worker-gpu.txt
COPY serving/ serving/
# Packages that the base has stay as they are where NovaCron can use them, because TensorRT-LLM was tested with them. The
# others come from the wheels above, whose hashes were checked.
RUN tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels ./serving \
 && tools/bin/pip --python /opt/novacron/bin/python install --no-cache-dir --no-index --find-links wheels 'novacron-serving[multi-node,stores,tracing]'

FROM ${BASE}
# The pods of a replica that spans machines start its processes by ssh, as this user, which therefore has a shell. They
# derive the key from the cluster token: the image has none.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends openssh-client openssh-server \
 && rm -rf /etc/ssh/ssh_host_* /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /home/novacron --shell /bin/sh novacron \
 && install --directory --owner=10001 --group=10001 /home/novacron
COPY --from=build /opt/novacron /opt/novacron
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="NovaCron GPU worker" \
      org.opencontainers.image.description="NovaCron worker with the TensorRT-LLM engine" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
# Every cache that the engine's libraries write is below HOME, which is a writable volume in a pod.
ENV HOME=/home/novacron PATH=/opt/novacron/bin:${PATH} PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/home/novacron/.cache XDG_CONFIG_HOME=/home/novacron/.config \
    HF_HOME=/home/novacron/.cache/huggingface TRITON_CACHE_DIR=/home/novacron/.cache/triton \
    TORCHINDUCTOR_CACHE_DIR=/home/novacron/.cache/inductor CUDA_CACHE_PATH=/home/novacron/.cache/cuda \
    FLASHINFER_WORKSPACE_BASE=/home/novacron/.cache MPLCONFIGDIR=/home/novacron/.config/matplotlib
USER 10001:10001
WORKDIR /home/novacron
# 9092 is ssh, between the pods of one replica only.
EXPOSE 9091 9092
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=600s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9091/health', timeout=4)"]
# One pod runs the worker. Of several, the first runs mpirun and the others ssh servers (LWS_WORKER_INDEX).
ENTRYPOINT ["python", "-m", "novacron_serving.worker.launch"]
CMD ["--config", "/etc/novacron/worker.json"]
