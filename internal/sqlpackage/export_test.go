package sqlpackage

import (
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// ParseTable reads a progress line.
func ParseTable(line string) (bacvault.Table, bool) { return parseTable(line) }

// ParseStat reads a line of /proc/<pid>/stat.
func ParseStat(line string) (group int, cpu time.Duration) { return parseStat(line) }
