package charts

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// A valuesSchema is the part of values.schema.json that is looked at.
type valuesSchema struct {
	Ref                  string                  `json:"$ref"`
	Properties           map[string]valuesSchema `json:"properties"`
	AdditionalProperties any                     `json:"additionalProperties"`
	Items                *valuesSchema           `json:"items"`
	Definitions          map[string]valuesSchema `json:"definitions"`
}

func readSchema(t *testing.T) valuesSchema {
	t.Helper()
	var s valuesSchema
	read(t, chartPath+"/values.schema.json", func(text []byte) error { return json.Unmarshal(text, &s) })
	return s
}

func read(t *testing.T, file string, decode func([]byte) error) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = decode(text)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestSchemaKnowsTheValues goes through values.yaml and the schema together.
func TestSchemaKnowsTheValues(t *testing.T) {
	var values map[string]any
	read(t, chartPath+"/values.yaml", func(text []byte) error { return yaml.UnmarshalStrict(text, &values) })
	s := readSchema(t)
	for _, helms := range []string{"global", "enabled"} {
		delete(s.Properties, helms)
	}
	for field := range s.Properties["prometheus"].Properties {
		if field != "url" { // the other fields of a backend
			delete(s.Properties["prometheus"].Properties, field)
		}
	}
	var compare func(path string, s valuesSchema, values map[string]any)
	compare = func(path string, s valuesSchema, values map[string]any) {
		if s.AdditionalProperties != false {
			return
		}
		if len(values) > 0 {
			equal(t, "keys of values.yaml at "+path+", and those of the schema",
				slices.Sorted(maps.Keys(values)), slices.Sorted(maps.Keys(s.Properties)))
		}
		for key, value := range values {
			if below, ok := value.(map[string]any); ok {
				compare(path+"."+key, s.Properties[key], below)
			}
		}
	}
	// What values.yaml leaves open.
	delete(values, "config")
	delete(s.Properties, "config")
	values["strategy"].(map[string]any)["type"] = "RollingUpdate"
	values["resources"].(map[string]any)["claims"] = nil
	compare("", s, values)
}

// TestSchemaKnowsTheConfiguration compares the fields of backends and rules with
// those that Pitot reads.
func TestSchemaKnowsTheConfiguration(t *testing.T) {
	s := readSchema(t)
	equal(t, "fields of a rule", properties(s.Definitions["rule"]), fields(t, "ruleFields"))
	equal(t, "fields of a backend", properties(*s.Properties["config"].Properties["backends"].Items), without(fields(t, "backendFields"), nested))
	equal(t, "fields of prometheus", append(properties(s.Properties["prometheus"]), "name"), append(without(fields(t, "backendFields"), append(nested, "name")), "name"))
	equal(t, "fields of a configuration", properties(s.Properties["config"]), fields(t, "document"))
}

// nested are fields of what a backend holds.
var nested = []string{"username", "passwordFile", "caFile", "certFile", "keyFile", "serverName", "insecureSkipVerify"}

func properties(s valuesSchema) []string { return slices.Sorted(maps.Keys(s.Properties)) }

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(some, name) })
}

// fields returns the names of the fields that a method of pkg/rule's decoder
// reads, sorted: the keys of its place.Fields.
func fields(t *testing.T, method string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), repository+"/pkg/rule/schema.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Name.Name != method {
			continue
		}
		ast.Inspect(function, func(node ast.Node) bool {
			if pair, ok := node.(*ast.KeyValueExpr); ok {
				if key, ok := pair.Key.(*ast.BasicLit); ok {
					name, err := strconv.Unquote(key.Value)
					if err != nil {
						t.Fatal(err)
					}
					names = append(names, name)
				}
			}
			return true
		})
	}
	if len(names) == 0 {
		t.Fatalf("no fields in %s", method)
	}
	slices.Sort(names)
	return names
}

// TestExternalPresets keeps the list by which the chart knows that a preset is of
// type External.
func TestExternalPresets(t *testing.T) {
	var names []string
	for _, p := range preset.All() {
		if p.Rule.Type == "External" {
			names = append(names, "- "+p.Name+"\n")
		}
	}
	slices.Sort(names)
	golden(t, chartPath+"/files/external-presets.yaml", "# The presets of type External. A test keeps this list.\n"+strings.Join(names, ""))
}
