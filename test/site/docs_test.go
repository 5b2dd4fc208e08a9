// Package site reads the documentation as a user does: every link and anchor leads
// somewhere, every YAML block can be parsed, and the site that "make site" built
// is quiet and fits the window in headless Chromium.
//
//	make site && cd test/site && go test .
//
// It needs a Chromium on the PATH (Debian: chromium) and fails without. Where
// PITOT_TEST_SCREENSHOTS names a folder, pictures of the pages are left there.
package site

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"go.yaml.in/yaml/v3"
)

const checkout = "../.."

// A document is a parsed Markdown file.
type document struct {
	name string // from the checkout
	text []byte
	root ast.Node
}

// documents are the files that users read.
func documents(t *testing.T) []document {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "charts/*/*.md", "examples/*.md", "examples/*/*.md", "test/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(checkout, pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	var all []document
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(checkout, name)
		if err != nil {
			t.Fatal(err)
		}
		root := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(content))
		all = append(all, document{name: name, text: content, root: root})
	}
	if len(all) < 10 {
		t.Fatalf("only %d documents", len(all))
	}
	return all
}

// each calls visit with the nodes of a kind.
func each[N ast.Node](d document, visit func(N)) {
	_ = ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if node, ok := n.(N); ok && entering {
			visit(node)
		}
		return ast.WalkContinue, nil
	})
}

// line is that of a node, for people.
func (d document) line(n ast.Node) int {
	for ; n != nil; n = n.Parent() {
		if n.Type() == ast.TypeBlock && n.Lines() != nil && n.Lines().Len() > 0 {
			return 1 + bytes.Count(d.text[:n.Lines().At(0).Start], []byte("\n"))
		}
	}
	return 1
}

// anchors are those that GitHub, and the site, give to the headings.
func (d document) anchors() []string {
	var all []string
	each(d, func(h *ast.Heading) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsSpace(r):
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(plain(h, d.text)))
		name := slug
		for i := 1; slices.Contains(all, name); i++ {
			name = fmt.Sprintf("%s-%d", slug, i)
		}
		all = append(all, name)
	})
	return all
}

// plain is the text of a node without its markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		if t, ok := child.(*ast.Text); ok {
			b.Write(t.Segment.Value(source))
			continue
		}
		b.WriteString(plain(child, source))
	}
	return b.String()
}

func TestEveryLinkOfTheDocumentsLeadsSomewhere(t *testing.T) {
	all := documents(t)
	anchors := map[string][]string{}
	for _, d := range all {
		anchors[d.name] = d.anchors()
	}
	count := 0
	for _, d := range all {
		each(d, func(link *ast.Link) {
			target, err := url.Parse(string(link.Destination))
			if err != nil {
				t.Errorf("%s:%d: %s", d.name, d.line(link), err)
				return
			}
			if target.Scheme != "" {
				return
			}
			count++
			name := d.name
			if target.Path != "" {
				name = path.Join(path.Dir(d.name), target.Path)
			}
			if _, err := os.Stat(filepath.Join(checkout, name)); err != nil {
				t.Errorf("%s:%d: there is no %s", d.name, d.line(link), name)
				return
			}
			if target.Fragment != "" && !slices.Contains(anchors[name], target.Fragment) {
				t.Errorf("%s:%d: %s has no heading #%s, but %q", d.name, d.line(link), name, target.Fragment, anchors[name])
			}
		})
	}
	t.Logf("%d links in %d documents", count, len(all))
}

// Blocks marked yaml that leave out something say so with … or a placeholder in
// angle brackets, which YAML takes for text.
func TestEveryYAMLBlockParses(t *testing.T) {
	count := 0
	for _, d := range documents(t) {
		each(d, func(block *ast.FencedCodeBlock) {
			if language := string(block.Language(d.text)); language != "yaml" {
				return
			}
			count++
			var content bytes.Buffer
			for i := range block.Lines().Len() {
				line := block.Lines().At(i)
				content.Write(line.Value(d.text))
			}
			decoder := yaml.NewDecoder(&content)
			for {
				var any yaml.Node
				err := decoder.Decode(&any)
				if errors.Is(err, io.EOF) {
					return
				}
				if err != nil {
					t.Errorf("%s:%d: %s", d.name, d.line(block), err)
					return
				}
			}
		})
	}
	t.Logf("%d blocks", count)
}

// A link by a bare name in backticks is none: docs that are named and not linked
// cannot be followed.
var named = regexp.MustCompile("`docs/[a-z/-]+\\.md`")

func TestDocumentsThatAreNamedExist(t *testing.T) {
	for _, d := range documents(t) {
		for _, name := range named.FindAllString(string(d.text), -1) {
			name = strings.Trim(name, "`")
			if _, err := os.Stat(filepath.Join(checkout, name)); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s names %s, which does not exist", d.name, name)
			}
		}
	}
}
