package main

import (
	"encoding/json"
	"errors"
	"os"
)

// kept is an archive that an earlier run made whole: its description is written last.
func kept(path string) (m made, err error) {
	raw, err := os.ReadFile(path + ".json")
	if err != nil {
		return m, err
	}
	if _, err := os.Stat(path); err != nil {
		return m, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, err
	}
	if m.Tables == nil {
		return m, errors.New("made by an earlier build, which did not count each table")
	}
	return m, nil
}

func makeKept(path, source string, size int64, parts int) (made, error) {
	m, err := makeArchive(path, source, size, parts)
	if err != nil {
		return m, err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return m, err
	}
	return m, os.WriteFile(path+".json", raw, 0o644)
}
