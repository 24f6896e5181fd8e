package policy

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Check returns an error if the options of a kind have a tag that cannot be decoded, that has
// no documentation, or whose name is one of the language itself. It is for tests of targets.
func (k TargetKind) Check() error {
	if k.NewOptions == nil {
		return nil
	}
	v := reflect.ValueOf(k.NewOptions())
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("options of %s are a %s, not a pointer to a struct", k.Name, v.Kind())
	}
	return checkStruct(v.Elem().Type(), k.Name, commonArguments(k.Class), nil)
}

// checkStruct checks the options in t. Those of the outermost struct share
// their names with the common arguments.
func checkStruct(t reflect.Type, path string, taken []string, outer []reflect.Type) error {
	if slices.Contains(outer, t) {
		return fmt.Errorf("%s: blocks of type %s hold themselves", path, t)
	}
	outer = append(slices.Clone(outer), t)
	taken = slices.Clone(taken)
	var errs []error
	for _, o := range optionsOf(t) {
		f := t.FieldByIndex(o.index)
		here := joinPath(path, f.Name)
		if o.label {
			if f.Type.Kind() != reflect.String {
				errs = append(errs, fmt.Errorf("%s: a label is a string, not a %s", here, f.Type))
			}
			continue
		}
		if !plainName(o.name) || slices.Contains(taken, o.name) {
			errs = append(errs, fmt.Errorf("%s: the name %q is not plain, or used twice", here, o.name))
		}
		taken = append(taken, o.name)
		if f.Tag.Get("doc") == "" {
			errs = append(errs, fmt.Errorf("%s: no doc", here))
		}
		elem := f.Type
		if o.block {
			if elem.Kind() != reflect.Struct {
				elem = elem.Elem()
			}
			errs = append(errs, checkStruct(elem, here, nil, outer))
		} else if !decodable(elem) {
			errs = append(errs, fmt.Errorf("%s: policies cannot hold a %s", here, elem))
		}
	}
	return errors.Join(errs...)
}

// decodable reports whether decoder.value can set a t.
func decodable(t reflect.Type) bool {
	switch {
	case t == addressesType || t == hostsType || storable(t):
		return true
	case t.Kind() == reflect.Slice:
		return storable(t.Elem())
	case t.Kind() == reflect.Map:
		return t.Key().Kind() == reflect.String && storable(t.Elem())
	}
	return false
}

// storable reports whether store can set a t.
func storable(t reflect.Type) bool {
	v := reflect.New(t).Elem()
	return reflect.PointerTo(t).Implements(textType) || t.Kind() == reflect.String || t.Kind() == reflect.Bool ||
		v.CanInt() || v.CanUint() || v.CanFloat()
}
