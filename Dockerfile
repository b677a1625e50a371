# facetrust serve, without PyTorch. Not built where it was written.
#   docker build -t facetrust .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL -v ./keys:/keys:ro -p 127.0.0.1:8000:8000 facetrust
FROM python:3.13-slim AS built
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
RUN python -m venv /opt/facetrust \
 && /opt/facetrust/bin/pip install --no-cache-dir --constraint constraints.txt '.[serve,gallery,postgres]' \
 # The detector's graphs, which are otherwise built at every start.
 && FACETRUST_CACHE=/opt/facetrust/cache /opt/facetrust/bin/python -c \
    'from facetrust.faces.detector import open_detector; open_detector()'

FROM python:3.13-slim
COPY --from=built /opt/facetrust /opt/facetrust
ENV PATH=/opt/facetrust/bin:$PATH FACETRUST_CACHE=/opt/facetrust/cache PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 facetrust
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["facetrust", "serve", "--host", "0.0.0.0"]
CMD ["--keys", "/keys/keys.json"]
