package trace

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The times that are read: 1970 to 2099. Within them, no sum or difference of two
// leaves an int64.
var earliest, latest = time.Unix(0, 0), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

const outOfRange = "is not between 1970 and 2099"

// nanoseconds are those since 1970, and whether an int64 holds them.
func nanoseconds(t time.Time) (int64, bool) {
	ns := t.UnixNano()
	return ns, instant(ns).Equal(t)
}

// inRange reports whether the time can be kept.
func inRange(t time.Time) bool { return !t.Before(earliest) && t.Before(latest) }

// stamps are the ways to write a date and a time. What has no zone is UTC; the
// fourth is time.Time's String, without its monotonic clock.
var stamps = [...]string{
	time.RFC3339,
	time.DateTime,
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 -0700 MST",
	"2006-01-02T15:04:05",
}

// looksLikeStamp reports whether a text begins as a date does.
func looksLikeStamp(text string) bool {
	if len(text) < len("2006-01-02 15:04:05") || text[4] != '-' || text[7] != '-' {
		return false
	}
	for _, i := range [...]int{0, 1, 2, 3, 5, 6, 8, 9} {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// parseStamp reads a date and time in nanoseconds since 1970.
func parseStamp(text string) (int64, error) {
	if at := strings.Index(text, " m="); at >= 0 {
		text = text[:at]
	}
	for _, layout := range stamps {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if !inRange(t) {
			return 0, fmt.Errorf("time %s %s", quoted(text), outOfRange)
		}
		return t.UnixNano(), nil
	}
	return 0, fmt.Errorf("%s is no time", quoted(text))
}

// parseUnix reads a number of units since 1970 in nanoseconds: exactly where it is
// written as a plain decimal, as float64s that count seconds since 1970 are coarser
// than a microsecond.
func parseUnix(text string, unit time.Duration) (int64, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	if len(whole) <= 18 && digits(whole) && (fraction == "" || digits(fraction)) {
		n, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || n > latest.UnixNano()/int64(unit) {
			return 0, fmt.Errorf("time %s %s", quoted(text), outOfRange)
		}
		ns := n * int64(unit)
		part := int64(unit)
		for i := 0; i < len(fraction) && part%10 == 0; i++ {
			part /= 10
			ns += int64(fraction[i]-'0') * part
		}
		if ns >= latest.UnixNano() {
			return 0, fmt.Errorf("time %s %s", quoted(text), outOfRange)
		}
		return ns, nil
	}
	value, ok := parseNumber(text)
	if !ok || math.IsNaN(value) {
		return 0, fmt.Errorf("%s is no time", quoted(text))
	}
	ns := math.Round(value*float64(unit)/1e3) * 1e3
	if ns < 0 || ns >= float64(latest.UnixNano()) {
		return 0, fmt.Errorf("time %s %s", quoted(text), outOfRange)
	}
	return int64(ns), nil
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// parseNumber reads a decimal number, NaN or Inf. It takes nothing that only Go
// knows for a number.
func parseNumber(text string) (float64, bool) {
	value, err := strconv.ParseFloat(text, 64)
	return value, err == nil && !hexadecimal(text)
}

// hexadecimal reports whether a number is one: 0x1p-2 is no value of a trace.
func hexadecimal(text string) bool {
	text = strings.TrimLeft(text, "+-")
	return len(text) > 1 && text[0] == '0' && text[1]|0x20 == 'x'
}

// unixText writes nanoseconds since 1970 as seconds, exactly.
func unixText(into []byte, ns int64) []byte {
	into = strconv.AppendInt(into, ns/1e9, 10)
	if part := ns % 1e9; part > 0 {
		into = append(into, strings.TrimRight(fmt.Sprintf(".%09d", part), "0")...)
	}
	return into
}
