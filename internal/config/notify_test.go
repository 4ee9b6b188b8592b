package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/config"
)

const hook = "https://hooks.example/services/T0/B0/topsecret"

func TestAWebhookIsAnHTTPSAddress(t *testing.T) {
	c, err := config.Load(env("BACVAULT_NOTIFY_URL="+hook, "BACVAULT_STATUS_URL=https://func-x.azurewebsites.net/api/status"))
	if err != nil || c.NotifyURL.Reveal() != hook || c.NotifyFormat != "slack" || c.StatusURL != "https://func-x.azurewebsites.net/api/status" {
		t.Errorf("%+v, %v", c, err)
	}
	for set, want := range map[string]string{
		"BACVAULT_NOTIFY_URL=http://hooks.example/topsecret":                    "no https URL",
		"BACVAULT_NOTIFY_URL=topsecret":                                         "no https URL",
		"BACVAULT_NOTIFY_URL=https:///topsecret":                                "no https URL",
		"BACVAULT_NOTIFY_URL=https://[::1/topsecret\x7f":                        "no https URL",
		"BACVAULT_NOTIFY_URL=@Microsoft.KeyVault(SecretUri=https://k/topsecret": "not resolved",
		"BACVAULT_NOTIFY_FORMAT=irc":                                            "not one of",
		"BACVAULT_STATUS_URL=http://x":                                          "no https URL",
		"BACVAULT_STATUS_URL=https://x/api/status?code=topsecret":               "everybody in the chat",
		"BACVAULT_STATUS_URL=https://me:topsecret@x/api/status":                 "everybody in the chat",
	} {
		_, err := config.Load(env(set))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v", set, err)
		}
	}
}

// Whoever prints the settings, in whatever way, shows no secret.
func TestASecretIsNeverPrinted(t *testing.T) {
	c, err := config.Load(env("BACVAULT_NOTIFY_URL=" + hook))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{string(b), fmt.Sprint(c), fmt.Sprintf("%v", c), fmt.Sprintf("%+v", &c), fmt.Sprintf("%#v", c), fmt.Sprintf("%s %q %x", c.NotifyURL, c.NotifyURL, c.NotifyURL)} {
		if strings.Contains(printed, "topsecret") || strings.Contains(printed, fmt.Sprintf("%x", "topsecret")) {
			t.Errorf("it shows the secret: %s", printed)
		}
	}
	if !strings.Contains(fmt.Sprintf("%+v", c), "NotifyURL:***") {
		t.Error("it does not show that the secret is set")
	}
}
