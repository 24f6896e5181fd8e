package policy

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// fixQuotes is a placeholder for a fix that needs the source, see quoteFix.
const fixQuotes = "put it in quotes"

// store puts v into a field of a target's options. If v does not fit, it returns why and what
// to write instead. Types are strict, so that a policy is unambiguous: "100" is not 100.
func store(field reflect.Value, v cty.Value) (problem, fix string) {
	if !field.CanAddr() {
		return "the program cannot set it", "report it"
	}
	if u, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return storeText(u, v)
	}
	switch {
	case field.Type() == durationType:
		return storeDuration(field, v)
	case field.Kind() == reflect.String:
		if v.Type() != cty.String {
			return "a string belongs here, and this is " + describe(v), fixQuotes
		}
		field.SetString(v.AsString())
	case field.Kind() == reflect.Bool:
		if v.Type() != cty.Bool {
			return "true or false belongs here, and this is " + describe(v), truthFix(v)
		}
		field.SetBool(v.True())
	case field.CanInt(), field.CanUint(), field.CanFloat():
		return storeNumber(field, v)
	default:
		return fmt.Sprintf("the program cannot set a %s", field.Type()), "report it"
	}
	return "", ""
}

func storeText(u encoding.TextUnmarshaler, v cty.Value) (problem, fix string) {
	if v.Type() != cty.String && v.Type() != cty.Number {
		return "a string belongs here, and this is " + describe(v), fixQuotes
	}
	if err := u.UnmarshalText([]byte(showValue(v))); err != nil {
		return strings.TrimSuffix(err.Error(), "."), ""
	}
	return "", ""
}

func storeDuration(field reflect.Value, v cty.Value) (problem, fix string) {
	const form = `write a number with its unit: "30s", "5m", "24h"`
	if v.Type() != cty.String {
		return "a time belongs here, and this is " + describe(v), form
	}
	d, err := parseDuration(v.AsString())
	if err != nil {
		return fmt.Sprintf("%.60q is not a time", v.AsString()), form
	}
	if d < 0 {
		return "a time cannot be negative", form
	}
	field.Set(reflect.ValueOf(time.Duration(d)))
	return "", ""
}

func storeNumber(field reflect.Value, v cty.Value) (problem, fix string) {
	if v.Type() != cty.Number {
		fix := "write a number"
		if v.Type() == cty.String {
			fix = "write the number without quotes"
		}
		return "a number belongs here, and this is " + describe(v), fix
	}
	if field.CanFloat() {
		f, _ := v.AsBigFloat().Float64()
		field.SetFloat(f)
		return "", ""
	}
	n, ok := integer(v)
	switch {
	case !ok:
		return "a whole number belongs here, and this is " + showValue(v), "write a whole number"
	case field.CanInt() && field.OverflowInt(n), field.CanUint() && n >= 0 && field.OverflowUint(uint64(n)):
		return fmt.Sprintf("%d is too large", n), "write a smaller number"
	case field.CanUint() && n < 0:
		return fmt.Sprintf("%d is negative", n), "write a number from 0"
	case field.CanInt():
		field.SetInt(n)
	default:
		field.SetUint(uint64(n))
	}
	return "", ""
}
