# Pitot's image: the static binary, the certificate authorities that it trusts
# towards a Prometheus, and nothing else. There is no shell in it.
#
# Its context holds what "make image" prepared; see hack/image.sh. Nothing runs
# here, so that one machine builds it for every architecture.
FROM scratch
ARG TARGETARCH

COPY LICENSE /LICENSE
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY ${TARGETARCH}/pitot /pitot

# A number, so that Kubernetes can verify runAsNonRoot.
USER 65532:65532
ENTRYPOINT ["/pitot"]

LABEL org.opencontainers.image.title="pitot" \
      org.opencontainers.image.description="Kubernetes custom and external metrics from Prometheus, and an HPA simulator" \
      org.opencontainers.image.source="https://github.com/pitot-autoscaling/pitot" \
      org.opencontainers.image.documentation="https://github.com/pitot-autoscaling/pitot/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0"
