//go:build soak

package e2e

// soak says that sweeps run whole: make soak.
const soak = true
