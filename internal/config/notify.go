package config

import (
	"net/url"
	"strings"
)

// Secret is a setting whose value no log line, error or print may show. Reveal is for the one place that uses it.
type Secret string

// Reveal gives the value.
func (s Secret) Reveal() string { return string(s) }

// String and the two below stand in for the value in every way of printing it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString is for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is for JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// setNotifyURL takes https only, and says nothing of the value: url.Parse quotes it in its errors.
func (c *Config) setNotifyURL(v string) error {
	if strings.HasPrefix(v, "@Microsoft.KeyVault(") {
		return faultf("the Key Vault reference was not resolved: App Service shows why beside the setting; mostly the app's identity may not read the secret")
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return faultf("is no https URL (its value is a secret and is not shown)")
	}
	c.NotifyURL = Secret(v)
	return nil
}

// setStatusURL refuses what a chat must not learn.
func (c *Config) setStatusURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return faultf("is no https URL")
	}
	if u.User != nil || u.Query().Has("code") {
		return faultf("holds a key or a password, which everybody in the chat would get: let people sign in instead (App Service authentication)")
	}
	c.StatusURL = v
	return nil
}
