// Package bench measures us beside others in one run, as ratios. See make bench.
package bench
