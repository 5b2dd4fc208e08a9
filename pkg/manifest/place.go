package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// problem is one at a field of the object. Without the field it points at what
// should have it.
func (o *object) problem(field, cause, hint string) Problem {
	_, value := o.find(field)
	return o.problemAt(value, field, cause, hint)
}

// problemAt is one at a node. Its subject is the object's name, if it has one,
// and the field, if it is one.
func (o *object) problemAt(node *yamlv3.Node, field, cause, hint string) Problem {
	words := slices.DeleteFunc([]string{o.name(), field}, func(word string) bool { return word == "" })
	return Problem{
		Problem: place.Problem{Position: o.at(node), Subject: strings.Join(words, ": "), Cause: cause, Hint: hint},
		Field:   field,
	}
}

func (o *object) name() string {
	metadata, _ := o.value["metadata"].(map[string]any)
	name, _ := text(metadata["name"], "")
	return name
}

// at is the place of a node in the file.
func (o *object) at(node *yamlv3.Node) Position {
	if node == nil {
		return Position{File: o.file, Line: o.from + 1, Column: 1}
	}
	return Position{File: o.file, Line: o.from + max(1, node.Line), Column: max(1, node.Column)}
}

// step is one of a path: a field, or what stands in brackets.
var step = regexp.MustCompile(`[^.\[\]]+|\[[^\]]*\]`)

// find follows a path as far as it goes: to the name of the last field and its
// value, which for a scalar is the better place to point at.
func (o *object) find(path string) (name, value *yamlv3.Node) {
	name, value = o.node, o.node
	for _, s := range step.FindAllString(path, -1) {
		key, child := descend(value, s)
		if child == nil {
			break
		}
		name, value = key, child
	}
	return name, value
}

func descend(node *yamlv3.Node, step string) (name, value *yamlv3.Node) {
	if node == nil {
		return nil, nil
	}
	node = place.Target(node)
	if step[0] == '[' {
		step = step[1 : len(step)-1]
	}
	switch node.Kind {
	case yamlv3.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	case yamlv3.MappingNode:
		for i := len(node.Content) - 2; i >= 0; i -= 2 {
			if node.Content[i].Value == step {
				return node.Content[i], node.Content[i+1]
			}
		}
	}
	return nil, nil
}

// repeated finds fields that are given twice: YAML forbids them, and the
// libraries silently take one of the two.
func (o *object) repeated() Problems {
	var problems Problems
	var visit func(node *yamlv3.Node, path string)
	visit = func(node *yamlv3.Node, path string) {
		first := map[string]int{}
		for i, child := range node.Content {
			switch node.Kind {
			case yamlv3.SequenceNode:
				visit(child, fmt.Sprintf("%s[%d]", path, i))
			case yamlv3.MappingNode:
				if i%2 == 1 {
					visit(child, below(path, node.Content[i-1].Value))
					continue
				}
				if line, twice := first[child.Value]; twice {
					problems = append(problems, o.problemAt(child, below(path, child.Value), fmt.Sprintf("given twice, first in line %d", line), ""))
					continue
				}
				first[child.Value] = o.at(child).Line
			}
		}
	}
	if o.node != nil {
		visit(o.node, "")
	}
	return problems
}

func below(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}
