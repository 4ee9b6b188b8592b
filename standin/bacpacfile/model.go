package bacpacfile

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The parts of model.xml that say what stands in the data: DataSchemaModel / Model / Element.
type (
	xmlModel struct {
		XMLName  xml.Name
		Elements []xmlElement `xml:"Model>Element"`
	}
	xmlElement struct {
		Type          string            `xml:"Type,attr"`
		Name          string            `xml:"Name,attr"`
		Properties    []xmlProperty     `xml:"Property"`
		Relationships []xmlRelationship `xml:"Relationship"`
	}
	xmlProperty struct {
		Name  string `xml:"Name,attr"`
		Value string `xml:"Value,attr"`
	}
	xmlRelationship struct {
		Name    string     `xml:"Name,attr"`
		Entries []xmlEntry `xml:"Entry"`
	}
	xmlEntry struct {
		Elements   []xmlElement   `xml:"Element"`
		References []xmlReference `xml:"References"`
	}
	xmlReference struct {
		ExternalSource string `xml:"ExternalSource,attr"`
		Name           string `xml:"Name,attr"`
	}
)

// uncounted are the element types that Origin.xml's ObjectCounts leaves out, measured over real exports.
var uncounted = map[string]bool{
	"SqlTypeSpecifier": true, "SqlXmlTypeSpecifier": true, "SqlIndexedColumnSpecification": true, "SqlDynamicColumnSource": true,
}

// ParseModel reads a bacpac's model.xml. Views, table types and functions hold column elements too, so tables are found by
// nesting: only an SqlTable directly under Model has data.
func ParseModel(model []byte) (Model, error) {
	var doc xmlModel
	// DacFx writes model.xml with a byte order mark or without; encoding/xml wants none.
	if err := xml.Unmarshal(bytes.TrimPrefix(model, []byte("\xef\xbb\xbf")), &doc); err != nil {
		return Model{}, fmt.Errorf("parse model.xml: %w", err)
	}
	if doc.XMLName.Local != "DataSchemaModel" {
		return Model{}, fmt.Errorf("parse model.xml: the root is %q, want DataSchemaModel", doc.XMLName.Local)
	}
	m := Model{XML: model, Objects: map[string]int{}}
	aliases := map[string]xmlElement{}
	for _, e := range doc.Elements {
		e.count(m.Objects)
		if e.Type == "SqlUserDefinedDataType" {
			aliases[e.Name] = e
		}
	}
	for _, e := range doc.Elements {
		if e.Type != "SqlTable" {
			continue
		}
		t, err := parseTable(e, aliases)
		if err != nil {
			return Model{}, fmt.Errorf("parse model.xml: table %s: %w", e.Name, err)
		}
		m.Tables = append(m.Tables, t)
	}
	return m, nil
}

func (e xmlElement) count(objects map[string]int) {
	if strings.HasPrefix(e.Type, "Sql") && !uncounted[e.Type] {
		objects[strings.TrimPrefix(e.Type, "Sql")]++
	}
	for _, r := range e.Relationships {
		for _, entry := range r.Entries {
			for _, child := range entry.Elements {
				child.count(objects)
			}
		}
	}
}

func (e xmlElement) property(name string) string {
	for _, p := range e.Properties {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

func (e xmlElement) entries(relationship string) []xmlEntry {
	for _, r := range e.Relationships {
		if r.Name == relationship {
			return r.Entries
		}
	}
	return nil
}

func parseTable(e xmlElement, aliases map[string]xmlElement) (Table, error) {
	name, err := splitName(e.Name)
	if err != nil {
		return Table{}, err
	}
	if len(name) != 2 {
		return Table{}, errors.New("the name does not have two parts")
	}
	t := Table{Schema: name[0], Name: name[1]}
	for _, entry := range e.entries("Columns") {
		for _, c := range entry.Elements {
			switch c.Type {
			case "SqlComputedColumn": // computed at the target again, never in the data
			case "SqlSimpleColumn":
				column, err := parseColumn(c, aliases)
				if err != nil {
					return Table{}, fmt.Errorf("column %s: %w", c.Name, err)
				}
				t.Columns = append(t.Columns, column)
			default:
				return Table{}, fmt.Errorf("column %s is a %s, which the stand-in does not know", c.Name, c.Type)
			}
		}
	}
	return t, nil
}

func parseColumn(e xmlElement, aliases map[string]xmlElement) (Column, error) {
	name, err := splitName(e.Name)
	if err != nil {
		return Column{}, err
	}
	c := Column{
		Name:     name[len(name)-1],
		Nullable: e.property("IsNullable") != "False", // absent means nullable
		Identity: e.property("IsIdentity") == "True",
	}
	entries := e.entries("TypeSpecifier")
	if len(entries) != 1 || len(entries[0].Elements) != 1 {
		return Column{}, errors.New("no single type specifier")
	}
	specifier := entries[0].Elements[0]
	ref, err := typeReference(specifier)
	if err != nil {
		return Column{}, err
	}
	if ref.ExternalSource == "" {
		alias, ok := aliases[ref.Name]
		if !ok {
			return Column{}, fmt.Errorf("type %s is not in the model", ref.Name)
		}
		aliasName, err := splitName(ref.Name)
		if err != nil {
			return Column{}, err
		}
		c.Alias, specifier = aliasName[len(aliasName)-1], alias
		if ref, err = typeReference(alias); err != nil {
			return Column{}, fmt.Errorf("alias type %s: %w", c.Alias, err)
		}
	}
	return c, c.setType(specifier, ref)
}

func typeReference(specifier xmlElement) (xmlReference, error) {
	entries := specifier.entries("Type")
	if len(entries) != 1 || len(entries[0].References) != 1 {
		return xmlReference{}, errors.New("no single type reference")
	}
	return entries[0].References[0], nil
}

// setType fills in the base type and its size from a type specifier or an alias type, which carry the same properties.
func (c *Column) setType(specifier xmlElement, ref xmlReference) error {
	parts, err := splitName(ref.Name)
	if err != nil {
		return err
	}
	c.Type = strings.ToLower(parts[len(parts)-1])
	for property, field := range map[string]*int{"Length": &c.Length, "Precision": &c.Precision, "Scale": &c.Scale} {
		if v := specifier.property(property); v != "" {
			if *field, err = strconv.Atoi(v); err != nil {
				return fmt.Errorf("property %s: %w", property, err)
			}
		}
	}
	if specifier.property("IsMax") == "True" {
		c.Length = -1
	}
	switch c.Type {
	case "timestamp":
		c.Type = "rowversion"
	case "sysname":
		c.Type, c.Alias, c.Length = "nvarchar", "sysname", 128
	case "float":
		if c.Precision > 0 && c.Precision <= 24 {
			c.Type = "real"
		}
	case "char", "varchar", "nchar", "nvarchar", "binary", "varbinary":
		if c.Length == 0 {
			return fmt.Errorf("type %s without a length", c.Type)
		}
	case "decimal", "numeric":
		if c.Precision < 1 || c.Precision > 38 || c.Scale < 0 || c.Scale > c.Precision {
			return fmt.Errorf("type %s(%d,%d) does not exist", c.Type, c.Precision, c.Scale)
		}
	}
	return nil
}

// splitName takes a bracketed name apart: "[a].[b]]c]" is a and b]c.
func splitName(s string) ([]string, error) {
	var parts []string
	for rest := s; ; {
		if !strings.HasPrefix(rest, "[") {
			return nil, fmt.Errorf("name %q is not bracketed", s)
		}
		var part strings.Builder
		rest = rest[1:]
		for {
			i := strings.IndexByte(rest, ']')
			if i < 0 {
				return nil, fmt.Errorf("name %q lacks a closing bracket", s)
			}
			part.WriteString(rest[:i])
			if rest = rest[i+1:]; !strings.HasPrefix(rest, "]") {
				break
			}
			part.WriteByte(']')
			rest = rest[1:]
		}
		parts = append(parts, part.String())
		if rest == "" {
			return parts, nil
		}
		if rest[0] != '.' {
			return nil, fmt.Errorf("name %q has text after a bracket", s)
		}
		rest = rest[1:]
	}
}
