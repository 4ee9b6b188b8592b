package config_test

import (
	"testing"

	"github.com/bacvault/bacvault/internal/config"
)

func TestAudienceOfSQLIsThatOfTheCloud(t *testing.T) {
	for suffix, want := range map[string]string{
		"":                                 "https://database.windows.net/",
		"database.windows.net":             "https://database.windows.net/",
		"database.usgovcloudapi.net":       "https://database.usgovcloudapi.net/",
		"Database.ChinaCloudAPI.cn":        "https://database.chinacloudapi.cn/",
		"privatelink.database.windows.net": "https://database.windows.net/",
		"sql.example.org":                  "https://database.windows.net/",
		"mydatabase.example.org":           "https://database.windows.net/",
	} {
		if got := config.SQLAudience(suffix); got != want {
			t.Errorf("%q: %s, want %s", suffix, got, want)
		}
	}
}
