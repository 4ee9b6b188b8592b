//go:build !race

package app

// thousand is how many databases the watch is tried with.
const thousand = 1000
