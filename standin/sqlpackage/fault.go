package sqlpackage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

const faultsVariable = "STANDIN_SQLPACKAGE_FAULTS"

// fault is one entry of the plan. A run takes the first entry of its action; the entry counts as fired, and its Times goes
// down, only when it takes effect.
type fault struct {
	Action  string  `json:"action"`
	Do      string  `json:"do"`
	Table   string  `json:"table,omitempty"`  // "schema.table"
	Object  string  `json:"object,omitempty"` // a type of the model's elements: "SqlView"
	Rows    int64   `json:"rows,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Times   int     `json:"times,omitempty"` // 0 is always
}

// The words of "do".
const (
	exitPartial    = "exit-partial"     // a bacpac without Origin.xml, exit 1
	omitOrigin     = "omit-origin"      // the same, exit 0
	tokenExpired   = "token-expired"    // says so five times a second, without an end
	notEmpty       = "not-empty"        // refuses the target as one with objects
	hang           = "hang"             // falls silent for ever
	exit137        = "exit-137"         // killed for memory
	loseRows       = "lose-rows"        // exports fewer rows, exit 0
	loseTable      = "lose-table"       // exports a table as empty, exit 0
	warn           = "warn"             // prints "*** " lines and succeeds
	truncate       = "truncate"         // leaves half a file, exit 0
	slow           = "slow"             // sleeps in the middle of the tables
	dieMidway      = "die-midway"       // killed after half of the tables
	leaveIndexes   = "leave-indexes"    // does not enable the indexes, exit 0
	importLoseRows = "import-lose-rows" // imports fewer rows, exit 0
	leaveUntrusted = "leave-untrusted"  // enables the indexes and leaves the constraints not trusted, exit 0
	loseObject     = "lose-object"      // does not make one object, exit 0
	losePrincipal  = "lose-principal"   // does not make one user or role, exit 0
	failMidway     = "fail-midway"      // an error of the server after half of the tables, exit 1
	sigkill        = "sigkill"          // a real SIGKILL after half of the tables
)

var faultsOf = map[action][]string{
	exportAction: {exitPartial, omitOrigin, tokenExpired, hang, exit137, loseRows, loseTable, warn, truncate, slow},
	importAction: {tokenExpired, notEmpty, hang, exit137, warn, slow, dieMidway, leaveIndexes, importLoseRows,
		leaveUntrusted, loseObject, losePrincipal, failMidway, sigkill},
}

// chosenFault is what this run shall do wrong; nil is nothing.
type chosenFault struct {
	fault
	path string
}

// chooseFault reads the plan. An absent file is no plan; one that is not understood is an error.
func chooseFault(path string, a action) (*chosenFault, error) {
	if path == "" {
		return nil, nil
	}
	faults, err := readFaults(path)
	if err != nil {
		return nil, err
	}
	for _, f := range faults {
		if strings.EqualFold(f.Action, string(a)) {
			return &chosenFault{f, path}, nil
		}
	}
	return nil, nil
}

func readFaults(path string) ([]fault, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var faults []fault
	if err := d.Decode(&faults); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	for _, f := range faults {
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return faults, nil
}

func (f fault) check() error {
	for a, known := range faultsOf {
		if !strings.EqualFold(f.Action, string(a)) {
			continue
		}
		withTable := f.Do == loseRows || f.Do == loseTable || f.Do == importLoseRows
		switch {
		case !slices.Contains(known, f.Do):
			return fmt.Errorf("%s does not know how to do %q", a, f.Do)
		case withTable != (f.Table != ""):
			return fmt.Errorf("%q with table %q", f.Do, f.Table)
		case (f.Do == loseRows || f.Do == importLoseRows) != (f.Rows > 0):
			return fmt.Errorf("%q with %d rows", f.Do, f.Rows)
		case (f.Do == loseObject) != (f.Object != "") || f.Object == "SqlTable":
			return fmt.Errorf("%q with object %q", f.Do, f.Object)
		case (f.Do == slow) != (f.Seconds > 0):
			return fmt.Errorf("%q with %g seconds", f.Do, f.Seconds)
		case f.Times < 0:
			return fmt.Errorf("%q with times %d", f.Do, f.Times)
		}
		return nil
	}
	return fmt.Errorf("action %q is not known", f.Action)
}

// canHit refuses a fault in rows that are not there, before it counts as fired.
func (c *chosenFault) canHit(tables []bacpacfile.TableData) error {
	if c == nil || c.Table == "" {
		return nil
	}
	for _, t := range tables {
		if t.Table.Schema+"."+t.Table.Name == c.Table && len(t.Rows) > 0 && int64(len(t.Rows)) >= c.Rows {
			return nil
		}
	}
	return fmt.Errorf("%s: there is no table %s with so many rows", c.Do, c.Table)
}

// fires says whether the run shall do this wrong now. If so it is written down, and a fault of this many times counted down,
// under a lock against runs side by side: whoever comes when none is left goes on as if nothing had been planned.
func (c *chosenFault) fires(do string) (bool, error) {
	if c == nil || c.Do != do {
		return false, nil
	}
	lock, err := os.OpenFile(c.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false, err
	}
	defer lock.Close() // and so unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return false, err
	}
	if c.Times > 0 {
		if left, err := c.countDown(); err != nil || !left {
			return false, err
		}
	}
	return true, appendLine(c.path+".fired", strings.TrimSpace(c.Action+" "+c.Do+" "+c.Table+c.Object))
}

// countDown takes one of the fault's times out of the plan; an entry without any left goes, because 0 would mean always.
func (c *chosenFault) countDown() (bool, error) {
	faults, err := readFaults(c.path)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(faults, func(f fault) bool {
		left := f.Times
		f.Times = c.Times
		return f == c.fault && left > 0
	})
	if i < 0 {
		return false, nil
	}
	if faults[i].Times--; faults[i].Times == 0 {
		faults = slices.Delete(faults, i, i+1)
	}
	raw, err := json.Marshal(faults)
	if err != nil {
		return false, err
	}
	if err := os.WriteFile(c.path+".new", raw, 0o600); err != nil {
		return false, err
	}
	return true, os.Rename(c.path+".new", c.path)
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}
