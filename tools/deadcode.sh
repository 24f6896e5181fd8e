#!/bin/sh
# Fails on code that nothing reaches, on any system: what the program has that its main
# never calls, be it tested or not, and what the tests have that no test calls. Packages
# that the program does not import are the tests', and have to be imported by some.
set -eu
cd "$(dirname "$0")/.."

# reason says why a function is there that nobody calls, and fails where there is none.
reason() {
	case $1 in
	"verifier/reflector/key.go Key.String" | "verifier/reflector/key.go Key.GoString")
		echo "a key that is printed by mistake is not told" ;;
	"sallyport.go "*)
		echo "programs of others call it" ;;
	"internal/testkit/lab/other.go "*)
		echo "helpers of tests compile on systems that have no lab" ;;
	*) return 1 ;;
	esac
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go build -modfile=tools/go.mod -o "$tmp/deadcode" golang.org/x/tools/cmd/deadcode
export CGO_ENABLED=0
# shellcheck disable=SC2016 # templates of Go
lines='{{range .Funcs}}{{.Position.File}} {{.Name}}{{"\n"}}{{end}}'
# shellcheck disable=SC2016
files='{{$p := .}}{{range .GoFiles}}{{$p.Dir}}/{{.}}{{"\n"}}{{end}}{{range .TestGoFiles}}{{$p.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$p.Dir}}/{{.}}{{"\n"}}{{end}}'
for os in linux darwin windows; do
	export GOOS=$os
	"$tmp/deadcode" -f "$lines" ./cmd/sallyport >"$tmp/program.$os"
	"$tmp/deadcode" -test -f "$lines" ./... >"$tmp/tests.$os"
	go list -f "$files" ./... >"$tmp/files.$os"
	go list -deps ./cmd/sallyport >>"$tmp/imported"
	go list -f '{{join .TestImports "\n"}}
{{join .XTestImports "\n"}}' ./... >>"$tmp/imported"
done
unset GOOS

# A function of a file that a system has no use for is dead where it is dead on every
# system that compiles the file.
dead=$(
	for what in program tests; do
		cat "$tmp/$what.linux" "$tmp/$what.darwin" "$tmp/$what.windows" | sort -u | while read -r file name; do
			[ -n "$name" ] || continue
			for os in linux darwin windows; do
				if grep -q "/$file\$" "$tmp/files.$os" && ! grep -qxF "$file $name" "$tmp/$what.$os"; then
					continue 2 # alive there
				fi
			done
			reason "$file $name" >/dev/null || echo "$file $name"
		done
	done | sort -u
	# shellcheck disable=SC2016
	go list -f '{{$files := join .GoFiles ""}}{{if and $files (ne $files "doc.go")}}{{.ImportPath}}{{end}}' ./... | grep -vxF -f "$tmp/imported" | sed 's/$/ which no program and no test imports/'
)
[ -z "$dead" ] || { printf 'dead code:\n%s\n' "$dead"; exit 1; }
