package worker

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// updateAnswers writes what packages answer now as what they are to answer.
var updateAnswers = flag.Bool("answers", false, "write engine/testdata/npm/answers.json")

// TestPackagesAnswer bundles what engine/testdata/npm/cases does with a package each, as authors do before an upload, runs it, and says
// which packages answer otherwise than answers.json has it.
func TestPackagesAnswer(t *testing.T) {
	t.Parallel()
	const folder = "../testdata/npm"
	cases, err := filepath.Glob(folder + "/cases/*.js")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(cases), 60)
	text, err := os.ReadFile(folder + "/answers.json")
	require.NoError(t, err)
	var want map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &want))
	require.True(t, *updateAnswers || len(want) == len(cases), "answers.json has %d answers for %d cases", len(want), len(cases))
	got := map[string]json.RawMessage{}
	n := spawn(t).leaseOf(128 << 20)
	for i, file := range cases {
		name := strings.TrimSuffix(filepath.Base(file), ".js")
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		got[name] = n.answerOf(uint32(i+1), name, bundle(t, "run", string(source)))
		if *updateAnswers {
			t.Logf("%s %.300s", name, got[name])
		} else {
			assert.JSONEq(t, string(want[name]), string(got[name]), "%s answers otherwise", name)
		}
	}
	if *updateAnswers {
		text, err := json.MarshalIndent(got, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(folder+"/answers.json", append(text, '\n'), 0o644))
	}
}

// answerOf loads a compiled script and runs it once. What fails is an answer too.
func (n *node) answerOf(slot uint32, name, compiled string) json.RawMessage {
	n.t.Helper()
	n.send(&wire.Load{Slot: slot, MaxMemory: 128 << 20, Name: name, Static: []byte(`{"scriptType":"oneoff","limits":{}}`), Source: []byte(compiled)})
	k, p, err := n.r.Next()
	require.NoError(n.t, err, name)
	require.Equal(n.t, wire.KindLoaded, k, name)
	loaded, err := wire.ParseLoaded(p)
	require.NoError(n.t, err, name)
	if loaded.Code != "" {
		return failed(loaded.Code, loaded.Message)
	}
	m := n.runOf(slot, "null")
	m.WallMillis = 30_000
	n.send(m)
	r := n.result()
	n.send(&wire.Drop{Slot: slot})
	if r.Code != "" {
		n.t.Logf("%s: %s", name, r.Stack)
		return failed(r.Code, r.Message)
	}
	return r.Body
}

func failed(code, message string) json.RawMessage {
	b, _ := json.Marshal(map[string]string{"code": code, "message": message}) // strings
	return b
}
