package hpa

// A load is what a number of pods use, and what they should.
type load struct {
	pods     int64 // how many samples
	usage    int64 // sum of them, milli
	listed   int64 // how many of them are of listed pods
	requests int64 // sum of what those request, milli; 0 for averages
}

func (l load) plus(more load) load {
	return load{l.pods + more.pods, l.usage + more.usage, l.listed + more.listed, l.requests + more.requests}
}

// A tally is one pass over the pods for one metric.
type tally struct {
	PodCounts
	counted load // ready pods and unlisted samples
	unready load // as if they used nothing
	missing load // as if they used nothing
	full    load // the missing pods as if they used what a scale-down grants them
}

// tally groups the pods and adds up what they use.
func (r *reconcile) tally(m *Metric, reading *Reading) (tally, error) {
	var t tally
	q := requester{resource: m.Name, container: m.Container, profile: &r.spec.Controller.Profile}
	utilization := m.Target.Type == Utilization
	cpu := m.Type != Pods && m.Name == CPU
	for i := range r.seen.Pods {
		pod, sample := &r.seen.Pods[i], &reading.Pods[i]
		one := load{pods: 1, listed: 1}
		if utilization {
			request, err := q.of(pod)
			if err != nil {
				return tally{}, err // even of a pod that is ignored
			}
			one.requests = request
		}
		switch r.spec.Controller.group(pod, sample, cpu, r.now) {
		case ignored:
			t.Ignored++
		case unready:
			t.Unready++
			t.unready = t.unready.plus(one)
		case missing:
			t.Missing++
			t.missing = t.missing.plus(one)
			one.usage = m.Target.granted(one.requests)
			t.full = t.full.plus(one)
		case ready:
			t.Ready++
			one.usage = sample.Milli
			t.counted = t.counted.plus(one)
		}
	}
	t.addUnlisted(reading.Unlisted, utilization)
	return t, nil
}

// addUnlisted counts the samples of pods that are not there. They take part in
// an average. In a utilization they only raise the number of pods, since
// nobody knows what they request.
func (t *tally) addUnlisted(samples []Sample, utilization bool) {
	t.Unlisted = len(samples)
	t.counted.pods += int64(len(samples))
	if utilization {
		return
	}
	for i := range samples {
		t.counted.usage += samples[i].Milli
	}
}

// granted is what a pod without a sample is taken to use on a scale-down: its
// target, and not less than its request.
func (t Target) granted(request int64) int64 {
	if t.Type == Utilization {
		return request * int64(max(100, t.Percent)) / 100
	}
	return t.Milli
}

// ratio is usage over target. It is false where nothing is known of what the
// pods request. Both the average and the percentage are cut to whole numbers
// before they are divided.
func (t Target) ratio(l load) (float64, bool) {
	if t.Type == AverageValue {
		return float64(l.usage/l.pods) / float64(t.Milli), true
	}
	if l.requests == 0 {
		return 0, false
	}
	return float64(percent(l)) / float64(t.Percent), true
}

// percent is what the pods use of their requests, cut to whole percents.
func percent(l load) int32 { return int32(l.usage * 100 / l.requests) }
