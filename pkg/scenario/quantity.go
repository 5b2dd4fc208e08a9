package scenario

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// sensible is the form of the amounts that anybody requests. The library
// computes larger exponents digit by digit, for minutes.
var sensible = regexp.MustCompile(`^[0-9.]{1,20}([eE][+-]?[0-9]{1,2}|[a-zA-Z]{0,2})$`)

// mostUnits is an amount whose thousandths fit into 64 bits.
const mostUnits = 9e15

// quantity reads an amount of a resource, not negative, in thousandths.
func (d decoder) quantity(name string, to *place.Field[int64]) func(*yaml.Node) {
	return place.Scalar(d.Decoder, name, "an amount such as 500m", nil, to, func(text string) (int64, *place.Refusal) {
		refusal := &place.Refusal{Cause: fmt.Sprintf("%q is not an amount", text), Hint: "write it as in 500m, 2 or 256Mi"}
		if !sensible.MatchString(text) {
			return 0, refusal
		}
		v, err := resource.ParseQuantity(text)
		if err != nil || v.AsApproximateFloat64() > mostUnits {
			return 0, refusal
		}
		return v.MilliValue(), nil
	})
}

// duration is as people write one: 5m, not 5m0s.
func duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
