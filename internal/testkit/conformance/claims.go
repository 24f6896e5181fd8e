package conformance

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"sallyport/renderers"
)

// claims holds what a target takes for itself to its form: one thing or file, by one of the
// target's options, at a cost and with a fix. Equal options claim the same. Where the
// option of a claim is another, so are the things that are claimed by it.
func (s *suite) claims(t testing.TB) {
	list := s.build(t, "edge").Claims
	if !slices.Equal(list, s.build(t, "edge").Claims) {
		t.Errorf("the same options claim %+v once, and then %+v", list, s.build(t, "edge").Claims)
	}
	options := optionsOf(reflect.TypeOf(s.variant.Options).Elem(), "")
	for _, c := range list {
		if (c.Thing == "") == (c.File == "") || c.Cost == "" || c.Fix == "" || strings.ContainsAny(c.Thing+c.Cost+c.Fix, "\n") {
			t.Errorf("a claim is of a thing or of a file, at a cost and with a fix: %+v", c)
		}
		index, known := options[c.Option]
		if !known {
			t.Errorf("the claim of %q is by the option %q, which the target does not have", c.Thing, c.Option)
			continue
		}
		s.claimsOtherwise(t, list, c.Option, index)
	}
}

// claimsOtherwise changes the option, where it can be changed by itself.
func (s *suite) claimsOtherwise(t testing.TB, list []renderers.Claim, option string, index []int) {
	other := reflect.New(reflect.TypeOf(s.variant.Options).Elem())
	other.Elem().Set(reflect.ValueOf(s.variant.Options).Elem())
	switch field := other.Elem().FieldByIndex(index); field.Kind() {
	case reflect.String:
		field.SetString(field.String() + "x")
	case reflect.Int:
		field.SetInt(field.Int() + 1)
	default:
		return
	}
	r, err := s.Kind.Build(other.Interface(), renderers.Env{Name: "edge", Path: "edge" + s.Kind.Extension, Read: s.readFile})
	if err != nil {
		return // such as the path of a file that is not there
	}
	if slices.Equal(claimed(list, option), claimed(r.Claims, option)) {
		t.Errorf("another %s claims the same: %q", option, claimed(list, option))
	}
}

func claimed(list []renderers.Claim, option string) (things []string) {
	for _, c := range list {
		if c.Option == option {
			things = append(things, c.Thing+c.File)
		}
	}
	return things
}

// optionsOf finds the options of a struct, by their names in policies.
func optionsOf(t reflect.Type, prefix string) map[string][]int {
	all := map[string][]int{}
	for i := range t.NumField() {
		within := prefix
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("policy"), ","); name != "" {
			all[prefix+name] = []int{i}
			within += name + "."
		} else if !t.Field(i).Anonymous {
			continue
		}
		if t.Field(i).Type.Kind() == reflect.Struct {
			for inner, index := range optionsOf(t.Field(i).Type, within) {
				all[inner] = append([]int{i}, index...)
			}
		}
	}
	return all
}
