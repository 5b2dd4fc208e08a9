package app

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plain writes a number as people do: at most three decimals, as the HPA reads
// no finer, and never an exponent.
func plain(v float64) string {
	text := strconv.FormatFloat(v, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// shortDuration drops what is zero: 2m, not 2m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// seriesName writes the labels of a series as PromQL does, without its namespace.
func seriesName(labels map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != "namespace" {
			pairs = append(pairs, fmt.Sprintf("%s=%q", name, labels[name]))
		}
	}
	if len(pairs) == 0 {
		return "-"
	}
	return strings.Join(pairs, ",")
}
