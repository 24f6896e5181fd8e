//go:build unix

package probe

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
)

const resolvConf = "/etc/resolv.conf"

// Resolvers implements [Network] with the file that resolv.conf(5) describes.
func (System) Resolvers() ([]netip.AddrPort, error) {
	f, err := os.Open(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("name servers: %w", err)
	}
	defer f.Close()
	return parseResolvConf(io.LimitReader(f, 1<<20))
}

func parseResolvConf(r io.Reader) ([]netip.AddrPort, error) {
	var list []netip.AddrPort
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(fields[1]); err == nil {
			list = append(list, netip.AddrPortFrom(a.Unmap(), 53))
		}
	}
	return list, lines.Err()
}
