package pac

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/need"
)

// question is what an engine is asked: what a file says of hosts, where those that are
// names resolve to what resolves says, or to null.
type question struct {
	Pac      string
	Hosts    []string
	Resolves map[string]any
}

// An engine evaluates a PAC file, and returns what its FindProxyForURL says of each host,
// and how often it resolved a name.
type engine func(t *testing.T, q question) (answers []string, asked int)

// engines are those of several generations and parsers, by name.
var engines = map[string]engine{
	"node":         inNode,
	"pac-resolver": inPacResolver,
	"Duktape":      inShell("duk"),
	"MuJS":         inShell("mujs"),
	"pacparser":    inPacparser,
}

// output runs a program with the files of a folder beside it, and reads its answer.
func output(t *testing.T, files map[string]string, program string, args ...string) ([]string, int) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", program, err, out, stderr.String())
	}
	var got struct {
		Answers []string
		Asked   int
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return got.Answers, got.Asked
}

func asJSON(t *testing.T, q question) string {
	t.Helper()
	text, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// inNode gives the file what it may call, and nothing else: no console, no process.
func inNode(t *testing.T, q question) ([]string, int) {
	return output(t, map[string]string{"in.json": asJSON(t, q), "ask.js": `
const vm = require("vm"), input = JSON.parse(require("fs").readFileSync("in.json"));
let asked = 0;
const sandbox = {dnsResolve: (host) => { asked++; return Object.hasOwn(input.Resolves, host) ? input.Resolves[host] : null; }};
vm.createContext(sandbox);
vm.runInContext(input.Pac, sandbox);
const answers = input.Hosts.map((h) => sandbox.FindProxyForURL("https://" + h + "/", h));
console.log(JSON.stringify({answers, asked}));
`}, need.Program(t, "node"), "ask.js")
}

// inPacResolver asks npm's, which rewrites the file so that dnsResolve can be awaited.
func inPacResolver(t *testing.T, q question) ([]string, int) {
	modules := need.Tool(t, "npm/node_modules")
	return output(t, map[string]string{"in.json": asJSON(t, q), "ask.mjs": `
import {readFile} from "node:fs/promises";
const modules = process.argv[2];
const {createPacResolver} = await import(modules + "/pac-resolver/dist/index.js");
const {QuickJS} = await import(modules + "/quickjs-wasi/dist/index.js");
const input = JSON.parse(await readFile("in.json"));
let asked = 0;
const dnsResolve = async (host) => { asked++; return Object.hasOwn(input.Resolves, host) ? input.Resolves[host] : null; };
const vm = await QuickJS.create({wasm: await readFile(modules + "/quickjs-wasi/quickjs.wasm")});
const find = createPacResolver(vm, input.Pac, {sandbox: {dnsResolve}});
const answers = [];
for (const h of input.Hosts) answers.push(await find("https://host.example/", h));
console.log(JSON.stringify({answers, asked}));
`}, need.Program(t, "node"), "ask.mjs", modules)
}

// inShell asks an interpreter that runs one file of the language's fifth edition.
func inShell(program string) engine {
	return func(t *testing.T, q question) ([]string, int) {
		return output(t, map[string]string{"ask.js": "function given() { return " + asJSON(t, question{Hosts: q.Hosts, Resolves: q.Resolves}) + `; }
var input = given(), asked = 0, answers = [];
function dnsResolve(host) { asked++; return Object.prototype.hasOwnProperty.call(input.Resolves, host) ? input.Resolves[host] : null; }
` + q.Pac + `
for (var n = 0; n < input.Hosts.length; n++) answers.push(FindProxyForURL("https://" + input.Hosts[n] + "/", input.Hosts[n]));
print(JSON.stringify({answers: answers, asked: asked}));
`}, need.Program(t, program), "ask.js")
	}
}

// inPacparser asks the engine of Firefox 2, which has no JSON.
func inPacparser(t *testing.T, q question) ([]string, int) {
	need.File(t, "/usr/lib/python3/dist-packages/pacparser")
	return output(t, map[string]string{"in.json": asJSON(t, q), "ask.py": `
import json, pacparser
q = json.load(open("in.json"))
pacparser.init()
pacparser.parse_pac_string("var resolves = %s, asked = 0;\n" % json.dumps(q["Resolves"])
    + "function dnsResolve(host) { asked++; return Object.prototype.hasOwnProperty.call(resolves, host) ? resolves[host] : null; }\n"
    + q["Pac"] + "\nvar ours = FindProxyForURL;\nFindProxyForURL = function (url, host) { return host == 'how-often' ? String(asked) : ours(url, host); };\n")
answers = [pacparser.find_proxy("https://host.example/", h) for h in q["Hosts"]]
print(json.dumps({"answers": answers, "asked": int(pacparser.find_proxy("https://host.example/", "how-often"))}))
`}, need.Program(t, "/usr/bin/python3"), "ask.py")
}
