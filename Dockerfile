# The container image of Engine Roles; docker/README.md describes how to build and run it, and
# docker/check.sh builds it and checks it.
# Both BuildKit and the classic builder work. The build needs only the base images:
#
#   BUILD_IMAGE    Rust 1.95 or newer and a C compiler, on Debian's glibc (aws-lc is
#                  compiled from source; on x86-64 and arm64 it needs no cmake)
#   RUNTIME_IMAGE  scratch (nothing): the image then has the program, the C library and root
#                  certificates, and no shell. Or an image with the same glibc or a newer one, and
#                  with root certificates.
ARG BUILD_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=scratch


# Manifests and the lock file, with empty sources. The result changes only when a dependency
# changes, so the next layer, which builds all dependencies, is reused after changes of code.
FROM ${BUILD_IMAGE} AS manifests
WORKDIR /build
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path './.cargo/*' \
        ! -path '*/src/lib.rs' ! -path '*/src/main.rs' \
        ! -path '*/src/bin/*.rs' ! -path '*/benches/*.rs' ! -path '*/tests/it/main.rs' -delete \
    && find . -type d -empty -delete \
    && for source in $(find . -name '*.rs'); do \
        echo '#![allow(warnings)] pub fn main() {}' > "$source"; \
    done


FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY --from=manifests /build .
RUN cargo build --release --locked --package engine-roles --features otlp
COPY . .
# Cargo compares modification times: without the touch, it would take sources that are older
# than the empty ones for already built.
RUN find crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package engine-roles --features otlp


# What the program needs beside itself: the C library and root certificates, to verify AWS's. Empty
# for another base than scratch, which must have both.
FROM build AS needed
ARG RUNTIME_IMAGE
RUN mkdir -p /needed/etc && if [ "$RUNTIME_IMAGE" = scratch ]; then \
        { [ -s /etc/ssl/certs/ca-certificates.crt ] || { \
            apt-get update \
            && apt-get install --yes --no-install-recommends ca-certificates; \
        }; } \
        && ldd target/release/engine-roles | grep -o '/[^ ]*' \
            | xargs -I FILE cp --parents --dereference FILE /needed \
        && cp --parents --dereference /etc/ssl/certs/ca-certificates.crt /needed \
        # glibc would ask DNS for localhost otherwise.
        && echo 'hosts: files dns' > /needed/etc/nsswitch.conf; \
    fi


# `--target sandbox` builds an image of the simulated IAM instead, for docker/compose.sandbox.yaml.
# BuildKit skips these two stages in a build of the service; the classic builder doesn't.
FROM build AS build-sandbox
RUN cargo build --release --locked --package engine-roles-iam-sandbox


FROM ${RUNTIME_IMAGE} AS sandbox
COPY --from=needed /needed/ /
COPY LICENSE /usr/share/doc/engine-roles/LICENSE
COPY --from=build-sandbox /build/target/release/engine-roles-iam-sandbox /usr/local/bin/engine-roles-iam-sandbox
USER 65532:65532
ENV PATH=/usr/local/bin:/usr/bin:/bin
EXPOSE 4599
CMD ["engine-roles-iam-sandbox", "--listen", "0.0.0.0:4599"]


FROM ${RUNTIME_IMAGE} AS service
COPY --from=needed /needed/ /
COPY LICENSE /usr/share/doc/engine-roles/LICENSE
COPY --from=build /build/target/release/engine-roles /usr/local/bin/engine-roles

# Given as a number, so that an orchestrator can verify that the user isn't root. The service
# writes nothing to disk, so any other uid works too.
USER 65532:65532
ENV PATH=/usr/local/bin:/usr/bin:/bin \
    ENGINE_ROLES_LISTEN=0.0.0.0:3283
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
