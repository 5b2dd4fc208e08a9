package hpa

// A Decision is what a sync did.
type Decision struct {
	Outcome Outcome `json:"outcome"`

	// From is the count that the sync found, To the one it decided on. They
	// differ only where Outcome is Rescaled or NotRescaled. Without a readable
	// scale both are zero and mean nothing.
	From int32 `json:"from"`
	To   int32 `json:"to"`

	// Failed reports that the controller counts the sync as an error: nothing
	// could be decided, or it was decided without some of the metrics.
	Failed bool `json:"failed,omitempty"`

	// Reason is that of the event SuccessfulRescale, or of FailedRescale. It is
	// empty where only the past moved the count.
	Reason string `json:"reason,omitempty"`

	// Trail is nil unless Explain made the decision.
	Trail *Trail `json:"trail,omitempty"`
}

// An Outcome is how a sync ended.
type Outcome string

// The outcomes of a sync.
const (
	Held        Outcome = "Held"        // the count is as it should be
	Rescaled    Outcome = "Rescaled"    // another count was written
	Paused      Outcome = "Paused"      // no replicas: the HPA does not act
	NoScale     Outcome = "NoScale"     // the scale could not be read
	NoSelector  Outcome = "NoSelector"  // the selector is missing, invalid or another HPA's too
	NoProposal  Outcome = "NoProposal"  // the metrics gave no count that may be acted on
	NotRescaled Outcome = "NotRescaled" // another count could not be written
)
