# check=skip=FromPlatformFlagConstDisallowed;error=true
# The image of both apps, backup and restore; which one it is, app settings say (docs/migration.md).
#
#   make image        takes the pins from tools/image.pins, and the version from git (docs/releasing.md)
#   make lint-image   reads this file as the builder would, without one
#
# Not built yet where this file was written: no Docker engine was there (README.md, "What has run").
#
# There is no "syntax" line: it would fetch a front end by a tag that moves, from a registry that a closed network does not reach.
# The builder's own must know Dockerfile 1.8.

# The three pins have no default on purpose: a tag moves, and a digest that nobody looked up pins nothing. Without one the
# build ends before anything is downloaded. (The messages hold no blanks because the builder splits these lines at them.)
# A comment that begins with a name is what docker buildx build --call=outline prints.

# GO_IMAGE compiles the handler and unpacks sqlpackage.
ARG GO_IMAGE=golang:1.26-bookworm
# GO_DIGEST pins it: sha256:…
ARG GO_DIGEST

# The image must carry the Service Bus extension bundle: a host without it and without internet finds no function. The node
# images on Debian 12 do, the dotnet-isolated ones do not. Not one of the -appservice tags: those run an SSH server with a known
# root password. Not dotnet:4 either, whose support has ended. Node itself is not used.

# BASE_IMAGE is Microsoft's Functions host.
ARG BASE_IMAGE=mcr.microsoft.com/azure-functions/node:4-node22
# BASE_DIGEST pins it: sha256:…
ARG BASE_DIGEST

# The Functions images and sqlpackage are linux/amd64 only: hence the constant platform, and the check that is left out above.

# build compiles the handler and the command line, both static.
FROM --platform=linux/amd64 ${GO_IMAGE}@${GO_DIGEST:?give-it-as-build-arg,sha256:…,see-docs/releasing.md} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
# With .git, so that the binary knows its commit; manifests name it. Build from a clone, not from a linked work tree: Go would stop here.
COPY . .
RUN CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -trimpath -buildvcs=true -o /out/ ./handler ./cmd/bacvault

# The self-contained zip brings its own .NET, so the base image's version does not matter; the dotnet tool needs one patch level and
# breaks with another. Its licence is Microsoft's own, so the zip is fetched when the image is built and not kept in the repository.

# sqlpackage unpacks Microsoft's zip.
FROM --platform=linux/amd64 ${GO_IMAGE}@${GO_DIGEST:?give-it-as-build-arg,sha256:…,see-docs/releasing.md} AS sqlpackage
RUN apt-get update && apt-get install -y --no-install-recommends unzip && rm -rf /var/lib/apt/lists/*
# SQLPACKAGE_URL is the link of one release, 170.5.96 of 15 September 2026; aka.ms/sqlpackage-linux always gives the newest: never use it here.
ARG SQLPACKAGE_URL=https://go.microsoft.com/fwlink/?linkid=2379816
# SQLPACKAGE_SHA256 pins it. Microsoft publishes none: compute it once, on a machine that you trust, as docs/releasing.md says.
ARG SQLPACKAGE_SHA256
ADD --checksum=sha256:${SQLPACKAGE_SHA256:?give-it-as-build-arg,compute-it-with:curl-fsSL-SQLPACKAGE_URL|sha256sum} ${SQLPACKAGE_URL} /sqlpackage.zip
RUN unzip -q /sqlpackage.zip -d /opt/sqlpackage && chmod -R a+rX /opt/sqlpackage && chmod 755 /opt/sqlpackage/sqlpackage

# The app itself is the last stage.

FROM --platform=linux/amd64 ${BASE_IMAGE}@${BASE_DIGEST:?give-it-as-build-arg,sha256:…,see-docs/releasing.md}
# ICU_PACKAGE is Debian 12's name of what sqlpackage needs beside libunwind; another base needs another, and the check below says so.
ARG ICU_PACKAGE=libicu72
RUN apt-get update && apt-get install -y --no-install-recommends ${ICU_PACKAGE} libunwind8 && rm -rf /var/lib/apt/lists/*
COPY --from=sqlpackage /opt/sqlpackage /opt/sqlpackage

# An image whose sqlpackage does not start, or is not the release that was meant, must not be born, nor one whose host would go to the
# internet for its bundle. (ICU in full is asked for only when sqlpackage connects.) It runs as root here, so with a HOME that goes again:
# what it may leave in /home would be closed to the user of the app.

# SQLPACKAGE_VERSION is what SQLPACKAGE_URL must turn out to be.
ARG SQLPACKAGE_VERSION=170.5.96
RUN v=$(HOME=/tmp/root /opt/sqlpackage/sqlpackage /Version) && rm -rf /tmp/root && { [ "${v#"${SQLPACKAGE_VERSION}"}" != "$v" ] || { echo "SQLPACKAGE_VERSION is ${SQLPACKAGE_VERSION}, sqlpackage says $v"; exit 1; }; } \
 && ls -d /FuncExtensionBundles/Microsoft.Azure.Functions.ExtensionBundle/4.*

# The host writes logs and keys below HOME and Secrets. The script root stays root's, and the sticky bit keeps the process from
# putting another in its place.
# Microsoft's image runs as root on port 80. Where a platform insists on that: --build-arg RUN_AS=0 --build-arg HTTP_PORT=80.

# RUN_AS is user and group of every process.
ARG RUN_AS=10001
# HTTP_PORT is where the host listens.
ARG HTTP_PORT=8080
RUN mkdir -p /var/lib/bacvault /azure-functions-host/Secrets /home/data /home/LogFiles /home/site/wwwroot \
 && chown ${RUN_AS}:${RUN_AS} /var/lib/bacvault /azure-functions-host/Secrets /home/data /home/LogFiles && chmod 1777 /home

COPY --from=build /out/bacvault /usr/local/bin/bacvault
WORKDIR /home/site/wwwroot
# The host looks for functions in direct children of its script root only: functions/* lies beside host.json.
# A line of its own, because with --from every path is one of that stage, from its root.
COPY --from=build /out/handler ./
COPY host.json ./
COPY functions/ ./

# The base image says another runtime. Console logging is off in a container unless it is asked for. The host leaves a timer
# out whose schedule is not set. notify needs a webhook and a subscription: whoever has them switches it on. App settings go
# before these.
ENV FUNCTIONS_WORKER_RUNTIME=custom \
    BACVAULT_DRILL_SCHEDULE="0 0 6 * * 0" \
    BACVAULT_WORK_DIR=/var/lib/bacvault \
    AzureWebJobs_notify_Disabled=true \
    AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    ASPNETCORE_URLS=http://+:${HTTP_PORT}

# A backup needs about twice the database's used size here. Mount a disk; the container's own layer is small on every platform.
VOLUME /var/lib/bacvault
# No HEALTHCHECK: the platform asks over HTTP, by its own settings; the host answers / and /admin/host/ping without a key.
EXPOSE ${HTTP_PORT}

# What the labels say is what the binary says: a release whose tag and stamp differ is not built.

# BASE_IMAGE and its digest once more, for the labels.
ARG BASE_IMAGE
ARG BASE_DIGEST
ARG VERSION
ARG REVISION
ARG CREATED
RUN v=$(bacvault --version) && { [ -z "${VERSION}" ] || [ "$v" = "${VERSION}" ] || { echo "VERSION is ${VERSION}, the binary says $v"; exit 1; }; }
LABEL org.opencontainers.image.title="bacvault" \
      org.opencontainers.image.description="Nightly, immutable, proven backups of Azure SQL databases" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"

USER ${RUN_AS}:${RUN_AS}
# The base image starts a shell script; a shell as process 1 keeps SIGTERM for itself. The host itself gets it so.
ENTRYPOINT []
CMD ["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"]
