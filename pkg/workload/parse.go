package workload

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// ParseShape reads a demand as people write it: pieces that follow one another,
// with commas between them.
//
//	50 for 5m, 200 for 10m
//	constant 50 for 10m
//	ramp 10 to 200 over 30m
//	sine 100 +- 60 every 1h for 24h
//	burst 50 to 400 lasting 1m every 10m for 2h
//
// Rates are requests per second. A last piece "poisson" makes random arrivals of
// the others, drawn with the seed. Errors name the column and show an example.
func ParseShape(text string, seed uint64) (Demand, error) {
	pieces, random, err := parsePieces(text)
	if err != nil {
		return Demand{}, err
	}
	all := Demand{Every: Resolution}
	for _, p := range pieces {
		all = Concat(all, p.shape.Over(p.length))
	}
	if random {
		all = all.Poisson(seed)
	}
	return all, nil
}

// A piece is a shape for a while.
type piece struct {
	shape  Shape
	length time.Duration
}

// parsePieces reads the pieces, and whether arrivals are random.
func parsePieces(text string) (all []piece, random bool, err error) {
	p := &shapeParser{words: splitShape(text), end: len(text) + 1}
	var length time.Duration
	for {
		begin := p.column()
		if len(all) > 0 && p.is("poisson") {
			return all, true, p.finish()
		}
		next, err := p.piece()
		if err != nil {
			return nil, false, err
		}
		if length += next.length; length > longestShape {
			return nil, false, fmt.Errorf("column %d: all pieces together are longer than %v: no shape is", begin, longestShape)
		}
		all = append(all, next)
		if len(p.words) == 0 {
			return all, false, nil
		}
		if !p.is(",") {
			return nil, false, p.wrong("a comma before the next piece", "50 for 5m, 200 for 10m")
		}
	}
}

const (
	longestShape = 366 * 24 * time.Hour
	highestRate  = 1e9 // requests per second
)

// A word is a part of a shape's text.
type word struct {
	text   string
	column int
}

// splitShape splits at spaces and makes commas words.
func splitShape(text string) []word {
	var words []word
	start := -1
	flush := func(end int) {
		if start >= 0 {
			words = append(words, word{text[start:end], start + 1})
		}
		start = -1
	}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case ' ', '\t', '\n', '\r':
			flush(i)
		case ',':
			flush(i)
			words = append(words, word{",", i + 1})
		default:
			if start < 0 {
				start = i
			}
		}
	}
	flush(len(text))
	return words
}

// A shapeParser reads words from the front.
type shapeParser struct {
	words []word
	end   int // the column after the text
}

func (p *shapeParser) column() int {
	if len(p.words) == 0 {
		return p.end
	}
	return p.words[0].column
}

// is takes a word if it is the next.
func (p *shapeParser) is(text string) bool {
	if len(p.words) == 0 || p.words[0].text != text {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *shapeParser) wrong(want, example string) error {
	if len(p.words) == 0 {
		return fmt.Errorf("column %d: the text ends, want %s, such as %q", p.end, want, example)
	}
	return fmt.Errorf("column %d: %q is not %s, such as %q", p.words[0].column, p.words[0].text, want, example)
}

// finish reports words that are left over.
func (p *shapeParser) finish() error {
	if len(p.words) > 0 {
		return fmt.Errorf("column %d: %q after poisson: it is the last piece, such as %q", p.words[0].column, p.words[0].text, "50 for 10m, poisson")
	}
	return nil
}

func (p *shapeParser) piece() (piece, error) {
	switch {
	case p.is("ramp"):
		return p.ramp()
	case p.is("sine"):
		return p.sine()
	case p.is("burst"):
		return p.burst()
	}
	if !p.is("constant") && len(p.words) > 0 && isLetter(p.words[0].text[0]) {
		return piece{}, p.wrong("constant, ramp, sine, burst or a rate", "50 for 10m")
	}
	return p.constant()
}

// A need is one thing that a piece is made of: the word before it, and where it
// goes. Either rate or length is set.
type need struct {
	word   string // may be empty
	rate   *float64
	length *time.Duration
}

// take reads what a piece needs, in its order.
func (p *shapeParser) take(example string, needs ...need) error {
	for _, n := range needs {
		if n.word != "" && !p.is(n.word) {
			return p.wrong(strconv.Quote(n.word), example)
		}
		var err error
		if n.rate != nil {
			*n.rate, err = p.rate(example)
		} else {
			*n.length, err = p.length(example)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *shapeParser) rate(example string) (float64, error) {
	if len(p.words) == 0 {
		return 0, p.wrong("a rate", example)
	}
	rate, err := strconv.ParseFloat(p.words[0].text, 64)
	if err != nil || !(rate >= 0 && rate <= highestRate) {
		return 0, p.wrong("a rate of requests per second from 0 to 1e9", example)
	}
	p.words = p.words[1:]
	return math.Abs(rate), nil // "-0" is 0
}

func (p *shapeParser) length(example string) (time.Duration, error) {
	if len(p.words) == 0 {
		return 0, p.wrong("a duration", example)
	}
	length, err := time.ParseDuration(p.words[0].text)
	if err != nil || length < Resolution || length > longestShape || length%Resolution != 0 {
		return 0, p.wrong("a duration of whole seconds, up to a year", example)
	}
	p.words = p.words[1:]
	return length, nil
}

func (p *shapeParser) constant() (piece, error) {
	var rate float64
	var length time.Duration
	err := p.take("constant 50 for 10m", need{rate: &rate}, need{word: "for", length: &length})
	return piece{Constant(rate), length}, err
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' }

func (p *shapeParser) ramp() (piece, error) {
	var from, to float64
	var over time.Duration
	err := p.take("ramp 10 to 200 over 30m", need{rate: &from}, need{word: "to", rate: &to}, need{word: "over", length: &over})
	return piece{Ramp(from, to, over), over}, err
}

func (p *shapeParser) sine() (piece, error) {
	var mean, amplitude float64
	var every, length time.Duration
	err := p.take("sine 100 +- 60 every 1h for 24h", need{rate: &mean}, need{word: "+-", rate: &amplitude},
		need{word: "every", length: &every}, need{word: "for", length: &length})
	return piece{Sine(mean, amplitude, every), length}, err
}

func (p *shapeParser) burst() (piece, error) {
	var base, peak float64
	var lasting, every, length time.Duration
	begin := p.column()
	err := p.take("burst 50 to 400 lasting 1m every 10m for 2h", need{rate: &base}, need{word: "to", rate: &peak},
		need{word: "lasting", length: &lasting}, need{word: "every", length: &every}, need{word: "for", length: &length})
	if err != nil {
		return piece{}, err
	}
	if lasting > every {
		return piece{}, fmt.Errorf("column %d: bursts of %v do not fit into every %v: write it like %q", begin, lasting, every, "burst 50 to 400 lasting 1m every 10m for 2h")
	}
	return piece{Burst(base, peak, lasting, every), length}, nil
}
