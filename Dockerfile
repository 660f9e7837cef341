# The container image of Engine Roles; docker/README.md describes how to build and run it.
# Both BuildKit and the classic builder work. The build needs only the two base images:
#
#   BUILD_IMAGE    Rust 1.95 or newer and a C compiler, on Debian's glibc (aws-lc is
#                  compiled from source; on x86-64 and arm64 it needs no cmake)
#   RUNTIME_IMAGE  the same glibc or a newer one
ARG BUILD_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim


# Manifests and the lock file, with empty sources. The result changes only when a dependency
# changes, so the next layer, which builds all dependencies, is reused after changes of code.
FROM ${BUILD_IMAGE} AS manifests
WORKDIR /build
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path './.cargo/*' \
        ! -path '*/src/lib.rs' ! -path '*/src/main.rs' \
        ! -path '*/src/bin/*.rs' -delete \
    && find . -type d -empty -delete \
    && for source in $(find . -name '*.rs'); do \
        echo '#![allow(warnings)] pub fn main() {}' > "$source"; \
    done


FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY --from=manifests /build .
RUN cargo build --release --locked --package engine-roles
COPY . .
# Cargo compares modification times: without the touch, it would take sources that are older
# than the empty ones for already built.
RUN find crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package engine-roles


# `--target sandbox` builds an image of the simulated IAM instead, for docker/compose.sandbox.yaml.
# BuildKit skips these two stages in a build of the service; the classic builder doesn't.
FROM build AS build-sandbox
RUN cargo build --release --locked --package engine-roles-iam-sandbox


FROM ${RUNTIME_IMAGE} AS sandbox
COPY LICENSE /usr/share/doc/engine-roles/LICENSE
COPY --from=build-sandbox /build/target/release/engine-roles-iam-sandbox /usr/local/bin/engine-roles-iam-sandbox
USER 65532:65532
EXPOSE 4599
CMD ["engine-roles-iam-sandbox", "--listen", "0.0.0.0:4599"]


FROM ${RUNTIME_IMAGE} AS service
# Root certificates, to verify AWS's certificates. A base image that has its own keeps them.
RUN [ -s /etc/ssl/certs/ca-certificates.crt ] || { \
        apt-get update \
        && apt-get install --yes --no-install-recommends ca-certificates \
        && rm -rf /var/lib/apt/lists/*; \
    }
COPY LICENSE /usr/share/doc/engine-roles/LICENSE
COPY --from=build /build/target/release/engine-roles /usr/local/bin/engine-roles

# Given as a number, so that an orchestrator can verify that the user isn't root. The service
# writes nothing to disk, so any other uid works too.
USER 65532:65532
ENV ENGINE_ROLES_LISTEN=0.0.0.0:3283
EXPOSE 3283
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["engine-roles", "healthcheck"]
CMD ["engine-roles", "serve"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Engine Roles" \
      org.opencontainers.image.description="Creates or passes an AWS IAM role for each AI Unlimited engine, and removes it on request." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
