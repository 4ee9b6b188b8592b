package bacpac

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// element is an open element of an XML part.
type element struct {
	tag   string // local name
	attrs []xml.Attr
}

func (e element) attr(name string) string {
	for _, a := range e.attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// xmlLimits are those of Limits that hold for one part.
type xmlLimits struct {
	token    int64
	depth    int
	elements int64
}

// scanXML reads one XML document as a stream. open is called at each start tag with the open elements, the new one last;
// text, which may be nil, with each text and the elements around it. The path is only good until they return. A
// document type, an entity of its own, another encoding than UTF-8 and a second root are refused.
func scanXML(r io.Reader, lim xmlLimits, open func(path []element) error, text func(path []element, s []byte) error) error {
	guard := &tokenGuard{r: r}
	d := xml.NewDecoder(guard)
	var path []element
	var elements int64
	for {
		guard.left = lim.token
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if elements == 0 {
				return errors.New("it has no root element")
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if elements++; elements > lim.elements {
				return fmt.Errorf("it has more than the limit of %d elements", lim.elements)
			}
			if len(path) >= lim.depth {
				return fmt.Errorf("elements are nested deeper than the limit of %d", lim.depth)
			}
			if len(path) == 0 && elements > 1 {
				return errors.New("it has a second root element")
			}
			path = append(path, element{t.Name.Local, t.Attr})
			if err := open(path); err != nil {
				return err
			}
		case xml.EndElement:
			path = path[:len(path)-1] // the decoder has seen to it that tags match
		case xml.CharData:
			if len(path) == 0 && strings.Trim(string(t), " \t\r\n\ufeff") != "" {
				return errors.New("there is text outside of the root element")
			}
			if text != nil && len(path) > 0 {
				if err := text(path, t); err != nil {
					return err
				}
			}
		case xml.Directive:
			return errors.New("it has a document type, which no export writes")
		case xml.ProcInst:
			if t.Target != "xml" || elements > 0 {
				return fmt.Errorf("it has the processing instruction %q, which no export writes", t.Target)
			}
		}
	}
}

// tokenGuard ends a token that grows past its limit: the decoder holds a whole token in memory.
type tokenGuard struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (g *tokenGuard) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, errors.New("one tag or text is longer than its limit")
	}
	n, err := g.r.Read(p[:min(int64(len(p)), g.left)])
	g.left -= int64(n)
	return n, err
}
