package rule

import (
	"testing"
	"time"
)

func TestMaxSampleAgeFollowsFromTheBackend(t *testing.T) {
	for _, c := range []struct {
		name, backend, rule string
		want                time.Duration
	}{
		{"a minute at least", "", "", time.Minute},
		{"three scrapes", ", scrapeInterval: 30s", "", 90 * time.Second},
		{"and the delay", ", scrapeInterval: 30s, delay: 10s", "", 100 * time.Second},
		{"the rule's own", ", scrapeInterval: 30s", ", maxSampleAge: 10m", 10 * time.Minute},
		{"which the delay comes on top of", ", delay: 10s", ", maxSampleAge: 30s", 40 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := Load(ageFile(c.backend, c.rule))
			if err != nil {
				t.Fatal(err)
			}
			if got := set.Rules[0].MaxSampleAge; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestARuleThatIsKeptKeepsItsBound(t *testing.T) {
	set, err := Load(ageFile(", delay: 10s", ""))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		broken, _ := LoadPartial(ageFile(", delay: 10s", ", onIdle: 7"))
		set = broken.Keep(set)
		if got := set.Rules[0].MaxSampleAge; got != 70*time.Second {
			t.Fatalf("got %s, want 70s", got)
		}
	}
}

func TestTheProofIsAsYoungAsTheValues(t *testing.T) {
	set, err := Load(ageFile(", scrapeInterval: 30s", ", zeroWhen: max(redis_up) == 1"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `(max(redis_up) == 1) and on () (time() - max(timestamp(redis_up)) <= 90)`
	if got := set.Rules[0].Proof().String(); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// ageFile has a backend and a rule with more fields each.
func ageFile(backend, rule string) File {
	return File{Name: "pitot.yaml", Text: []byte(head + "backends:\n- {name: main, url: 'http://a:9090'" + backend +
		"}\nrules:\n- {metric: m, type: External, query: up" + rule + "}\n")}
}
