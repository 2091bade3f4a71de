# A STAND-IN for NVIDIA's TensorRT-LLM image, to build the GPU worker's image where that one cannot be had. It has no CUDA,
# no TensorRT-LLM and nothing else of NVIDIA's: only Python, MPI, and older versions of packages that NovaCron needs too.
ARG BASE=docker.io/library/debian:trixie-slim@sha256:3a39a0592364683e6bab97937b72cad5a8fa6dcbbee90edb3bb48c7f8e94f258
FROM ${BASE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates openmpi-bin python3 python3-protobuf python3-pydantic \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
