# A worker with the PyTorch engine on CPUs. Debian's PyTorch has no CUDA libraries, which take 4 GB.
# `novacron images build worker-cpu` builds it from the root of the repository.
# Debian of 2026-08-03, from github.com/docker-library/repo-info, repos/debian/remote/trixie-slim.md at 05f354f0.
ARG BASE=docker.io/library/debian:trixie-slim@sha256:3a39a0592364683e6bab97937b72cad5a8fa6dcbbee90edb3bb48c7f8e94f258

FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3-venv \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
WORKDIR /build
COPY requirements/image-build.txt requirements/image-worker-cpu.txt ./
RUN python3 -m venv tools && python3 -m venv --without-pip --system-site-packages /opt/novacron \
 && tools/bin/pip install --no-cache-dir --require-hashes --requirement image-build.txt \
 && tools/bin/pip --python /opt/novacron/bin/python install --no-cache-dir --no-deps --ignore-installed --require-hashes --requirement image-worker-cpu.txt
COPY serving/ serving/
RUN tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels ./serving \
 && tools/bin/pip --python /opt/novacron/bin/python install --no-cache-dir --no-deps wheels/*.whl

FROM ${BASE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-torch \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /home/novacron --shell /usr/sbin/nologin novacron \
 && install --directory --owner=10001 --group=10001 /home/novacron
COPY --from=build /opt/novacron /opt/novacron
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="NovaCron CPU worker" \
      org.opencontainers.image.description="NovaCron worker with the PyTorch engine on CPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
ENV HOME=/home/novacron PATH=/opt/novacron/bin:${PATH} PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /home/novacron
EXPOSE 9091
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9091/health', timeout=4)"]
ENTRYPOINT ["python", "-m", "novacron_serving.worker"]
CMD ["--config", "/etc/novacron/worker.json"]
