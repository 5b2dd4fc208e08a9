package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// An audit is kube-apiserver's own record of the reads of metrics, exact to the
// microsecond: who asked for what, when, and with what status it was answered.
type audit struct {
	file string

	mu     sync.Mutex
	offset int64 // of what has been read
	events []event
}

// An event is one request.
type event struct {
	at    time.Time // when it arrived
	took  time.Duration
	user  string
	path  string // with its query, unescaped
	verb  string
	group string
	// resource is with its subresource, such as deployments/scale.
	resource string
	code     int
	// What was sent and answered, where testdata/audit.yaml asks for it.
	request, response json.RawMessage
}

// hpaController is whom the controller manager reads metrics as.
const hpaController = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"

func newAudit(c *cluster) *audit { return &audit{file: filepath.Join(c.Logs, "audit.log")} }

// flags are those of kube-apiserver.
func (a *audit) flags(c *cluster) []string {
	policy := filepath.Join(c.Folder, "audit.yaml")
	c.Check(os.WriteFile(policy, trial.Must(testdata.ReadFile("testdata/audit.yaml"))(c), 0o644))
	return []string{"--audit-policy-file=" + policy, "--audit-log-path=" + a.file}
}

// polls returns the reads by the HPA controller that arrived at or after a time,
// in the order in which they were answered.
func (a *audit) polls(t *testing.T, since time.Time) []event {
	return a.since(t, since, func(e event) bool {
		return e.user == hpaController && (e.group == "custom.metrics.k8s.io" || e.group == "external.metrics.k8s.io")
	})
}

// steps returns what the HPA controller did to the scale of a Deployment and to
// the status of an HPA, where testdata/audit.yaml asks for it.
func (a *audit) steps(t *testing.T, since time.Time) []event {
	return a.since(t, since, func(e event) bool {
		return e.user == hpaController && (e.resource == "deployments/scale" || e.resource == "horizontalpodautoscalers/status")
	})
}

// deeds returns what Pitot's service account did, or tried.
func (a *audit) deeds(t *testing.T) []event {
	return a.since(t, time.Time{}, func(e event) bool { return e.user == "system:serviceaccount:pitot:pitot" })
}

// reviews returns the questions for permissions that arrived at or after a time.
func (a *audit) reviews(t *testing.T, since time.Time) []event {
	return a.since(t, since, func(e event) bool { return e.group == "authorization.k8s.io" })
}

func (a *audit) since(t *testing.T, since time.Time, is func(event) bool) (found []event) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.readOn(); err != nil {
		t.Fatal(err)
	}
	for _, e := range a.events {
		if is(e) && !e.at.Before(since) {
			found = append(found, e)
		}
	}
	return found
}

// readOn reads the whole lines that have been written since the last time.
func (a *audit) readOn() error {
	file, err := os.Open(a.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil // nothing has been asked yet
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(a.offset, io.SeekStart); err != nil {
		return err
	}
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // what is left is half a line
		}
		if err != nil {
			return err
		}
		a.offset += int64(len(line))
		e, err := parseEvent(line)
		if err != nil {
			return err
		}
		a.events = append(a.events, e)
	}
}

func parseEvent(line []byte) (event, error) {
	var text struct {
		RequestURI               string
		RequestReceivedTimestamp time.Time
		StageTimestamp           time.Time
		User                     struct{ Username string }
		Verb                     string
		ObjectRef                struct{ APIGroup, Resource, Subresource string }
		ResponseStatus           struct{ Code int }

		RequestObject, ResponseObject json.RawMessage
	}
	if err := json.Unmarshal(line, &text); err != nil {
		return event{}, err
	}
	path, err := url.QueryUnescape(text.RequestURI)
	return event{
		at:       text.RequestReceivedTimestamp,
		took:     text.StageTimestamp.Sub(text.RequestReceivedTimestamp),
		user:     text.User.Username,
		path:     path,
		verb:     text.Verb,
		group:    text.ObjectRef.APIGroup,
		resource: strings.TrimSuffix(text.ObjectRef.Resource+"/"+text.ObjectRef.Subresource, "/"),
		code:     text.ResponseStatus.Code,
		request:  text.RequestObject,
		response: text.ResponseObject,
	}, err
}
