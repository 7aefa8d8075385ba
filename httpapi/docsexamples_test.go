package httpapi_test

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	docsLink    = regexp.MustCompile(`href="(/docs/reference/[a-z-]+)"`)
	docsPre     = regexp.MustCompile(`(?s)<pre[^>]*>(.*?)</pre>`)
	docsTag     = regexp.MustCompile(`<[^>]+>`)
	docsCommand = regexp.MustCompile(`(?s)^curl(?: -X (\w+))? .*?(?:-d '(.*)')?[^']*"\$BASE([^"]+)"$`)
)

// What the reference shows as a command line is accepted as it stands, wherever it names no object of the reader's.
func TestExamplesOfTheReferenceAreAccepted(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	tried := 0
	pages := map[string]bool{}
	for _, link := range docsLink.FindAllStringSubmatch(string(acme.get("/docs").is(200).body), -1) {
		pages[link[1]] = true
	}
	require.NotEmpty(t, pages)
	for page := range pages {
		for _, pre := range docsPre.FindAllStringSubmatch(string(acme.get(page).is(200).body), -1) {
			command := docsCommand.FindStringSubmatch(strings.TrimSpace(html.UnescapeString(docsTag.ReplaceAllString(pre[1], ""))))
			if command == nil || strings.Contains(command[3], "$") || strings.HasPrefix(command[3], "/api/v1/session") || command[3] == "/api/v1/logs/tail" {
				continue
			}
			method, body := command[1], any(nil)
			if method == "" {
				method = "GET"
			}
			if command[2] != "" {
				require.NoError(t, json.Unmarshal([]byte(command[2]), &body), command[0])
			}
			tried++
			for _, who := range []caller{acme, n.operator()} {
				if got := who.do(method, command[3], body); got.status != 403 { // one of the two may
					assert.NotContains(t, []int{400, 422, 500}, got.status, "%s\n%s", command[0], got.body)
					break
				}
			}
		}
	}
	require.Greater(t, tried, 25)
}
