package promexpr_test

import (
	"testing"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

func TestIsCondition(t *testing.T) {
	for text, want := range map[string]bool{
		`max(redis_up) == 1`:                  true,
		`(max by (namespace) (redis_up) > 0)`: true,
		`redis_up == bool 1`:                  false,
		`redis_up`:                            false,
		`vector(1)`:                           false,
		`absent(redis_down)`:                  true,
		`count(up == 1)`:                      true,
		`count(up)`:                           false,
		`up == 1 and redis_up == 1`:           true,
		`up == 1 and redis_up`:                true,
		`up and redis_up == 1`:                false,
		`up == 1 unless redis_down`:           true,
		`up == 1 or redis_up`:                 false,
		`up == 1 or redis_up == 1`:            true,
		`max(up == 1) * 2`:                    false,
	} {
		e, err := promexpr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.IsCondition(); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}
