// The test of the image: own module, so that the unit tests do not build images.
module github.com/pitot-autoscaling/pitot/test/image

go 1.26.0

require github.com/google/go-cmp v0.7.0
