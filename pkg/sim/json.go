package sim

import (
	"encoding/json"
	"fmt"
	"math"
)

// A number is a float64 that JSON may have no word for: NaN is null there, and an
// infinity a string.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	v := float64(n)
	switch {
	case math.IsNaN(v):
		return []byte("null"), nil
	case math.IsInf(v, 0):
		return fmt.Appendf(nil, "%q", fmt.Sprintf("%+v", v)), nil
	default:
		return json.Marshal(v)
	}
}

func (n *number) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "null":
		*n = number(math.NaN())
	case `"+Inf"`:
		*n = number(math.Inf(1))
	case `"-Inf"`:
		*n = number(math.Inf(-1))
	default:
		return json.Unmarshal(text, (*float64)(n))
	}
	return nil
}

// The plain types have the fields of the messages without their methods; the
// fields beside them replace those of the same name.
type (
	plainTick     Tick
	plainObserved Observed
	plainSummary  Summary

	jsonTick struct {
		*plainTick
		P50       number   `json:"p50"`
		P95       number   `json:"p95"`
		P99       number   `json:"p99"`
		Objective number   `json:"objective"`
		True      []number `json:"true,omitempty"`
	}
	jsonObserved struct {
		*plainObserved
		Value number `json:"value"`
	}
	jsonSummary struct {
		*plainSummary
		P50                   number `json:"p50"`
		P95                   number `json:"p95"`
		P99                   number `json:"p99"`
		WorstLatency          number `json:"worstLatency"`
		MinutesOver           number `json:"minutesOver"`
		UnderProvisionedHours number `json:"underProvisionedHours"`
		OverProvisionedHours  number `json:"overProvisionedHours"`
		PerfectForesight      number `json:"perfectForesight"`
	}
)

// MarshalJSON writes NaN as null.
func (m *Tick) MarshalJSON() ([]byte, error) {
	truth := make([]number, len(m.True))
	for i, v := range m.True {
		truth[i] = number(v)
	}
	return json.Marshal(jsonTick{(*plainTick)(m), number(m.P50), number(m.P95), number(m.P99), number(m.Objective), truth})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Tick) UnmarshalJSON(text []byte) error {
	in := jsonTick{plainTick: (*plainTick)(m)}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	m.P50, m.P95, m.P99, m.Objective = float64(in.P50), float64(in.P95), float64(in.P99), float64(in.Objective)
	m.True = nil
	for _, v := range in.True {
		m.True = append(m.True, float64(v))
	}
	return nil
}

// MarshalJSON writes NaN as null.
func (o Observed) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonObserved{(*plainObserved)(&o), number(o.Value)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (o *Observed) UnmarshalJSON(text []byte) error {
	in := jsonObserved{plainObserved: (*plainObserved)(o)}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	o.Value = float64(in.Value)
	return nil
}

// MarshalJSON writes NaN as null.
func (s Summary) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonSummary{
		(*plainSummary)(&s), number(s.P50), number(s.P95), number(s.P99), number(s.WorstLatency), number(s.MinutesOver),
		number(s.UnderProvisionedHours), number(s.OverProvisionedHours), number(s.PerfectForesight),
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Summary) UnmarshalJSON(text []byte) error {
	in := jsonSummary{plainSummary: (*plainSummary)(s)}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	s.P50, s.P95, s.P99 = float64(in.P50), float64(in.P95), float64(in.P99)
	s.WorstLatency, s.MinutesOver = float64(in.WorstLatency), float64(in.MinutesOver)
	s.UnderProvisionedHours, s.OverProvisionedHours = float64(in.UnderProvisionedHours), float64(in.OverProvisionedHours)
	s.PerfectForesight = float64(in.PerfectForesight)
	return nil
}
