package promtest

import "time"

// A Fault is what happens to one answer. Its zero value is a healthy answer at once.
type Fault struct {
	Kind Kind
	// Value is what NotANumber, Infinite, Negative and Overflow make of every
	// value. 0: one of chance.
	Value float64
	// Code is the status of Status and Redirect. 0: one of chance.
	Code int
	// Delay passes before the answer begins, or while it trickles.
	Delay time.Duration
	// Skew is how far the server's clock is ahead: the answer is true, and
	// claims another time.
	Skew time.Duration
}

// A Kind is what an answer is like.
type Kind int

// The kinds. The numbers of the first four are true, those of Repeated and
// Outdated as of a time that is over.
const (
	// Healthy: as Prometheus answers.
	Healthy Kind = iota
	// Trickle: healthy, in pieces with pauses.
	Trickle
	// Repeated: the last healthy answer once more, evaluated when it was.
	Repeated
	// Outdated: healthy, but the samples behind it are ten minutes old. Only a
	// query for the times of samples shows it.
	Outdated

	// NotANumber, Infinite, Negative and Overflow: every value is of that sort.
	// The times of samples, where a query asks for these, are true.
	NotANumber
	Infinite
	Negative
	Overflow
	// Empty: no series.
	Empty
	// Absent: no series but those of other namespaces.
	Absent
	// Ambiguous: every series comes twice, told apart by a label.
	Ambiguous

	// Drop: the connection ends without an answer.
	Drop
	// Reset: the connection is reset amid the answer.
	Reset
	// Hang: no answer, and the connection stays open.
	Hang
	// Cut: the body ends early.
	Cut
	// Status: a status that is no success, some with a body that looks like one.
	Status
	// Redirect: to another host, which answers.
	Redirect
	// Garbage: not JSON.
	Garbage
	// Mistyped: JSON, but not what the API defines.
	Mistyped
	// Duplicate: a series comes twice.
	Duplicate
	// Warned: the server doubts the answer.
	Warned
	// Huge: a body without an end.
	Huge
	// Bomb: a small body that decompresses without an end.
	Bomb

	stray // what the other host of a Redirect answers
)

var kindNames = [...]string{
	"healthy", "trickle", "repeated", "outdated", "not-a-number", "infinite", "negative", "overflow", "empty", "absent", "ambiguous", "drop", "reset", "hang", "cut",
	"status", "redirect", "garbage", "mistyped", "duplicate", "warned", "huge", "bomb", "stray",
}

func (k Kind) String() string { return kindNames[k] }

// Kinds returns all of them.
func Kinds() []Kind {
	var kinds []Kind
	for k := Healthy; k < stray; k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// True reports whether such an answer is the Truth.
func (k Kind) True() bool { return k == Healthy || k == Trickle }

// Blank reports whether such an answer has no series of those that were asked for.
func (k Kind) Blank() bool { return k == Empty || k == Absent }

// WellFormed reports whether such an answer is one by its form. What is wrong
// with it, if anything, shows only in its values and labels.
func (k Kind) WellFormed() bool { return k <= Ambiguous }
