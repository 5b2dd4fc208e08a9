// The writer of software bills of materials. A module of its own, so that its
// library does not become a dependency of Pitot.
module github.com/pitot-autoscaling/pitot/hack/sbom

go 1.26.0

require github.com/CycloneDX/cyclonedx-go v0.12.0
