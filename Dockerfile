# stemsep on the CPU: what the README does, in a container.
#   docker build -t stemsep .
#   docker run --rm -v "$PWD:/work" stemsep separate data/example.ogg
# Where the ordinary wheel of torch is too large (it brings CUDA), name the index of its CPU build,
# which pytorch.org shows under "Get Started":
#   docker build --build-arg TORCH_INDEX=... -t stemsep .
FROM python:3.11-slim

ARG TORCH_INDEX=""
WORKDIR /opt/stemsep
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY stemsep stemsep
COPY checkpoints checkpoints
COPY data data
COPY recipes recipes
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir --index-url "$TORCH_INDEX" \
            "$(grep '^torch==' constraints.txt)"; \
    fi \
    && pip install --no-cache-dir -c constraints.txt . \
    && stemsep doctor

WORKDIR /work
ENTRYPOINT ["stemsep"]
CMD ["--help"]
