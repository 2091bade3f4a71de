# A worker with TensorRT-LLM, on NVIDIA's image, which has CUDA, NCCL, PyTorch and TensorRT-LLM.
# `novacron images build worker-gpu` builds it from the root of the repository, on a machine that can pull the base.
ARG BASE=nvcr.io/nvidia/tensorrt-llm/release:1.2.0

FROM ${BASE} AS build
WORKDIR /build
COPY requirements/image-build.txt requirements/image-coordinator.txt ./
RUN python3 -m venv tools \
 && tools/bin/pip install --no-cache-dir --require-hashes --requirement image-build.txt
# What the base has already, in versions that fit TensorRT-LLM, stays as it is.
RUN python3 -m venv --without-pip --system-site-packages /opt/novacron \
 && tools/bin/pip --python /opt/novacron/bin/python install --no-cache-dir --no-deps --require-hashes --requirement image-coordinator.txt
COPY serving/ serving/
RUN tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels ./serving \
 && tools/bin/pip --python /opt/novacron/bin/python install --no-cache-dir --no-deps wheels/*.whl

FROM ${BASE}
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /home/novacron --shell /usr/sbin/nologin novacron
COPY --from=build /opt/novacron /opt/novacron
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="NovaCron GPU worker" \
      org.opencontainers.image.description="NovaCron worker with the TensorRT-LLM engine" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Every cache that the engine's libraries write is below HOME, which is a writable volume in a pod.
ENV HOME=/home/novacron PATH=/opt/novacron/bin:${PATH} PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/home/novacron/.cache XDG_CONFIG_HOME=/home/novacron/.config \
    HF_HOME=/home/novacron/.cache/huggingface TRITON_CACHE_DIR=/home/novacron/.cache/triton \
    TORCHINDUCTOR_CACHE_DIR=/home/novacron/.cache/inductor CUDA_CACHE_PATH=/home/novacron/.cache/cuda \
    FLASHINFER_WORKSPACE_BASE=/home/novacron/.cache MPLCONFIGDIR=/home/novacron/.config/matplotlib
USER 10001:10001
WORKDIR /home/novacron
EXPOSE 9091
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=600s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9091/health', timeout=4)"]
ENTRYPOINT ["python", "-m", "novacron_serving.worker"]
CMD ["--config", "/etc/novacron/worker.json"]
