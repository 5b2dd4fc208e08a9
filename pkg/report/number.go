package report

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// unknown is what is written for a figure that is not known.
const unknown = "-"

// fixed writes a number with so many decimals, and its thousands apart.
func fixed(v float64, decimals int) string {
	switch {
	case math.IsNaN(v):
		return unknown
	case math.IsInf(v, 0):
		return strings.TrimPrefix(strings.Replace(strconv.FormatFloat(v, 'g', -1, 64), "Inf", "∞", 1), "+")
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if text = grouped(text); strings.Trim(text, "-0.") == "" {
		text = strings.TrimPrefix(text, "-") // nothing is not negative
	}
	return text
}

// grouped puts a comma between thousands.
func grouped(text string) string {
	digits, fraction, _ := strings.Cut(text, ".")
	sign := ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + digits + fraction
}

// significant writes a number with three digits that tell something, or all that
// stand before the point.
func significant(v float64) string {
	switch size := math.Abs(v); {
	case size >= 99.95 || v == 0:
		return fixed(v, 0)
	case size >= 9.995:
		return fixed(v, 1)
	case size >= 0.9995:
		return fixed(v, 2)
	default:
		return fixed(v, 3)
	}
}

// span writes seconds as people say them: 340 ms, 1.24 s, 5m20s.
func span(s float64) string {
	switch {
	case math.IsNaN(s), math.IsInf(s, 0):
		return fixed(s, 0)
	case math.Abs(s) < 0.9995:
		return significant(s*1000) + " ms"
	case math.Abs(s) < 60:
		return strings.TrimSuffix(strings.TrimRight(significant(s), "0"), ".") + " s"
	default:
		return clockless(time.Duration(math.Round(s)) * time.Second)
	}
}

// limit writes a threshold exactly: 500 ms, 1.5 s.
func limit(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}

// clockless is a duration without its zeros: 5m, not 5m0s.
func clockless(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// quantile names one: p95, p99.9.
func quantile(q float64) string {
	return "p" + strconv.FormatFloat(math.Round(q*1e6)/1e4, 'f', -1, 64)
}

// share writes a part of a whole in percent. It rounds down and gets finer close
// to the whole, so that only the whole is 100 %.
func share(part float64) string {
	switch {
	case part >= 1:
		return "100 %"
	case part <= 0:
		return "0 %"
	case part < 0.001:
		return "less than 0.1 %"
	case part >= 0.999999:
		return "more than 99.999 %"
	case part >= 0.999:
		return down(part, 3)
	default:
		return down(part, 1)
	}
}

// down rounds a part down to decimals of a percent. What is added are the errors
// of binary fractions, far below a decimal.
func down(part float64, decimals int) string {
	scale := math.Pow10(decimals)
	return strconv.FormatFloat(math.Floor(part*100*scale+1e-6)/scale, 'f', decimals, 64) + " %"
}

// counted is a number of things.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fixed(float64(n), 0) + " " + many
}
