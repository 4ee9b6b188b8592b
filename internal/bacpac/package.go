package bacpac

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// The parts that every bacpac has, and the one that it has with data.
const (
	partModel        = "model.xml"
	partMetadata     = "DacMetadata.xml"
	partContentTypes = "[Content_Types].xml"
	partOrigin       = "Origin.xml"
	partRels         = "_rels/.rels"
)

// pack is a package whose XML parts were read.
type pack struct {
	entries []entry
	origin  Origin
	model   *model
	rels    map[string]bacvault.Table // by unescaped part name; nil without .rels
}

// readPackage reads every XML part to its end.
func readPackage(src *source, entries []entry, lim Limits) (*pack, error) {
	p := &pack{entries: entries}
	byName := make(map[string]*entry, 5)
	hasData := false
	for i := range entries {
		switch e := &entries[i]; e.name {
		case partModel, partMetadata, partContentTypes, partOrigin, partRels:
			byName[e.name] = e
		default:
			hasData = hasData || dataPart.MatchString(e.name)
		}
	}
	for _, name := range []string{partModel, partMetadata, partContentTypes, partOrigin} {
		if byName[name] == nil {
			return nil, missing(name)
		}
	}
	if hasData && byName[partRels] == nil {
		return nil, missing(partRels)
	}
	xl := xmlLimits{token: lim.XMLToken, depth: lim.XMLDepth, elements: lim.XMLElements}
	in := newStream(src)
	scratch := make([]byte, inputBytes)
	var err error
	read := func(name string, limit int64, parse func(io.Reader) error) {
		if e := byName[name]; err == nil && e != nil {
			err = readXML(in, e, limit, scratch, parse)
		}
	}
	read(partOrigin, lim.XMLBytes, func(r io.Reader) (err error) {
		p.origin, err = readOrigin(r, xl)
		return err
	})
	read(partMetadata, lim.XMLBytes, func(r io.Reader) (err error) {
		p.origin.Database, err = readMetadata(r, xl)
		return err
	})
	read(partContentTypes, lim.XMLBytes, func(r io.Reader) error { return readContentTypes(r, xl, hasData) })
	read(partRels, lim.XMLBytes, func(r io.Reader) (err error) {
		p.rels, err = readRelationships(r, xl)
		return err
	})
	read(partModel, lim.ModelBytes, func(r io.Reader) (err error) {
		sum := sha256.New()
		if p.model, err = readModel(io.TeeReader(r, sum), xl); err != nil {
			return err
		}
		p.model.info.SHA256, p.model.info.Bytes = hex.EncodeToString(sum.Sum(nil)), byName[partModel].size
		return nil
	})
	return p, err
}

// missing tells of a part that is not there.
func missing(name string) error {
	if name == partOrigin {
		// microsoft/DacFx #310: the log says "completed" and the exit code is 0.
		return broken("part %s is missing: sqlpackage is known to leave it out when an export dies while it writes the package", name)
	}
	return broken("part %s is missing", name)
}

// readXML lets parse read an entry to its end. Damage to the bytes is told before what it did to the XML.
func readXML(in *stream, e *entry, limit int64, scratch []byte, parse func(io.Reader) error) error {
	if e.size > limit {
		return broken("part %s: %d bytes are more than the limit of %d", e.name, e.size, limit)
	}
	if err := in.open(e); err != nil {
		return brokenPart(e, err)
	}
	parsed := parse(in)
	if err := in.drain(scratch); err != nil {
		return err
	}
	return brokenPart(e, parsed)
}

// readMetadata reads DacMetadata.xml for the database's name.
func readMetadata(r io.Reader, lim xmlLimits) (string, error) {
	var name []byte
	open := func(path []element) error {
		if len(path) == 1 && path[0].tag != "DacType" {
			return fmt.Errorf("its root is %s, not DacType", path[0].tag)
		}
		return nil
	}
	err := scanXML(r, lim, open, func(path []element, s []byte) error {
		if len(path) == 2 && path[1].tag == "Name" {
			name = append(name, s...)
		}
		return nil
	})
	return string(name), err
}

// readContentTypes sees that the package's own register knows the kinds of part that it holds; an import needs it.
func readContentTypes(r io.Reader, lim xmlLimits, hasData bool) error {
	known := map[string]bool{}
	err := scanXML(r, lim, func(path []element) error {
		here := path[len(path)-1]
		if len(path) == 1 && here.tag != "Types" {
			return fmt.Errorf("its root is %s, not Types", here.tag)
		}
		if len(path) == 2 && here.tag == "Default" {
			known[strings.ToLower(here.attr("Extension"))] = true
		}
		return nil
	}, nil)
	if err != nil {
		return err
	}
	if !known["xml"] {
		return errors.New("it does not know the extension xml")
	}
	if hasData && (!known["bcp"] || !known["rels"]) {
		return errors.New("it does not know the extensions BCP and rels, although there are data parts")
	}
	return nil
}
