package servicebus

import "testing"

func TestSQLFilter(t *testing.T) {
	p := &payload{
		properties:     fields{"id-1", nil, nil, "urgent", nil, nil, symbol("application/json")},
		applicationRaw: encodeSection(nil, sectionApplicationProperties, amqpMap{{"kind", "a"}, {"n", int32(3)}, {"yes", true}, {"it's", "q'q"}, {"f", 1.5}}),
	}
	for _, tc := range []struct {
		rule string
		want bool
	}{
		{"1=1", true}, {"1 = 0", false}, {"'a' = 'a'", true},
		{"kind = 'a'", true}, {"kind = 'A'", false}, {"Kind = 'a'", false}, {"user.kind='a'", true}, {"[kind] = 'a'", true}, {`"kind" = 'a'`, true},
		{"kind <> 'b'", true}, {"kind != 'a'", false}, {"kind = 3", false}, {"kind <> 3", false},
		{"n = 3", true}, {"n = -3", false}, {"n = '3'", false}, {"n IN (1, 2, 3)", true}, {"n not in (1,2)", true},
		{"yes = TRUE", true}, {"yes = false", false}, {"f = 1", false},
		{"missing = 'a'", false}, {"missing <> 'a'", false}, {"missing NOT IN ('a')", false},
		{"[it's] = 'q''q'", true},
		{"sys.Label = 'urgent'", true}, {"sys.MessageId IN ('id-1')", true}, {"sys.ContentType = 'application/json'", true}, {"SYS.To = 'x'", false},
		{"kind = 'b' OR n = 3 AND yes = TRUE", true}, {"(kind = 'a' OR n = 4) AND yes = FALSE", false},
		{"kind = 'a' or n = 4 and yes = false", true},
		{"kind in ('b',\n\t'a')", true},
	} {
		f, err := parseSQL(tc.rule)
		if err != nil {
			t.Errorf("%s: %v", tc.rule, err)
			continue
		}
		if got := f.matches(p); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.rule, got, tc.want)
		}
	}
}
