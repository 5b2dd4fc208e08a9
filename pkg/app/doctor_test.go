package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/internal/doctor"
)

// TestDoctorScripts runs the transcripts of testdata/doctor. The cluster of each
// is what the script puts into the folder "cluster".
func TestDoctorScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/doctor",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			// What the cluster has, unless the script says otherwise.
			for name, file := range map[string]string{"0-healthy.yaml": "../internal/doctor/testdata/healthy.yaml", "1-answers.yaml": "testdata/doctor/answers.yaml"} {
				if err := copyFile(file, filepath.Join(env.WorkDir, "cluster", name)); err != nil {
					return err
				}
			}
			server := httptest.NewServer(fakeCluster{t: t, folder: filepath.Join(env.WorkDir, "cluster")})
			env.Defer(server.Close)
			file := filepath.Join(env.WorkDir, "kubeconfig")
			env.Setenv("KUBECONFIG", file)
			return os.WriteFile(file, []byte(`{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: "`+server.URL+`"}}], contexts: [{name: c, context: {cluster: c, namespace: shop}}]}`), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// docs/doctor.md shows the output of the transcript.
func TestDoctorPageShowsTheTranscript(t *testing.T) {
	script := readText(t, "testdata/doctor/faults.txtar")
	_, golden, ok := strings.Cut(script, "-- faults.txt --\n")
	golden, _, _ = strings.Cut(golden, "\n-- ")
	if page := readText(t, repository+"/docs/doctor.md"); !ok || !strings.Contains(page, strings.TrimSpace(golden)) {
		t.Errorf("docs/doctor.md does not show\n%s", golden)
	}
}

// A fakeCluster answers as a kube-apiserver from the objects in the YAML files of
// a folder; of two with one name the one of the later file counts. Three kinds
// are its own:
//
//	kind: Answer   # of a metrics API, for a path
//	kind: Refused  # a right that nobody has: group and resource
//	kind: Denied   # a path that the client may not read, with all below
type fakeCluster struct {
	t      *testing.T
	folder string
}

func (c fakeCluster) objects() (objects []*unstructured.Unstructured) {
	files, _ := filepath.Glob(c.folder + "/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			c.t.Error(err)
			return nil
		}
		for documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
			o := &unstructured.Unstructured{}
			if err := documents.Decode(&o.Object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				c.t.Errorf("%s: %v", file, err)
				return nil
			}
			objects = slices.DeleteFunc(objects, func(other *unstructured.Unstructured) bool { return pathOf(other) == pathOf(o) })
			objects = append(objects, o)
		}
	}
	return objects
}

// pathOf is where an object is served, or the path that an Answer is for.
func pathOf(o *unstructured.Unstructured) string {
	if path, ok := o.Object["path"].(string); ok {
		return o.GetKind() + path
	}
	path := collectionOf(o)
	if o.GetNamespace() != "" {
		path = strings.Replace(path, "/"+resourceOf(o), "/namespaces/"+o.GetNamespace()+"/"+resourceOf(o), 1)
	}
	return path + "/" + o.GetName()
}

func resourceOf(o *unstructured.Unstructured) string {
	plural, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
	return plural.Resource
}

func collectionOf(o *unstructured.Unstructured) string {
	prefix := "/apis/"
	if !strings.Contains(o.GetAPIVersion(), "/") {
		prefix = "/api/"
	}
	return prefix + o.GetAPIVersion() + "/" + resourceOf(o)
}

// ServeHTTP implements http.Handler.
func (c fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	objects := c.objects()
	path := r.URL.Path
	for _, o := range objects {
		if o.GetKind() == "Denied" && strings.HasPrefix(path, o.Object["path"].(string)) {
			answerJSON(w, http.StatusForbidden, metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden, Message: path + " is forbidden"})
			return
		}
	}
	switch {
	case strings.HasSuffix(path, "/subjectaccessreviews"):
		c.review(w, r, objects)
	case path == "/api":
		answerJSON(w, http.StatusOK, metav1.APIVersions{Versions: []string{"v1"}})
	case path == "/apis":
		answerJSON(w, http.StatusOK, groupsOf(objects))
	case strings.Count(path, "/") == 2 && strings.HasPrefix(path, "/api/") || strings.Count(path, "/") == 3 && strings.HasPrefix(path, "/apis/"):
		answerJSON(w, http.StatusOK, resourcesOf(objects, strings.TrimPrefix(strings.TrimPrefix(path, "/apis/"), "/api/")))
	default:
		c.object(w, r, objects)
	}
}

// object answers with one object, with those below a path, or with an Answer.
func (c fakeCluster) object(w http.ResponseWriter, r *http.Request, objects []*unstructured.Unstructured) {
	path := r.URL.Path
	asked, query := path, r.URL.Query()
	query.Del("timeout") // which clients add
	if len(query) > 0 {
		asked += "?" + query.Encode()
	}
	items := []any{}
	namespace := regexp.MustCompile(`/namespaces/([^/]+)/`).FindStringSubmatch(path)
	all := regexp.MustCompile(`/namespaces/[^/]+/`).ReplaceAllString(path, "/")
	version, listKind := "", "" // of the list
	for _, o := range objects {
		switch {
		case o.GetKind() == "Answer" && o.Object["path"] == asked:
			text := strings.ReplaceAll(o.Object["body"].(string), "NOW", time.Now().UTC().Format(time.RFC3339))
			answerJSON(w, int(o.Object["status"].(float64)), json.RawMessage(text))
			return
		case o.Object["path"] != nil:
		case pathOf(o) == path:
			answerJSON(w, http.StatusOK, o.Object)
			return
		case collectionOf(o) == all:
			version, listKind = o.GetAPIVersion(), o.GetKind()+"List"
			selector, err := labels.Parse(query.Get("labelSelector"))
			if err != nil {
				c.t.Error(err)
				return
			}
			if (namespace == nil || namespace[1] == o.GetNamespace()) && selector.Matches(labels.Set(o.GetLabels())) {
				items = append(items, o.Object)
			}
		}
	}
	if listKind == "" {
		answerJSON(w, http.StatusNotFound, metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: path + " not found"})
		return
	}
	list := map[string]any{"apiVersion": version, "kind": listKind, "metadata": map[string]any{}, "items": items}
	if strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadataList") {
		list["apiVersion"], list["kind"] = "meta.k8s.io/v1", "PartialObjectMetadataList"
	}
	answerJSON(w, http.StatusOK, list)
}

func (c fakeCluster) review(w http.ResponseWriter, r *http.Request, objects []*unstructured.Unstructured) {
	var review map[string]any
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		c.t.Error(err)
	}
	attributes, _, _ := unstructured.NestedStringMap(review, "spec", "resourceAttributes")
	refused := slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GetKind() == "Refused" && o.Object["group"] == attributes["group"] && o.Object["resource"] == attributes["resource"]
	})
	review["status"] = map[string]any{"allowed": !refused}
	answerJSON(w, http.StatusCreated, review)
}

func groupsOf(objects []*unstructured.Unstructured) metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, o := range objects {
		gv := o.GroupVersionKind().GroupVersion()
		if gv.Group == "" || slices.ContainsFunc(list.Groups, func(g metav1.APIGroup) bool { return g.Name == gv.Group }) {
			continue
		}
		version := metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: gv.Version}
		list.Groups = append(list.Groups, metav1.APIGroup{Name: gv.Group, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version})
	}
	return list
}

func resourcesOf(objects []*unstructured.Unstructured, version string) metav1.APIResourceList {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: version}
	for _, o := range objects {
		name := resourceOf(o)
		if o.GetAPIVersion() == version && !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == name }) {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: name, Kind: o.GetKind(), Namespaced: o.GetNamespace() != "", Verbs: metav1.Verbs{"get", "list"}})
		}
	}
	return list
}

func answerJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = writeJSON(w, body) // fails only if the client has gone
}

// Colours are for terminals of people who want them.
func TestDoctorColours(t *testing.T) {
	report := doctorReport{Errors: 1, Findings: []doctor.Finding{{Code: doctor.NoTarget, Severity: doctor.Error, Objects: []string{"hpa shop/web"}, What: "what", Cure: "cure"}}}
	for _, color := range []bool{true, false} {
		var out bytes.Buffer
		if err := report.write(&out, color); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "\x1b[31mD401 error\x1b[0m"); got != color {
			t.Errorf("colour %t:\n%s", color, out.String())
		}
	}
}

// A person who waits is told how far it is, and nothing is left of it.
func TestCountLine(t *testing.T) {
	var out bytes.Buffer
	line := &countLine{env: Env{Stderr: &out, ErrTerminal: true}, begun: time.Now()}
	line.show("metrics", 1, 3) // too early to say a word
	line.begun = time.Now().Add(-time.Minute)
	line.show("metrics", 2, 3)
	line.show("metrics", 3, 3) // too soon after
	line.clear()
	if got, want := out.String(), "\r\x1b[Kmetrics: 2 of 3\r\x1b[K"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
