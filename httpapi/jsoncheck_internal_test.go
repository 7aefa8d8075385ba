package httpapi

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"
)

// TestJSONIsJudgedAsByItsSchema compares what is said of a document's bytes with what huma says of the decoded document, for each
// body of the API and values of each kind in each member.
func TestJSONIsJudgedAsByItsSchema(t *testing.T) {
	t.Parallel()
	a := &API{log: slog.New(slog.DiscardHandler)}
	a.Mount(NewRouter(a.log))
	schemas := a.huma.OpenAPI().Components.Schemas
	values := []string{`null`, `true`, `0`, `-1`, `1.5`, `1e9`, `""`, `"x"`, `"2026-01-01T00:00:00Z"`, `"` + strings.Repeat("é", 300) + `"`, `[]`, `["x"]`, `[1]`, `[["x"]]`, `{}`, `{"a":1}`}
	compared := 0
	for path, item := range a.huma.OpenAPI().Paths {
		for _, op := range operationsOf(item) {
			if op.RequestBody == nil || infoOf(op).anyBody {
				continue
			}
			schema := op.RequestBody.Content["application/json"].Schema
			resolved := schema
			for resolved.Ref != "" {
				resolved = schemas.SchemaFromRef(resolved.Ref)
			}
			documents := slices.Clone(values)
			for name := range resolved.Properties {
				for _, v := range values {
					documents = append(documents, `{"`+name+`":`+v+`}`)
				}
			}
			documents = append(documents, `{"nobody knows":1}`)
			for _, document := range documents {
				var v any
				require.NoError(t, json.Unmarshal([]byte(document), &v))
				res := huma.ValidateResult{}
				buffer := huma.NewPathBuffer([]byte("body"), 4)
				huma.Validate(schemas, schema, buffer, huma.ModeWriteToServer, v, &res)
				var want []string
				for _, err := range res.Errors {
					var detail *huma.ErrorDetail
					require.ErrorAs(t, err, &detail)
					want = append(want, detail.Location+": "+inWords(detail.Message))
				}
				faults, err := validateJSON([]byte(document), "body", schema, schemas, false)
				require.NoError(t, err)
				var got []string
				for _, f := range faults {
					got = append(got, f.Location+": "+f.Message)
				}
				slices.Sort(want)
				slices.Sort(got)
				require.Equal(t, want, got, "%s %s: %s", op.Method, path, document)
				compared++
			}
		}
	}
	require.Greater(t, compared, 500)
}

// TestJSONIsCountedBeforeItIsDecoded: what is small as text and large in memory is refused.
func TestJSONIsCountedBeforeItIsDecoded(t *testing.T) {
	t.Parallel()
	many := []byte("[" + strings.Repeat("0,", maxJSONValues) + "0]")
	faults, err := validateJSON(many, "body", nil, nil, false)
	require.NoError(t, err)
	require.Len(t, faults, 1)
	require.Equal(t, ProblemError{Location: "body", Message: "more than 1000000 values"}, faults[0])

	var members strings.Builder
	members.WriteString(`{"a":{`)
	for i := range maxJSONMembers + 1 {
		members.WriteString(`"` + strings.Repeat("n", 1+i%7) + strconv.Itoa(i) + `":0,`)
	}
	faults, err = validateJSON([]byte(members.String()+`"z":0}}`), "body", nil, nil, false)
	require.NoError(t, err)
	require.Len(t, faults, 1)
	require.Equal(t, ProblemError{Location: "body.a", Message: "an object of more than 100000 members"}, faults[0])
}
