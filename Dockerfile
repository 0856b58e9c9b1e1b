# The databases' migrations, to be run once before the code that expects them:
# docs/deploying.md. In the image: the engine, this project's files, and the pg_dump of
# the server's version, which a deployment begins with.
#
#   docker build --build-arg POSTGRES=17 -t migrations .
#   docker run --rm --env-file production.env -v state:/project/state migrations

ARG PYTHON=3.13

FROM python:${PYTHON}-slim-trixie AS build
WORKDIR /build
COPY pyproject.toml MANIFEST.in CHANGELOG.md LICENSE ./
COPY docs/package.md docs/
COPY src src
RUN python -m venv /opt/sqlpair
RUN /opt/sqlpair/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM python:${PYTHON}-slim-trixie
# The major version of the server: pg_dump must not be older, and a newer one writes what
# the server may not read back.
ARG POSTGRES=18
RUN apt-get -qq update \
  && apt-get -qq install -y --no-install-recommends ca-certificates postgresql-common \
  && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
  && apt-get -qq install -y --no-install-recommends "postgresql-client-${POSTGRES}" \
  && rm -rf /var/lib/apt/lists/*
# A number, so that Kubernetes can see that it is not root.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin migrations \
  && install -d -o 10001 -g 10001 /project/state /project/logs
COPY --from=build /opt/sqlpair /opt/sqlpair
WORKDIR /project
COPY alembic.ini pyproject.toml ./
COPY alembic alembic
COPY sql sql
ENV PATH=/opt/sqlpair/bin:$PATH \
  APP_ENV=production \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONUNBUFFERED=1
USER 10001:10001
# SQLite's file, backups and the log; all else may be read-only.
VOLUME ["/project/state", "/project/logs"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["sqlpair"]
CMD ["migrate"]
