# vclr_pl in a container. The torch from the Python package index runs on a CPU and on NVIDIA GPUs (driver 580 or newer).
#
#     docker build --tag vclr_pl .
#     docker build --tag vclr_pl:cuda --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 .
#     docker build --tag vclr_pl:cpu --build-arg PIP_ARGS="--extra-index-url URL" .     # a smaller build of torch: pytorch.org names its index
#
#     docker run --rm vclr_pl                                                           # lists the commands
#     docker run --rm --gpus all --ipc host --user "$(id -u):$(id -g)" \
#       --volume DIR:/vclr/data --volume "$PWD/runs:/vclr/runs" vclr_pl train data.root=data
#
# BASE is a Debian or Ubuntu with Python 3.11, 3.12 or 3.13, or one that has such a Python as its package python3.
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}

# FFmpeg's libraries are for torchcodec; PyAV brings its own.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ffmpeg $(command -v python3 >/dev/null || echo python3-venv) \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1

# The dependencies first: a change of the code does not install them again.
ARG PIP_ARGS=""
WORKDIR /build
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" >required \
 && pip install --no-cache-dir --constraint constraints.txt ${PIP_ARGS} --requirement required

# EXTRA: extras of pyproject.toml, for example visualize,faiss
ARG EXTRA=""
COPY README.md LICENSE ./
COPY conf conf
COPY src src
RUN pip install --no-cache-dir --constraint constraints.txt ${PIP_ARGS} ".${EXTRA:+[${EXTRA}]}" \
 && rm -rf /build

# Any user may write: the owner of mounted folders is given with --user.
RUN useradd --uid 10001 --no-create-home --home-dir /vclr vclr \
 && mkdir -p /vclr/data /vclr/runs \
 && chmod 1777 /vclr /vclr/data /vclr/runs
ENV HOME=/vclr
WORKDIR /vclr
VOLUME ["/vclr/data", "/vclr/runs"]
USER vclr
ENTRYPOINT ["python", "-m", "vclr_pl"]
