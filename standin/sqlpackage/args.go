package sqlpackage

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

type action string

const (
	exportAction action = "Export"
	importAction action = "Import"
)

// options are a parsed command line.
type options struct {
	action          action
	connection      connection
	file            string // the bacpac
	overwrite       bool
	quiet           bool
	diagnosticsFile string
	compression     string
	disableIndexes  bool

	// edition, objective and maxSizeGB are empty or 0 where the server shall choose.
	edition, objective string
	maxSizeGB          int
}

// kind is what a value may be.
type kind int

const (
	text kind = iota
	boolean
	number
	// unacted is a parameter that the real tool knows and the stand-in refuses, because acting as if it were not there would be
	// a lie. All that carry a secret are among them.
	unacted
)

type parameter struct {
	short string
	kind  kind
}

// parameters and properties are those of Microsoft's pages "SqlPackage Export" and "SqlPackage Import", by lower-case name.
var parameters = map[action]map[string]parameter{
	exportAction: {
		"action": {"a", text}, "targetfile": {"tf", text}, "sourceconnectionstring": {"scs", text},
		"overwritefiles": {"of", boolean}, "maxparallelism": {"mp", number}, "diagnostics": {"d", boolean},
		"diagnosticsfile": {"df", text}, "diagnosticslevel": {"", text}, "quiet": {"q", boolean}, "threadmaxstacksize": {"tmss", number},
		"sourceservername": {"ssn", unacted}, "sourcedatabasename": {"sdn", unacted}, "sourceuser": {"su", unacted}, "sourcepassword": {"sp", unacted},
		"sourceencryptconnection": {"sec", unacted}, "sourcetrustservercertificate": {"stsc", unacted},
		"sourcehostnameincertificate": {"shnic", unacted}, "sourcetimeout": {"st", unacted},
		"accesstoken": {"at", unacted}, "universalauthentication": {"ua", unacted}, "tenantid": {"tid", unacted}, "azurecloudconfig": {"acc", unacted},
	},
	importAction: {
		"action": {"a", text}, "sourcefile": {"sf", text}, "targetconnectionstring": {"tcs", text},
		"maxparallelism": {"mp", number}, "diagnostics": {"d", boolean},
		"diagnosticsfile": {"df", text}, "diagnosticslevel": {"", text}, "quiet": {"q", boolean}, "threadmaxstacksize": {"tmss", number},
		"targetservername": {"tsn", unacted}, "targetdatabasename": {"tdn", unacted}, "targetuser": {"tu", unacted}, "targetpassword": {"tp", unacted},
		"targetencryptconnection": {"tec", unacted}, "targettrustservercertificate": {"ttsc", unacted},
		"targethostnameincertificate": {"thnic", unacted}, "targettimeout": {"tt", unacted},
		"accesstoken": {"at", unacted}, "universalauthentication": {"ua", unacted}, "tenantid": {"tid", unacted}, "azurecloudconfig": {"acc", unacted},
		"diagnosticspackagefile": {"dpf", unacted}, "modelfilepath": {"mfp", unacted},
	},
}

var properties = map[action]map[string]kind{
	exportAction: {
		"commandtimeout": number, "longrunningcommandtimeout": number, "databaselocktimeout": number, "compressionoption": text,
		"tempdirectoryfortabledata": text, "verifyextraction": boolean, "verifyfulltextdocumenttypessupported": boolean, "storage": text,
		"targetengineversion": text, "ignoreindexesstatisticsonenclaveenabledcolumns": boolean, "hashobjectnamesinlogs": boolean,
		"tabledata": unacted,
	},
	importAction: {
		"commandtimeout": number, "longrunningcommandtimeout": number, "databaselocktimeout": number, "databaseedition": text,
		"databaseserviceobjective": text, "databasemaximumsize": number, "disableindexesfordataphase": boolean,
		"rebuildindexesofflinefordataphase": boolean, "disableparallelismforenablingindexes": boolean, "preserveidentitylastvalues": boolean,
		"hashobjectnamesinlogs": boolean, "storage": text,
		"importcontributors": unacted, "importcontributorarguments": unacted, "importcontributorpaths": unacted,
	},
}

func wantsVersion(args []string) bool {
	return len(args) == 1 && slices.Contains([]string{"/version", "/version:true"}, strings.ToLower(args[0]))
}

// parseArgs refuses whatever it does not know before a file or a server is touched, as the real tool does.
func parseArgs(args []string) (options, error) {
	o := options{overwrite: true, disableIndexes: true}
	for _, arg := range args {
		if name, value, err := splitArg(arg); err != nil {
			return o, err
		} else if lower := strings.ToLower(name); lower == "action" || lower == "a" {
			for _, a := range []action{exportAction, importAction} {
				if strings.EqualFold(value, string(a)) {
					o.action = a
				}
			}
			if o.action == "" {
				return o, fmt.Errorf("the stand-in does not know the action '%s'", value)
			}
		}
	}
	if o.action == "" {
		return o, errors.New("the required argument 'Action' is missing")
	}
	seen := map[string]bool{}
	for _, arg := range args {
		name, value, err := splitArg(arg)
		if err == nil {
			err = o.set(name, value, seen)
		}
		if err != nil {
			return o, err
		}
	}
	return o, o.check()
}

// splitArg takes /Name:value apart; Microsoft's examples have /Name=value too.
func splitArg(arg string) (name, value string, err error) {
	rest, slash := strings.CutPrefix(arg, "/")
	i := strings.IndexAny(rest, ":=")
	if !slash || i < 1 {
		// The argument may hold a secret, so only its beginning is told.
		return "", "", fmt.Errorf("unrecognized command line argument '%.8s…'", arg)
	}
	return rest[:i], rest[i+1:], nil
}

func (o *options) set(name, value string, seen map[string]bool) error {
	if lower := strings.ToLower(name); lower == "p" || lower == "properties" {
		property, value, ok := strings.Cut(value, "=")
		k, known := properties[o.action][strings.ToLower(property)]
		if !ok || !known {
			return o.invalid(property)
		}
		return o.setKnown("p:"+strings.ToLower(property), property, k, value, seen)
	}
	for long, p := range parameters[o.action] {
		if strings.EqualFold(name, long) || strings.EqualFold(name, p.short) {
			return o.setKnown(long, name, p.kind, value, seen)
		}
	}
	return o.invalid(name)
}

func (o *options) invalid(name string) error {
	return spoken(fmt.Sprintf("'%s' is not a valid argument for the '%s' action.", name, o.action))
}

// setKnown takes a value; key is the canonical name, shown the name as it was written.
func (o *options) setKnown(key, shown string, k kind, value string, seen map[string]bool) (err error) {
	if seen[key] {
		return fmt.Errorf("the argument '%s' was given twice", shown)
	}
	seen[key] = true
	if k == unacted {
		return fmt.Errorf("the stand-in does not act on '%s', which the real tool knows", shown)
	}
	if value == "" {
		return fmt.Errorf("the argument '%s' has no value", shown)
	}
	var yes bool
	var n int
	switch k {
	case boolean:
		if yes, err = strconv.ParseBool(strings.ToLower(value)); err != nil {
			return fmt.Errorf("'%s' is not a valid value for the argument '%s'", value, shown)
		}
	case number:
		if n, err = strconv.Atoi(value); err != nil {
			return fmt.Errorf("'%s' is not a valid value for the argument '%s'", value, shown)
		}
	}
	switch key {
	case "targetfile", "sourcefile":
		o.file = value
	case "sourceconnectionstring", "targetconnectionstring":
		o.connection, err = parseConnection(value)
	case "overwritefiles":
		o.overwrite = yes
	case "quiet":
		o.quiet = yes
	case "diagnosticsfile":
		o.diagnosticsFile = value
	case "p:compressionoption":
		o.compression = value
	case "p:disableindexesfordataphase":
		o.disableIndexes = yes
	case "p:databaseedition":
		o.edition = value
	case "p:databaseserviceobjective":
		o.objective = value
	case "p:databasemaximumsize":
		o.maxSizeGB = n
	case "p:tempdirectoryfortabledata":
		_, err = os.Stat(value)
	case "p:storage":
		if !strings.EqualFold(value, "Memory") {
			err = spoken("An unexpected failure occurred: .NET Core should not be using a file backed model..")
		}
	}
	return err
}

func (o *options) check() error {
	if o.file == "" || o.connection.server == "" {
		return fmt.Errorf("the '%s' action needs a bacpac file and a connection string", o.action)
	}
	levels := []string{"", "Normal", "Maximum", "Fast", "SuperFast", "NotCompressed"}
	if i := slices.IndexFunc(levels, func(l string) bool { return strings.EqualFold(l, o.compression) }); i >= 0 {
		o.compression = levels[i]
	} else {
		return fmt.Errorf("'%s' is not a valid value for the argument 'CompressionOption'", o.compression)
	}
	editions := []string{"", "Basic", "Standard", "Premium", "DataWarehouse", "GeneralPurpose", "BusinessCritical", "Hyperscale"}
	if strings.EqualFold(o.edition, "Default") {
		o.edition = ""
	}
	if !slices.ContainsFunc(editions, func(e string) bool { return strings.EqualFold(e, o.edition) }) {
		return fmt.Errorf("'%s' is not a valid value for the argument 'DatabaseEdition'", o.edition)
	}
	if strings.ContainsAny(o.objective, "'\r\n") {
		return fmt.Errorf("'%s' is not a valid value for the argument 'DatabaseServiceObjective'", o.objective)
	}
	return nil
}

// expandResponseFiles puts the lines of @file in its place. A line may stand in double quotes; inside, the real lexer keeps a
// quote only as backslash and two quotes.
func expandResponseFiles(args []string) (out []string, err error) {
	for _, arg := range args {
		path, is := strings.CutPrefix(arg, "@")
		if !is {
			out = append(out, arg)
			continue
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the response file: %w", err)
		}
		for _, line := range strings.Split(string(raw), "\n") {
			line = strings.TrimSpace(line)
			if n := len(line); n >= 2 && line[0] == '"' && line[n-1] == '"' {
				line = strings.ReplaceAll(line[1:n-1], `\""`, `"`)
			}
			if line != "" {
				out = append(out, line)
			}
		}
	}
	return out, nil
}
