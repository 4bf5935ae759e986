# One image, two programs: the targets `pulsebot` (the default) and `crawler`.
# The root may be read-only: all that changes is under /data.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/pulsebot
COPY .ci/requirements.txt .ci/
RUN /opt/pulsebot/bin/pip install --require-hashes --only-binary=:all: -r .ci/requirements.txt
COPY LICENSE README.md pyproject.toml ./
COPY crawler crawler/
COPY pulsebot pulsebot/
RUN /opt/pulsebot/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm AS runtime
RUN groupadd --gid 10001 pulsebot \
    && useradd --uid 10001 --gid 10001 --home-dir /data --create-home pulsebot
COPY --from=build /opt/pulsebot /opt/pulsebot
ENV PATH=/opt/pulsebot/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
VOLUME /data
USER 10001:10001
CMD ["run"]

FROM runtime AS crawler
ENTRYPOINT ["crawler"]

FROM runtime AS pulsebot
COPY rules /data/rules/
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
ENTRYPOINT ["pulsebot"]
