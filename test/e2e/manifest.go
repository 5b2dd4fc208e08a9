package e2e

import (
	"bytes"
	"embed"
	"testing"
	"text/template"
)

//go:embed testdata
var testdata embed.FS

// render fills a template of testdata.
func render(file string, values any) (string, error) {
	text, err := template.New(file).Option("missingkey=error").ParseFS(testdata, "testdata/"+file)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = text.ExecuteTemplate(&out, file, values)
	return out.String(), err
}

// apply renders a manifest of testdata and applies it.
func (c *cluster) apply(t *testing.T, file string, values any) {
	t.Helper()
	text, err := render(file, values)
	if err == nil {
		err = c.applier.Apply(c.Ctx, text)
	}
	if err != nil {
		t.Fatalf("testdata/%s: %v", file, err)
	}
}
