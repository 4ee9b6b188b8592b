package bacvault

import "unicode/utf16"

// MaxName is the longest name that a server gives a database or takes for one: sysname is nvarchar(128), whose length counts
// UTF-16 code units (https://learn.microsoft.com/sql/t-sql/data-types/nchar-and-nvarchar-transact-sql). A character beyond the
// Basic Multilingual Plane, an emoji say, is two.
const MaxName = 128

// NameLength is how long a name is to a server.
func NameLength(name string) (n int) {
	for _, r := range name {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// FitName puts a suffix behind a name, which is cut between characters where both together would be too long.
func FitName(name, suffix string) string {
	room := MaxName - NameLength(suffix)
	for i, r := range name {
		if room -= max(1, utf16.RuneLen(r)); room < 0 {
			return name[:i] + suffix
		}
	}
	return name + suffix
}
