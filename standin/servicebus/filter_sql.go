package servicebus

import (
	"fmt"
	"strconv"
	"strings"
)

// parseSQL reads the subset of the "Subscription Rule SQL Filter Syntax" that the README lists:
//
//	predicate  = term { OR term }
//	term       = factor { AND factor }
//	factor     = "(" predicate ")" | literal "=" literal
//	           | property ( "=" | "<>" | "!=" ) literal | property [ NOT ] IN "(" literal { "," literal } ")"
//	property   = [ ( sys | user ) "." ] name
//	literal    = 'text' | integer | TRUE | FALSE
//
// Everything else is an error, so that no rule is taken and then silently evaluated wrongly.
func parseSQL(rule string) (filter, error) {
	tokens, err := sqlTokens(rule)
	if err != nil {
		return nil, err
	}
	p := &sqlParser{tokens: tokens}
	f, err := p.predicate(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != sqlEnd {
		return nil, fmt.Errorf("%q is not understood here", t.text)
	}
	return f, nil
}

type sqlParser struct {
	tokens []sqlToken
	pos    int
}

func (p *sqlParser) peek() sqlToken { return p.tokens[p.pos] }

func (p *sqlParser) next() sqlToken {
	t := p.tokens[p.pos]
	if t.kind != sqlEnd {
		p.pos++
	}
	return t
}

// word consumes a keyword or sign if it comes next.
func (p *sqlParser) word(w string) bool {
	if t := p.peek(); (t.kind == sqlName || t.kind == sqlSign) && strings.EqualFold(t.text, w) {
		p.pos++
		return true
	}
	return false
}

func (p *sqlParser) expect(sign string) error {
	if !p.word(sign) {
		return fmt.Errorf("%q where %q must come", p.peek().text, sign)
	}
	return nil
}

const maxSQLDepth = 32

func (p *sqlParser) predicate(depth int) (filter, error) {
	if depth > maxSQLDepth {
		return nil, fmt.Errorf("more than %d parentheses deep", maxSQLDepth)
	}
	var any anyOf
	for {
		var all allOf
		for {
			f, err := p.factor(depth)
			if err != nil {
				return nil, err
			}
			all = append(all, f)
			if !p.word("AND") {
				break
			}
		}
		any = append(any, all)
		if !p.word("OR") {
			return any, nil
		}
	}
}

func (p *sqlParser) factor(depth int) (filter, error) {
	if p.word("(") {
		f, err := p.predicate(depth + 1)
		if err != nil {
			return nil, err
		}
		return f, p.expect(")")
	}
	if left, ok := p.literal(); ok {
		if err := p.expect("="); err != nil {
			return nil, err
		}
		right, ok := p.literal()
		if !ok {
			return nil, fmt.Errorf("%q where a literal must come", p.peek().text)
		}
		return constant(left == right), nil
	}
	prop, err := p.property()
	if err != nil {
		return nil, err
	}
	return p.comparison(prop)
}

func (p *sqlParser) comparison(prop property) (filter, error) {
	c := comparison{property: prop}
	list := false
	switch {
	case p.word("="):
	case p.word("<>"), p.word("!="):
		c.not = true
	case p.word("IN"):
		list = true
	case p.word("NOT"):
		if err := p.expect("IN"); err != nil {
			return nil, err
		}
		c.not, list = true, true
	default:
		return nil, fmt.Errorf("%q where =, <>, IN or NOT IN must come", p.peek().text)
	}
	if list {
		if err := p.expect("("); err != nil {
			return nil, err
		}
	}
	for {
		v, ok := p.literal()
		if !ok {
			return nil, fmt.Errorf("%q where a literal must come", p.peek().text)
		}
		c.values = append(c.values, v)
		if !list || !p.word(",") {
			break
		}
	}
	if list {
		return c, p.expect(")")
	}
	return c, nil
}

func (p *sqlParser) literal() (any, bool) {
	t := p.peek()
	switch {
	case t.kind == sqlText:
		p.pos++
		return t.text, true
	case t.kind == sqlNumber:
		n, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			return nil, false
		}
		p.pos++
		return n, true
	case p.word("TRUE"):
		return true, true
	case p.word("FALSE"):
		return false, true
	}
	return nil, false
}

func (p *sqlParser) property() (property, error) {
	t := p.next()
	if t.kind != sqlName && t.kind != sqlQuotedName {
		return nil, fmt.Errorf("%q where a property must come", t.text)
	}
	if t.kind == sqlName && sqlKeyword(t.text) {
		return nil, fmt.Errorf("%s is not supported here", strings.ToUpper(t.text))
	}
	if !p.word(".") {
		return userProperty(t.text), nil
	}
	name := p.next()
	if name.kind != sqlName && name.kind != sqlQuotedName {
		return nil, fmt.Errorf("%q where the name of a property must come", name.text)
	}
	switch strings.ToLower(t.text) {
	case "user":
		return userProperty(name.text), nil
	case "sys":
		if prop, ok := systemProperty(name.text); ok {
			return prop, nil
		}
		return nil, fmt.Errorf("system property %q is unknown", name.text)
	}
	return nil, fmt.Errorf("scope %q is neither sys nor user", t.text)
}

func sqlKeyword(name string) bool {
	switch strings.ToUpper(name) {
	case "AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "EXISTS", "ESCAPE", "TRUE", "FALSE":
		return true
	}
	return false
}
