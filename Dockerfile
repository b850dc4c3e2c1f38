# Built from a checkout: docker build -t prefsvc .
# Nothing is compiled: every dependency in uv.lock has a wheel, and its hash is checked.
FROM python:3.13-slim-bookworm AS builder
ARG UV_VERSION=0.13.9
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m pip install "uv==${UV_VERSION}" \
    && python -m venv --without-pip /opt/prefsvc

# Dependencies in a layer of their own, which a change of the code leaves as it is.
COPY pyproject.toml uv.lock ./
RUN uv export --quiet --frozen --no-default-groups --no-emit-project --output-file requirements.txt \
    && python -m pip --python /opt/prefsvc/bin/python install \
        --no-deps --only-binary :all: --require-hashes --requirement requirements.txt

COPY README.md LICENSE openapi.yaml ./
COPY prefsvc prefsvc
COPY sql/migrations sql/migrations
COPY deploy/brands deploy/brands
RUN python -m pip wheel --no-deps --wheel-dir dist . \
    && python -m pip --python /opt/prefsvc/bin/python install --no-deps dist/*.whl


FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="prefsvc" \
    org.opencontainers.image.description="The register of opt-outs that a company's senders cannot overlook." \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="Apache-2.0"

# PostgreSQL, embedded, needs an account with a name. A number beyond those of most hosts, so that
# files of this account belong to nobody there.
RUN groupadd --gid 10001 prefsvc \
    && useradd --uid 10001 --gid prefsvc --no-create-home --home-dir /var/lib/prefsvc \
        --shell /usr/sbin/nologin prefsvc \
    && install --directory --owner=prefsvc --group=prefsvc --mode=0700 /var/lib/prefsvc /run/prefsvc \
    && python -m pip uninstall --yes --quiet --root-user-action=ignore pip
COPY --from=builder /opt/prefsvc /opt/prefsvc

# RUNTIME_DIRECTORY is where the embedded PostgreSQL's socket goes.
ENV PATH=/opt/prefsvc/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RUNTIME_DIRECTORY=/run/prefsvc \
    PREFSVC_DATA_DIR=/var/lib/prefsvc \
    PREFSVC_HOST=0.0.0.0 \
    PREFSVC_PORT=8080

# The root file system may be read-only, with a tmpfs at /tmp and at /run/prefsvc.
VOLUME /var/lib/prefsvc
WORKDIR /var/lib/prefsvc
USER prefsvc
EXPOSE 8080
STOPSIGNAL SIGTERM
# Not urllib, which would ask a proxy that http_proxy names.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import http.client, os; \
c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PREFSVC_PORT']), timeout=4); \
c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["prefsvc"]
CMD ["serve"]
