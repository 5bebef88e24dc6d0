# One image for the web server, the workers and beat: `bin/run --only web|worker|beat`. See compose.yaml.

FROM python:3.11.14-slim-bookworm AS environment
WORKDIR /app
COPY requirements.txt requirements-s3.txt ./
COPY bin/lib/environment.py bin/lib/
RUN python -I bin/lib/environment.py
# 1: with the packages that PANTHEON_FILES_URL needs.
ARG FILES_IN_S3=0
RUN if [ "$FILES_IN_S3" = 1 ]; then .venv/bin/python -m pip install --no-cache-dir --require-hashes -r requirements-s3.txt; fi

FROM python:3.11.14-slim-bookworm
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000 PANTHEON_ENV_FILE=/dev/null
WORKDIR /app
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin pantheon \
    && install --directory --owner=pantheon --group=pantheon --mode=700 /app/var
COPY --from=environment /app/.venv .venv
COPY . .
USER pantheon
# Secret key, static files, uploaded files, and the SQLite file where DATABASE_URL names no other database.
VOLUME /app/var
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD [".venv/bin/python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/api/v1/health\", timeout=4)"]
CMD ["bin/run"]
