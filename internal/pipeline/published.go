package pipeline

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sallyport/internal/publish"
	"sallyport/renderers"
	"sallyport/rules"
)

// Origin is what a file was made from, in the form of the manifest of outputs.
type Origin struct {
	Version    string       `json:"version"`
	Policy     string       `json:"policy"`
	PolicyHash string       `json:"policy_sha256,omitempty"`
	Feeds      []OriginFeed `json:"feeds,omitempty"`
	Notes      []string     `json:"notes,omitempty"`
	Generated  time.Time    `json:"generated,omitzero"`
}

// OriginFeed is the version of a feed in an Origin.
type OriginFeed struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Cloud  string `json:"cloud,omitempty"`
	Change string `json:"change,omitempty"`
	SHA256 string `json:"sha256"`
}

func originOf(p rules.Provenance) Origin {
	o := Origin{Version: p.Version, Policy: p.Policy, PolicyHash: p.PolicyHash, Notes: p.Notes, Generated: p.Generated}
	for _, f := range p.Feeds {
		o.Feeds = append(o.Feeds, OriginFeed(f))
	}
	return o
}

func (o Origin) provenance() rules.Provenance {
	p := rules.Provenance{Version: o.Version, Policy: o.Policy, PolicyHash: o.PolicyHash, Notes: o.Notes, Generated: o.Generated}
	for _, f := range o.Feeds {
		p.Feeds = append(p.Feeds, rules.Feed(f))
	}
	return p
}

// published is what an output folder has from earlier runs.
type published struct {
	dir      string // empty if the request names no folder
	manifest publish.Manifest
}

// look reads the manifest of the request's output folder.
func look(req Request) (published, error) {
	if req.Out == "" {
		return published{}, nil
	}
	m, err := publish.ReadManifest(req.Out)
	return published{req.Out, m}, err
}

// warnOlder warns about feeds that are older than those of the outputs in the folder.
func (p published) warnOlder(feeds []Feed) {
	for _, e := range p.manifest {
		var o Origin
		made := e.Current // the newest origin; Made may be older
		if len(made) == 0 {
			made = e.Made
		}
		if len(made) == 0 || json.Unmarshal(made, &o) != nil {
			continue
		}
		for _, f := range feeds {
			now := f.Catalog.Info()
			for _, was := range o.Feeds {
				if was.Name == f.Name && was.Kind == now.Kind && was.Cloud == now.Cloud {
					f.Result.WarnOlder(was.Change)
				}
			}
		}
	}
}

// holds reports whether the folder has all files, with the same bytes.
func (p published) holds(files []renderers.File) bool {
	for _, f := range files {
		data, there, err := publish.Read(p.dir, f.Path)
		if err != nil || !there || !bytes.Equal(data, f.Data) {
			return false
		}
	}
	return p.dir != ""
}

// origin is what the files of a target were made from. It is not ok if they differ in it.
func (p published) origin(target string, files []renderers.File) (Origin, bool) {
	var o Origin
	var first []byte
	for _, f := range files {
		i := slices.IndexFunc(p.manifest, func(e publish.Entry) bool { return e.Path == f.Path && e.Target == target })
		if i < 0 || first != nil && !bytes.Equal(first, p.manifest[i].Made) {
			return o, false
		}
		first = p.manifest[i].Made
	}
	return o, json.Unmarshal(first, &o) == nil
}

// files returns the files that an earlier run wrote for a target. Without a record of them
// it returns the files at the paths of now.
func (p published) files(target string, now []renderers.File) (list []renderers.File) {
	paths := map[string]bool{}
	for _, e := range p.manifest {
		if e.Target == target {
			paths[e.Path] = true
		}
	}
	if len(paths) == 0 {
		for _, f := range now {
			paths[f.Path] = true
		}
	}
	for path := range paths {
		if data, there, err := publish.Read(p.dir, path); err == nil && there {
			list = append(list, renderers.File{Path: path, Data: data})
		}
	}
	return list
}

// asBefore returns files as an earlier run wrote them, if only their origin differs: the
// change number of a feed, the version of sallyport, or a comment in the policy.
func (p published) asBefore(r renderers.Renderer, plan *rules.Plan, files []renderers.File) ([]renderers.File, *Origin) {
	o, ok := p.origin(plan.Name, files)
	if !ok {
		return nil, nil
	}
	again := *plan
	again.Provenance = o.provenance()
	old, err := r.Render(&again)
	if err != nil || !p.holds(old) {
		return nil, nil
	}
	return old, &o
}

// SetOf returns the outputs of a run as a set to publish.
func SetOf(res *Result) publish.Set {
	set := publish.Set{Policy: Builtin, Inputs: res.Inputs, Complete: res.complete}
	if res.Program != nil {
		set.Policy = res.Program.Name
	}
	for _, o := range res.Outputs {
		now, _ := json.Marshal(originOf(o.Plan.Provenance))
		made := now
		if o.Made != nil {
			made, _ = json.Marshal(o.Made)
		}
		name, first := o.Target.Name, ""
		ours := func(head []byte) bool { return renderers.Marked(head, name) }
		for _, f := range o.Files {
			file := publish.File{Path: f.Path, Mode: f.Mode, Secret: f.From != "", Data: f.Data, Ours: ours, With: first,
				Record: publish.Record{Target: name, Kind: o.Kind.Name, Load: f.Use, Undo: f.Undo, Made: made, Current: now}}
			if first == "" && renderers.Marked(f.Data, name) {
				first = f.Path
			}
			set.Files = append(set.Files, file)
		}
	}
	return set
}

// reads records that the run read a file.
func (res *Result) reads(name string) {
	if abs, err := filepath.Abs(name); err == nil && !slices.Contains(res.Inputs, abs) {
		res.Inputs = append(res.Inputs, abs)
	}
}

// readFeeds records the feeds that came from files.
func (res *Result) readFeeds() {
	for _, f := range res.Feeds {
		if from := f.Result.From; !strings.Contains(from, "://") {
			res.reads(from)
		}
	}
}
