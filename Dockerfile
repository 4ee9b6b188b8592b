# syntax=docker/dockerfile:1
# The image of both apps, backup and restore; which one it is, app settings say (docs/migration.md).
#
#   docker build --build-arg SQLPACKAGE_SHA256=<64 hex digits> -t bacvault .
#
# Not built yet where this file was written: no Docker engine was there (README.md, "What has run").

ARG GO_VERSION=1.26
# The node image carries the Service Bus extension bundle; the dotnet-isolated image does not, and a host without the
# bundle and without internet finds no function. Node itself is not used. Pin it by digest for a release:
# --build-arg BASE=mcr.microsoft.com/azure-functions/node@sha256:…
ARG BASE=mcr.microsoft.com/azure-functions/node:4-node22

# --- the handler: a static binary; the Functions images are linux/amd64 only
FROM --platform=linux/amd64 golang:${GO_VERSION}-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
# With .git, so that the binary knows its commit; manifests name it. Build from a clone, not from a linked work tree: Go would stop here.
COPY . .
RUN CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -trimpath -o /out/ ./handler ./cmd/bacvault

# --- sqlpackage: Microsoft's self-contained zip. It brings its own .NET, so the base image's version does not matter;
# the dotnet tool needs one patch level and breaks with another. Its licence forbids that we carry it in this repository.
FROM --platform=linux/amd64 debian:12-slim AS sqlpackage
# 170.5.96, 15 September 2026. aka.ms/sqlpackage-linux always gives the newest one: never use it here.
ARG SQLPACKAGE_URL=https://go.microsoft.com/fwlink/?linkid=2379816
# Microsoft publishes no checksum. Compute it once, on a machine that you trust, and write it down:
#   curl -fsSL 'https://go.microsoft.com/fwlink/?linkid=2379816' | sha256sum
# There is no default on purpose: without it the build ends here, before anything is downloaded.
ARG SQLPACKAGE_SHA256
# (The message holds no blanks because the builder splits this line at them.)
ADD --checksum=sha256:${SQLPACKAGE_SHA256:?give-it-as-build-arg,compute-it-with:curl-fsSL-SQLPACKAGE_URL|sha256sum} ${SQLPACKAGE_URL} /sqlpackage.zip
RUN apt-get update && apt-get install -y --no-install-recommends unzip && rm -rf /var/lib/apt/lists/* \
 && unzip -q /sqlpackage.zip -d /opt/sqlpackage && chmod 755 /opt/sqlpackage/sqlpackage

# --- the app
FROM --platform=linux/amd64 ${BASE}
# sqlpackage needs ICU and libunwind. The names are those of Debian 12; another base needs others, and the check below says so.
ARG ICU_PACKAGE=libicu72
RUN apt-get update && apt-get install -y --no-install-recommends ${ICU_PACKAGE} libunwind8 && rm -rf /var/lib/apt/lists/*
COPY --from=sqlpackage /opt/sqlpackage /opt/sqlpackage
# An image whose sqlpackage does not start must not be born. (ICU in full is asked for only when it connects.)
RUN /opt/sqlpackage/sqlpackage /Version

COPY --from=build /out/bacvault /usr/local/bin/bacvault
WORKDIR /home/site/wwwroot
# The host looks for functions in direct children of its script root only: functions/* lies beside host.json.
COPY --from=build /out/handler host.json ./
COPY functions/ ./

# The base image says another runtime. Console logging is off in a container unless it is asked for. The host leaves a timer
# out whose schedule is not set. notify needs a webhook and a subscription: whoever has them switches it on. App settings go
# before these.
ENV FUNCTIONS_WORKER_RUNTIME=custom \
    BACVAULT_DRILL_SCHEDULE="0 0 6 * * 0" \
    AzureWebJobs_notify_Disabled=true \
    AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true

# The base image starts a shell script; a shell as process 1 keeps SIGTERM for itself. The host itself gets it so.
CMD ["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"]
