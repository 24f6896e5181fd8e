package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// FlushConntrack makes the host forget all connections, so that the next
// packet of each is the first again. Nothing happens in a host that tracks no
// connections.
func (h *Host) FlushConntrack() error {
	n, err := h.conntrackCount()
	if err != nil || n == 0 {
		return err
	}
	if err := h.nl.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
		return fmt.Errorf("%s: cannot flush its connections: %w; is the kernel's nf_conntrack_netlink module there?",
			h.name, err)
	}
	return nil
}

// conntrackCount returns how many connections the host remembers; 0 where the
// kernel's connection tracking is not loaded.
func (h *Host) conntrackCount() (int, error) {
	return h.conntrackNumber("nf_conntrack_count")
}

func (h *Host) conntrackNumber(name string) (int, error) {
	s, err := h.ReadSysctl("net/netfilter/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", h.name, err)
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%s: %s: %w", h.name, name, err)
	}
	return n, nil
}

// conntrackLosses counts the packets that connection tracking itself dropped:
// its table was full, or it could not store the connection.
func (h *Host) conntrackLosses() (lost uint64, err error) {
	var b []byte
	h.Do(func() { b, err = os.ReadFile("/proc/thread-self/net/stat/nf_conntrack") })
	if errors.Is(err, fs.ErrNotExist) {
		if n, err := h.conntrackCount(); err != nil || n == 0 {
			return 0, err
		}
		return 0, errors.New("this kernel tracks connections but gives no statistics about it (CONFIG_NF_CONNTRACK_PROCFS)")
	}
	if err != nil {
		return 0, err
	}
	return parseConntrackLosses(string(b))
}

// parseConntrackLosses adds up two columns over a table with a heading and one
// line of hexadecimal numbers a processor.
func parseConntrackLosses(table string) (uint64, error) {
	heading, rows, _ := strings.Cut(table, "\n")
	var columns []int
	for i, name := range strings.Fields(heading) {
		if name == "drop" || name == "insert_failed" {
			columns = append(columns, i)
		}
	}
	if len(columns) != 2 {
		return 0, fmt.Errorf("connection tracking statistics without the columns drop and insert_failed: %q", heading)
	}
	var lost uint64
	for row := range strings.Lines(rows) {
		fields := strings.Fields(row)
		for _, c := range columns {
			if c >= len(fields) {
				return 0, fmt.Errorf("connection tracking statistics: a short line %q", row)
			}
			n, err := strconv.ParseUint(fields[c], 16, 64)
			if err != nil {
				return 0, fmt.Errorf("connection tracking statistics: %w", err)
			}
			lost += n
		}
	}
	return lost, nil
}
