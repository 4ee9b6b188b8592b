package sqlpackage

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	mssql "github.com/microsoft/go-mssqldb"
)

// principals are the elements of which lose-principal leaves the first one out.
var principals = []string{"SqlUser", "SqlRole"}

// modelToCreate is the package's model without what a fault loses. The rows that follow need every table.
func (r *run) modelToCreate(model []byte) ([]byte, error) {
	for do, types := range map[string][]string{loseObject: {r.fault.object()}, losePrincipal: principals} {
		if r.fault == nil || r.fault.Do != do {
			continue
		}
		less, err := withoutElement(model, types)
		if err != nil {
			return nil, misplanned(fmt.Errorf("%s: %w", do, err))
		}
		fires, err := r.fault.fires(do)
		if err != nil {
			return nil, misplanned(err)
		}
		if fires {
			return less, nil
		}
	}
	return model, nil
}

func (c *chosenFault) object() string {
	if c == nil {
		return ""
	}
	return c.Object
}

// withoutElement cuts the first element of one of the types out of those directly under Model.
func withoutElement(model []byte, types []string) ([]byte, error) {
	skip := 0
	if bytes.HasPrefix(model, []byte("\xef\xbb\xbf")) {
		skip = 3
	}
	dec := xml.NewDecoder(bytes.NewReader(model[skip:]))
	for {
		begin := dec.InputOffset()
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the model has no %s", strings.Join(types, " and no "))
		}
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "Element" {
			continue
		}
		if err := dec.Skip(); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(start.Attr, func(a xml.Attr) bool { return a.Name.Local == "Type" && slices.Contains(types, a.Value) }) {
			return slices.Concat(model[:skip+int(begin)], model[skip+int(dec.InputOffset()):]), nil
		}
	}
}

// breakMidway ends an import between two tables: with an error of the server, or by a signal that nobody can catch.
func (r *run) breakMidway(next string) error {
	if fires, err := r.fault.fires(failMidway); err != nil {
		return misplanned(err)
	} else if fires {
		return &scriptError{"INSERT BULK " + next, mssql.Error{
			Number: 40197, Class: 17, State: 1, LineNo: 1,
			Message: "The service has encountered an error processing your request. Please try again. Error code 0.",
		}}
	}
	if fires, err := r.fault.fires(sigkill); err != nil {
		return misplanned(err)
	} else if fires {
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return nil
}
