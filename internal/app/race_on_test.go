//go:build race

package app

// thousand is how many databases the watch is tried with: under the race detector a look takes ten times as long, and what it is
// to find shows with a few.
const thousand = 40
