package exact

import "cmp"

// A tournament knows the least of a fixed number of values and where it is. A
// change costs O(log n), and less where it does not concern the winner.
type tournament[T cmp.Ordered] struct {
	size int // of the leaves, a power of two
	best []T // best[1] is the least of all; of i, below are 2i and 2i+1; leaf i is at size+i
}

// newTournament has room for n values, which are worst until they are set.
func newTournament[T cmp.Ordered](n int, worst T) tournament[T] {
	size := 1
	for size < n {
		size *= 2
	}
	t := tournament[T]{size: size, best: make([]T, 2*size)}
	for i := range t.best {
		t.best[i] = worst
	}
	return t
}

func (t *tournament[T]) at(i int) T { return t.best[t.size+i] }

func (t *tournament[T]) least() T { return t.best[1] }

func (t *tournament[T]) set(i int, v T) {
	i += t.size
	t.best[i] = v
	for i > 1 {
		if other := t.best[i^1]; other < v {
			v = other
		}
		i /= 2
		if t.best[i] == v {
			return
		}
		t.best[i] = v
	}
}

// where is the first index that has the least value.
func (t *tournament[T]) where() int { return t.below(1) }

// below is the first index below a node that has the least value, which is there.
func (t *tournament[T]) below(node int) int {
	for node < t.size {
		node *= 2
		if t.best[node] != t.best[1] {
			node++
		}
	}
	return node - t.size
}

// from is the first index with the least value at or after start, or else the
// first of all.
func (t *tournament[T]) from(start int) int {
	if start >= t.size {
		return t.where()
	}
	node := t.size + start
	if t.best[node] == t.best[1] {
		return start
	}
	for ; node > 1; node /= 2 {
		if right := node | 1; right != node && t.best[right] == t.best[1] {
			return t.below(right)
		}
	}
	return t.where()
}

// A fifo is a queue.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

// first is the oldest; there is one.
func (q *fifo[T]) first() *T { return &q.items[q.head] }

// at is the one after the i oldest.
func (q *fifo[T]) at(i int) *T { return &q.items[q.head+i] }

func (q *fifo[T]) push(v T) {
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 {
		q.items = q.items[:copy(q.items, q.items[q.head:])]
		q.head = 0
	}
	q.items = append(q.items, v)
}

func (q *fifo[T]) pop() T {
	v := q.items[q.head]
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return v
}

// A heap is requests by a key, the least first. It is not container/heap, which
// would call through an interface for each comparison.
type heap []item

type item struct {
	key float64
	id  uint64
	request
}

func (h *heap) push(v item) {
	*h = append(*h, v)
	s := *h
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s[parent].key <= v.key {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = v
}

func (h *heap) pop() item {
	s := *h
	least := s[0]
	v := s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return least
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if child+1 < len(s) && s[child+1].key < s[child].key {
			child++
		}
		if v.key <= s[child].key {
			break
		}
		s[i] = s[child]
		i = child
	}
	s[i] = v
	return least
}
