package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"sallyport"

	"github.com/spf13/cobra"

	"sallyport/internal/feeds"
	"sallyport/internal/fetch"
	"sallyport/internal/fetch/progress"
	"sallyport/internal/pipeline"
)

// feedFlags are the flags of every command that opens feeds.
type feedFlags struct {
	feeds    []string
	offline  bool
	refresh  bool
	insecure bool
	accept   acceptFlag
	cache    string
}

func (f *feedFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVar(&f.feeds, "feed", nil, "use `NAME=FILE` for a feed; - is standard input, an https address works too")
	fl.BoolVar(&f.offline, "offline", false, "use the cached copy of feeds, however old, and send nothing")
	fl.BoolVar(&f.refresh, "refresh", false, "ask for a newer feed even if the cached copy is of today")
	fl.BoolVar(&f.insecure, "insecure", false, "allow feeds over http")
	fl.Var(&f.accept, "accept-feed-change", "accept a feed that changed suddenly or opens very much: any, or with =`SHA256` only the file of that checksum; may be repeated")
	fl.Lookup("accept-feed-change").NoOptDefVal = acceptAny
	fl.StringVar(&f.cache, "cache", "", "keep feeds in `DIR` instead of the user's cache folder")
	exclusive(cmd, "offline", "refresh")
}

// opener returns the opener that the flags describe.
func (f *feedFlags) opener(a *app) (*feeds.Opener, error) {
	cache, err := fetch.OpenCache(f.cache)
	if err != nil && f.offline {
		return nil, err
	}
	a.noCache = err // noteFeeds reports it if a feed is downloaded
	return &feeds.Opener{
		AcceptChange: f.accept.any, Accept: f.accept.sums,
		Fetcher: &fetch.Fetcher{
			Cache: cache, Offline: f.offline, Refresh: f.refresh, Insecure: f.insecure,
			Stdin: a.in, Now: a.now, UserAgent: "sallyport/" + a.version,
			Progress: progress.New(a.progressTo(), a.progress).Feed,
		},
	}, nil
}

// overrides returns the NAME=FILE pairs by name.
func (f *feedFlags) overrides() (map[string]string, error) {
	pairs := map[string]string{}
	for _, s := range f.feeds {
		name, file, ok := strings.Cut(s, "=")
		if !ok || name == "" || file == "" {
			return nil, usage("--feed %s: write it as NAME=FILE, such as azure=ServiceTags_Public.json", s)
		}
		if _, twice := pairs[name]; twice {
			return nil, usage("--feed %s is given twice", name)
		}
		pairs[name] = file
	}
	return pairs, nil
}

// policyFlags are the flags of every command that reads a policy.
type policyFlags struct {
	feedFlags
	policy string
	how    string // how the policy was chosen, if the command line names none
	vars   []string
	// allowRead are folders, besides the policy's own, with files that the policy may name.
	allowRead []string
	today     string
	quiet     bool
	strict    bool
}

// usualPolicy is the policy that is used if none is named and the folder has it.
const usualPolicy = "policy.hcl"

// chosen returns the file of the policy: the named one, or that of this folder, or else an
// empty name for the built-in policy.
func (f *policyFlags) chosen() (name, how string) {
	switch f.policy {
	case pipeline.Builtin:
		return "", ""
	case "":
		// If the file exists and cannot be read, the command fails: it does not use another
		// policy.
		if _, err := os.Lstat(usualPolicy); !errors.Is(err, fs.ErrNotExist) {
			return usualPolicy, ", found in this folder"
		}
		return "", ": this folder has no " + usualPolicy
	}
	return f.policy, ""
}

func (f *policyFlags) add(cmd *cobra.Command, a *app) {
	f.feedFlags.add(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.policy, "policy", "p", "", "the policy `FILE`; without it, policy.hcl of this folder, or else the built-in policy for Azure Communication Services media, which is also called built-in")
	fl.StringArrayVar(&f.vars, "var", nil, "set a variable of the policy, `NAME=VALUE`")
	fl.StringVar(&f.today, "now", "", "judge expiry dates on `DATE` (2006-01-02) instead of today")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print errors and changes only, and nothing where there is neither")
	fl.BoolVar(&f.strict, "strict", false, "fail on warnings, too, before anything is written")
	fl.StringArrayVar(&f.allowRead, "allow-read", nil, "let the policy name files in `DIR` too, besides those in its own folder; may be repeated")
	f.complete(cmd, a)
}

func (f *policyFlags) request(a *app) (sallyport.Options, error) {
	a.quiet, a.strict = f.quiet, f.strict
	name, how := f.chosen()
	f.how = how
	req := sallyport.Options{Policy: name, Vars: map[string]string{}, Version: a.version, Now: a.now(), AllowRead: f.allowRead}
	for _, s := range f.vars {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return req, usage("--var %s: write it as NAME=VALUE", s)
		}
		if _, twice := req.Vars[name]; twice {
			return req, usage("--var %s is given twice: write a list as --var %s=a,b", name, name)
		}
		req.Vars[name] = value
	}
	if f.today != "" {
		day, err := time.Parse(time.DateOnly, f.today)
		if err != nil {
			return req, usage("--now %s: write the date as %s", f.today, time.DateOnly)
		}
		req.Now = day
	}
	var err error
	if req.Feeds, err = f.overrides(); err != nil {
		return req, err
	}
	req.Opener, err = f.opener(a)
	return req, err
}

// noteFeeds prints the notes about feeds on standard error. It counts the warnings among
// them that the policy of res does not accept; res may be nil.
func (a *app) noteFeeds(list []sallyport.Feed, res *sallyport.Result) (warnings int) {
	for _, f := range list {
		notes := f.Result.Notes
		if a.noCache != nil && strings.Contains(f.Result.From, "://") {
			notes = append(slices.Clone(notes), fetch.Note{Warning: true, Text: "not kept for the next run: " + a.noCache.Error()})
		}
		for _, n := range notes {
			word, styled := "note:", "note:"
			if n.Warning && res != nil && res.AcceptedNote(f.Name, n) != nil {
				continue
			}
			if n.Warning {
				word, styled = "warning:", a.style("1;33", "warning:")
				warnings++
			}
			if !a.quiet || a.strict && n.Warning {
				text := fmt.Sprintf("feed %s: %s", f.Name, n.Text)
				if n.Warning && n.ID != "" {
					text += " [" + n.ID + "]"
				}
				fmt.Fprintln(a.err, styled, hang(text, len(word)+1, 2, a.width))
			}
		}
	}
	return warnings
}

// ago writes an age in the largest unit that fits.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/(24*time.Hour))
}
