# A STAND-IN for NVIDIA's TensorRT-LLM image, to build the GPU worker's image where that one cannot be had. It has no CUDA,
# no TensorRT-LLM and nothing else of NVIDIA's: only Python, Open MPI 4.1 as there, some packages that NovaCron needs too,
# and a launcher that reports its rank in place of loading a model.
ARG BASE=docker.io/library/debian:bookworm-slim@sha256:abd67ffcfa541b485a3dff59865ab629aa048a6c613e639d36e7456b0b229241
FROM ${BASE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates openmpi-bin python3 python3-idna python3-protobuf \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY trtllm-llmapi-launch /usr/local/bin/
