# Two images from one build: `ringmaster`, the balancer, and `backend`, the demo replica.
#
#   docker build --target ringmaster -t ringmaster .
#   docker build --target backend -t ringmaster-backend .
#
# docker-compose.yml builds and names both.

FROM debian:bookworm-slim AS base
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        libevent-core-2.1-7 libevent-extra-2.1-7 libevent-pthreads-2.1-7 libjansson4 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --no-create-home --shell /usr/sbin/nologin ringmaster

FROM base AS build
WORKDIR /src
COPY script/bootstrap script/lib.sh script/
RUN script/bootstrap server
COPY . .
RUN cmake --preset release -DBUILD_TESTING=OFF -DCMAKE_INSTALL_PREFIX=/usr/local --log-level=WARNING \
    && cmake --build --preset release \
    && cmake --install build/release --strip --prefix /usr/local

# The demo replica: answers on PORT and says who it is by SERVER_ID; the balancer sets both.
FROM base AS backend
COPY --from=build /usr/local/libexec/ringmaster/backend /usr/local/bin/backend
USER ringmaster
ENV PORT=5000
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s CMD \
    ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$PORT && printf 'GET /heartbeat HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '200 OK' <&3"]
CMD ["backend"]

FROM base AS ringmaster
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        libcurl4 libconfig9 libxxhash0 libc-ares2 curl \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o ringmaster -g ringmaster /var/lib/ringmaster
COPY --from=build /usr/local /usr/local
COPY deploy/entrypoint /usr/local/bin/ringmaster-entrypoint
COPY conf /etc/ringmaster
EXPOSE 5000 9901
# Starts as root only to find out which group may use the engine's socket; the balancer itself is an ordinary user.
ENTRYPOINT ["ringmaster-entrypoint"]
CMD ["-c", "/etc/ringmaster/docker.conf"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:5000/rep"]
