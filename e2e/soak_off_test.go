//go:build !soak

package e2e

// soak says that sweeps run whole; here they take the points that matter most, to keep make test short.
const soak = false
