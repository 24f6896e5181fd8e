//go:build unix

package probe

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

const (
	resolvConf = "/etc/resolv.conf"
	hostsFile  = "/etc/hosts"
)

// maxNames bounds what is read of either file.
const maxNames = 16 << 20

// Stub implements [Network] with the files that resolv.conf(5) and hosts(5) describe. A
// missing file counts as an empty one, as it does for programs.
func (System) Stub() (Stub, error) {
	conf, err := readNames(resolvConf)
	if err != nil {
		return Stub{}, err
	}
	s, err := parseResolvConf(strings.NewReader(conf))
	if err != nil {
		return s, fmt.Errorf("name servers: %s: %w", resolvConf, err)
	}
	hosts, err := readNames(hostsFile)
	if err != nil {
		return s, err
	}
	if s.Hosts, err = parseHosts(strings.NewReader(hosts)); err != nil {
		return s, fmt.Errorf("names: %s: %w", hostsFile, err)
	}
	return s, nil
}

func readNames(name string) (string, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("names: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxNames))
	if err != nil {
		return "", fmt.Errorf("names: %w", err)
	}
	return string(b), nil
}
