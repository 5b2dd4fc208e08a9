package promtest

import "time"

// A Fault is what happens to one answer. Its zero value is a healthy answer at once.
type Fault struct {
	Kind Kind
	// Delay passes before the answer begins, or while it trickles.
	Delay time.Duration
	// Skew is how far the server's clock is ahead: the answer is true, and
	// claims another time.
	Skew time.Duration
}

// A Kind is what an answer is like.
type Kind int

// The kinds. Only Healthy and Trickle are true.
const (
	// Healthy: as Prometheus answers.
	Healthy Kind = iota
	// Trickle: healthy, in pieces with pauses.
	Trickle

	// NotANumber, Infinite, Negative and Overflow: every value is of that sort.
	NotANumber
	Infinite
	Negative
	Overflow
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
	"healthy", "trickle", "not-a-number", "infinite", "negative", "overflow", "ambiguous", "drop", "reset", "hang", "cut",
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

// True reports whether the numbers of such an answer are the Truth.
func (k Kind) True() bool { return k == Healthy || k == Trickle }

// WellFormed reports whether such an answer is one by its form. What is wrong
// with it, if anything, shows only in its values and labels.
func (k Kind) WellFormed() bool { return k <= Ambiguous }
