package sqlpackage

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the kernel's USER_HZ, the unit of times in /proc/<pid>/stat (proc(5)): 1/100 s on every Linux.
const tick = 10 * time.Millisecond

// idleShare is the part of one CPU below which a process counts as idle: the .NET runtime's own timers never quite stop.
const idleShare = 100

// life watches for signs of life: output, growth of the file and of the temp folder, CPU time of the group.
type life struct {
	group   int
	file    string
	tmp     string
	printed func() int64

	every  time.Duration // between two looks
	looked time.Time
	quiet  time.Duration // without a sign
	bytes  int64
	cpu    time.Duration
}

// idle looks once and says how long there has been no sign of life. A look that comes late counts for little: we were
// frozen or starved then, and the tool most likely with us.
func (l *life) idle(now time.Time) time.Duration {
	l.quiet += min(now.Sub(l.looked), 2*l.every)
	l.looked = now
	bytes, cpu := l.printed()+size(l.file)+size(l.tmp), groupCPU(l.group)
	worked := cpu - l.cpu
	// A member that ended takes its time along, so less time is a sign as well.
	if bytes != l.bytes || worked < 0 || worked >= max(tick, l.quiet/idleShare) {
		l.quiet, l.bytes, l.cpu = 0, bytes, cpu
	}
	return l.quiet
}

// size is the bytes in a file or below a folder; what vanishes while we look counts nothing.
func size(path string) (n int64) {
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

// groupCPU adds up user and system time of a process group's members and of the children that they have waited for.
func groupCPU(group int) (total time.Duration) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if c := e.Name()[0]; c < '0' || c > '9' {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		if g, cpu := parseStat(string(b)); g == group {
			total += cpu
		}
	}
	return total
}

// parseStat reads process group (field 5) and utime, stime, cutime, cstime (14 to 17). The name in field 2 may hold blanks
// and parentheses, so fields are counted from the last one.
func parseStat(s string) (group int, cpu time.Duration) {
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 15 {
		return 0, 0
	}
	group, _ = strconv.Atoi(f[2])
	for _, v := range f[11:15] {
		n, _ := strconv.ParseInt(v, 10, 64)
		cpu += time.Duration(n) * tick
	}
	return group, cpu
}
