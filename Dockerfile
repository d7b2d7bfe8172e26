# syntax=docker/dockerfile:1
# Two images: `simulator`, and the last, `tapeworks`, with every process of ours. Secrets are mounted
# at run time and never part of a layer; what is alive is checked by whoever runs the container.

# Not slim: where a dependency has no wheel, on arm64, it is compiled here.
FROM python:3.11-bookworm AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements-runtime.lock ./
RUN /opt/venv/bin/pip install --require-hashes --requirement requirements-runtime.lock

FROM dependencies AS simulator-dependencies
COPY requirements-simulator.lock ./
RUN /opt/venv/bin/pip install --require-hashes --requirement requirements-simulator.lock

FROM python:3.11-slim-bookworm AS base
# A number that no account of the host is likely to have. The folders are here so that a new volume
# takes their owner.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin tapeworks \
    && install --directory --owner tapeworks --group tapeworks --mode 0750 \
        /var/lib/tapeworks /var/lib/tapeworks/media /var/lib/tapeworks/downloads \
        /var/lib/tapeworks/simulator
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app
WORKDIR /app

FROM base AS simulator
COPY --from=simulator-dependencies /opt/venv /opt/venv
COPY simulator simulator
USER 10001:10001
CMD ["python", "-m", "simulator", "--host", "0.0.0.0", "--port", "8090"]

FROM base AS tapeworks
COPY --from=dependencies /opt/venv /opt/venv
COPY schemas schemas
COPY domain domain
COPY runtime runtime
COPY providers providers
COPY processors processors
COPY projections projections
COPY ingress ingress
COPY replay replay
# The ingress tells its version, which Python reads from what an installation would leave here. The
# packages are copied, since building a wheel fetches tools that no hash is checked of.
RUN mkdir tapeworks-0.1.0.dist-info \
    && printf 'Metadata-Version: 2.1\nName: tapeworks\nVersion: 0.1.0\n' \
        > tapeworks-0.1.0.dist-info/METADATA
# Faust makes folders at its start, though nothing of ours is in them.
ENV APP_DATADIR=/tmp/faust
USER 10001:10001
CMD ["python", "-m", "ingress"]
