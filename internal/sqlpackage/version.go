package sqlpackage

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MinVersion is the release that repairs the last fault known to lose data in silence ("SqlPackage release notes", Microsoft
// Learn, 15 September 2026).
const MinVersion = "170.5.96"

// known are the faults that an older release brings, by the release that repaired them.
var known = []struct{ repaired, what string }{
	{"170.3.93", "an import silently leaves tables empty whose names hold characters such as / or $"},
	{"170.5.96", "an export empties VARBINARY(MAX) columns of a table whose only unique key has a NULL column"},
	{"170.5.96", `a large export fails with "Stream was too long"`},
}

var versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)*`)

// CheckVersion judges the line that Version gave. why names the faults of a release before MinVersion; a line that names no
// version is not ok either. Whether such a tool may be used is for the caller to decide.
func CheckVersion(version string) (ok bool, why string) {
	have := versionNumber.FindString(version)
	if have == "" {
		return false, fmt.Sprintf("%q names no version; the least is %s", version, MinVersion)
	}
	var faults []string
	for _, k := range known {
		if older(have, k.repaired) {
			faults = append(faults, k.what)
		}
	}
	if len(faults) == 0 {
		return true, ""
	}
	return false, fmt.Sprintf("sqlpackage %s is older than %s: %s", have, MinVersion, strings.Join(faults, "; "))
}

// older compares two versions number by number; one that has fewer numbers has zeros there.
func older(a, b string) bool {
	x, y := numbers(a), numbers(b)
	for len(x) < len(y) {
		x = append(x, 0)
	}
	return slices.Compare(x, y) < 0
}

func numbers(version string) (out []uint64) {
	for s := range strings.SplitSeq(version, ".") {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil { // more digits than a number has
			n = 1<<64 - 1
		}
		out = append(out, n)
	}
	return out
}
