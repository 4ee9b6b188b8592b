package bacvault

// Growing names the lists that an event cuts where they have no room.
func Growing() (out []string) {
	for _, l := range (&EventData{}).growing() {
		out = append(out, l.name)
	}
	return out
}
