package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (o *object) decode(into *autoscalingv2.HorizontalPodAutoscaler) Problems {
	d := decoder{object: o}
	d.value("", o.value, reflect.ValueOf(into).Elem())
	return d.problems
}

func (o *object) decodeV1() (*autoscalingv1.HorizontalPodAutoscaler, Problems) {
	d := decoder{object: o}
	into := &autoscalingv1.HorizontalPodAutoscaler{}
	d.value("", o.value, reflect.ValueOf(into).Elem())
	return into, d.problems
}

// A decoder fills types of the Kubernetes API from JSON values. The libraries'
// decoders stop at the first value of a wrong type, and do not always say at
// which field that was. This one goes on and leaves such fields at zero.
type decoder struct {
	object   *object
	problems Problems
}

// unreadable is the problem of a value that is not of its field's type.
func (d *decoder) unreadable(path, cause, hint string) {
	d.object.unread = append(d.object.unread, path)
	d.problems = append(d.problems, d.object.problem(path, cause, hint))
}

// value fills out from in. What is null is as if it were not there.
func (d *decoder) value(path string, in any, out reflect.Value) {
	if in == nil {
		return
	}
	_, own := out.Addr().Interface().(json.Unmarshaler)
	switch {
	case own:
		d.leaf(path, in, out)
	case out.Kind() == reflect.Pointer:
		d.pointer(path, in, out)
	case out.Kind() == reflect.Struct:
		d.structure(path, in, out)
	case out.Kind() == reflect.Slice:
		d.slice(path, in, out)
	case out.Kind() == reflect.Map:
		d.mapping(path, in, out)
	default:
		d.leaf(path, in, out)
	}
}

// pointer stays nil where its value cannot be read, or else a wrong value would
// be checked as if it were zero.
func (d *decoder) pointer(path string, in any, out reflect.Value) {
	before := len(d.problems)
	value := reflect.New(out.Type().Elem())
	d.value(path, in, value.Elem())
	_, isObject := in.(map[string]any)
	if len(d.problems) == before || isObject {
		out.Set(value)
	}
}

func (d *decoder) structure(path string, in any, out reflect.Value) {
	written, ok := in.(map[string]any)
	if !ok {
		d.unreadable(path, "must be an object with fields, not "+describe(in), "")
		return
	}
	known := map[string]reflect.Value{}
	fields(out, known)
	for _, name := range slices.Sorted(maps.Keys(written)) {
		field, ok := known[name]
		if !ok {
			d.unknown(below(path, name), name, slices.Sorted(maps.Keys(known)))
			continue
		}
		d.value(below(path, name), written[name], field)
	}
}

// fields are those of a struct by their names in JSON, with those of the
// structs in it that have no name of their own.
func fields(of reflect.Value, known map[string]reflect.Value) {
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Type().Field(i).Tag.Get("json"), ",")
		if name == "" {
			fields(of.Field(i), known)
			continue
		}
		known[name] = of.Field(i)
	}
}

func (d *decoder) unknown(path, name string, known []string) {
	hint := ""
	if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
		hint = fmt.Sprintf("did you mean %q?", known[i])
	}
	key, _ := d.object.find(path)
	d.problems = append(d.problems, d.object.problemAt(key, path, "unknown field", hint))
}

func (d *decoder) slice(path string, in any, out reflect.Value) {
	elements, ok := in.([]any)
	if !ok {
		d.unreadable(path, "must be a list, not "+describe(in), "")
		return
	}
	out.Set(reflect.MakeSlice(out.Type(), len(elements), len(elements)))
	for i, element := range elements {
		d.value(fmt.Sprintf("%s[%d]", path, i), element, out.Index(i))
	}
}

func (d *decoder) mapping(path string, in any, out reflect.Value) {
	entries, ok := in.(map[string]any)
	if !ok {
		d.unreadable(path, "must be an object with fields, not "+describe(in), "")
		return
	}
	out.Set(reflect.MakeMap(out.Type()))
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		entry := reflect.New(out.Type().Elem()).Elem()
		d.value(fmt.Sprintf("%s[%s]", path, name), entries[name], entry)
		out.SetMapIndex(reflect.ValueOf(name), entry)
	}
}

func (d *decoder) leaf(path string, in any, out reflect.Value) {
	text, err := json.Marshal(in)
	if err == nil && !immense(text, out) {
		value := reflect.New(out.Type())
		if err = json.Unmarshal(text, value.Interface()); err == nil {
			out.Set(value.Elem())
			return
		}
	}
	want, hint := wanted(out, in)
	d.unreadable(path, fmt.Sprintf("must be %s, not %s", want, describe(in)), hint)
}

// exponent finds those that no amount needs: the library computes such numbers
// digit by digit, for minutes.
var exponent = regexp.MustCompile(`[eE][+-]?[0-9]{4,}\D*$`)

func immense(text []byte, out reflect.Value) bool {
	_, amount := out.Interface().(resource.Quantity)
	return amount && exponent.Match(text)
}

// wanted says what a field takes.
func wanted(field reflect.Value, in any) (what, hint string) {
	switch field.Interface().(type) {
	case resource.Quantity:
		return "a quantity such as 500m, 2 or 64Mi", ""
	case metav1.Time, metav1.MicroTime:
		return "a time such as 2026-01-31T12:00:00Z", ""
	}
	switch field.Kind() {
	case reflect.Int32, reflect.Int64:
		if quoted, ok := in.(string); ok && isWhole(quoted) {
			hint = "leave the quotes out"
		}
		return fmt.Sprintf("a whole number of %d bits", field.Type().Bits()), hint
	case reflect.Bool:
		return "true or false", ""
	case reflect.String:
		if _, tree := in.(map[string]any); !tree {
			hint = "put it in quotes"
		}
		return "text", hint
	default:
		return "a " + field.Type().Name(), ""
	}
}

func isWhole(text string) bool {
	_, err := strconv.Atoi(text)
	return err == nil
}

// describe names a value, for a message.
func describe(value any) string {
	switch v := value.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case bool:
		return fmt.Sprintf("the truth value %t", v)
	case json.Number:
		return "the number " + v.String()
	default:
		return fmt.Sprintf("the text %q", v)
	}
}
