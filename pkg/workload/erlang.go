package workload

// erlangC is the probability that a request finds all servers busy in an M/M/c
// queue, at a utilization below 1. It inverts Erlang's recursion, which neither
// overflows nor loses digits: where the inverse is +Inf nobody waits.
func erlangC(servers int, utilization float64) float64 {
	if utilization <= 0 {
		return 0
	}
	load := utilization * float64(servers)
	inverse := 1.0
	for k := 1; k <= servers; k++ {
		inverse = 1 + inverse*float64(k)/load
	}
	blocked := 1 / inverse
	return blocked / (1 - utilization*(1-blocked))
}
