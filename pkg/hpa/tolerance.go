package hpa

// Tolerances say how far a ratio may be from 1 before the HPA acts. They are
// ratios: 0.1 is 10 %.
type Tolerances struct {
	ScaleDown float64 `json:"scaleDown"`
	ScaleUp   float64 `json:"scaleUp"`
}

// within reports whether a ratio is too close to 1 to act on. The edges belong
// to it, as they come out in floating point. A ratio that is not a number is not.
func (t Tolerances) within(ratio float64) bool {
	return 1-t.ScaleDown <= ratio && ratio <= 1+t.ScaleUp
}

// tolerances are those of the HPA where it has its own, else the controller's.
func (s *Spec) tolerances() Tolerances {
	t := Tolerances{ScaleDown: s.Controller.Tolerance, ScaleUp: s.Controller.Tolerance}
	if s.Behavior == nil || !s.Controller.Profile.Tolerances {
		return t
	}
	if own := s.Behavior.ScaleDown.Tolerance; own != nil {
		t.ScaleDown = *own
	}
	if own := s.Behavior.ScaleUp.Tolerance; own != nil {
		t.ScaleUp = *own
	}
	return t
}
