# The page as a container: `docker build -t gaprune-viz .`, then `docker run -p 7860:7860 gaprune-viz`.
# CPU only; see docs/deploy.md for a card, a proxy, and a workspace that stays.
FROM python:3.11-slim

# The same numbers of threads as processors are set at `docker run --cpus`.
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    GAPRUNE_VIZ_WORKSPACE=/data/gaprune-viz

RUN useradd --create-home --uid 1000 user && mkdir -p /data && chown user /data
WORKDIR /home/user/app

# First what changes seldom: torch's CPU build, then the pinned set that is tested.
COPY requirements.txt constraints.txt ./
RUN pip install --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 \
    && pip install --requirement requirements.txt --constraint constraints.txt

COPY --chown=user LICENSE README.md app.py pyproject.toml ./
COPY --chown=user gaprune_viz ./gaprune_viz
COPY --chown=user assets ./assets

USER user
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/config', timeout=8)"
# `--public` because a container is reached by others; `docker run gaprune-viz python app.py --host 0.0.0.0` is private.
CMD ["python", "app.py", "--host", "0.0.0.0", "--public"]
