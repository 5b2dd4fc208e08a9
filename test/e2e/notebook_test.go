package e2e

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateNotebook = flag.Bool("update-notebook", false, "write what TestNotebook computes into the notebook")

// notebook is in examples/notebook.
const notebook = "../../examples/notebook/replicas.ipynb"

// execute runs a notebook's cells in a kernel of their own, as Jupyter does.
const execute = `
import sys, nbclient, nbformat
source, result, folder = sys.argv[1:]
notebook = nbformat.read(source, 4)
nbclient.NotebookClient(notebook, timeout=120, record_timing=False, resources={"metadata": {"path": folder}}).execute()
nbformat.write(notebook, result)
`

// TestNotebook executes the example notebook with this checkout's Pitot, and
// finds the tables that it shows. Of drawings it asks no more than that they are there.
func TestNotebook(t *testing.T) {
	result := filepath.Join(t.TempDir(), "result.ipynb")
	if *updateNotebook {
		result = notebook
	}
	command := exec.CommandContext(t.Context(), python, "-c", execute, notebook, result, filepath.Dir(notebook))
	command.Env = append(os.Environ(), "PITOT="+built.pitot, "PYDEVD_DISABLE_FILE_VALIDATION=1")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := cmp.Diff(shownBy(t, notebook), shownBy(t, result)); diff != "" {
		t.Errorf("go test -run TestNotebook -update-notebook writes it anew (-committed +executed)\n%s", diff)
	}
}

// An output is what a reader sees of a cell. A drawing is only its kind.
type output struct {
	Cell  int
	Kinds []string
	Text  []string
}

// shownBy are the outputs of a notebook.
func shownBy(t *testing.T, file string) (all []output) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Cells []struct {
			Outputs []struct {
				Type string                     `json:"output_type"`
				Text []string                   `json:"text"`
				Data map[string]json.RawMessage `json:"data"`
			} `json:"outputs"`
		} `json:"cells"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for i, cell := range read.Cells {
		for _, shown := range cell.Outputs {
			o := output{Cell: i, Kinds: []string{shown.Type}, Text: shown.Text}
			if _, ok := shown.Data["image/png"]; ok {
				o.Kinds = append(o.Kinds, "image/png")
			} else if plain, ok := shown.Data["text/plain"]; ok {
				_ = json.Unmarshal(plain, &o.Text)
			}
			all = append(all, o)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s shows nothing", file)
	}
	return all
}
