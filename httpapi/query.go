package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"example.com/jsruntime/engine/text"
)

// maxQueryParameters bounds the parameters of a query, before anything decodes them.
const maxQueryParameters = 100

// checkText refuses paths and queries that are not text: Postgres stores neither NUL nor broken UTF-8. A query is one that can be
// decoded, and has no parameter twice: which of the two would count is not for us to guess. Operations are asked for by what they know.
func checkText(c *gin.Context, op *huma.Operation) error {
	for _, p := range c.Params {
		if !isText(p.Value) {
			return notFound()
		}
	}
	raw := c.Request.URL.RawQuery
	if strings.Count(raw, "&") >= maxQueryParameters {
		return newProblem(http.StatusBadRequest, "bad_request", "The query has more than "+strconv.Itoa(maxQueryParameters)+" parameters.")
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return newProblem(http.StatusBadRequest, "bad_request", "query: "+malformedQuery(err)+".", ProblemError{Location: "query", Message: malformedQuery(err)})
	}
	known := queryParameters(op)
	for _, name := range sortedKeys(query) {
		if fault := queryFault(name, query[name], known); fault != "" {
			return invalid("query."+shownName(name), fault)
		}
	}
	return nil
}

// queryFault says what is wrong with a parameter; empty: nothing that its value does not decide.
func queryFault(name string, values []string, known []string) string {
	switch {
	case !isText(name) || slices.ContainsFunc(values, func(v string) bool { return !isText(v) }):
		return "not text: NUL or invalid UTF-8"
	case !slices.Contains(known, name):
		if near := text.Nearest(name, known); near != "" {
			return "unknown query parameter; did you mean " + near + "?"
		}
		return "unknown query parameter"
	case len(values) > 1:
		return "given " + strconv.Itoa(len(values)) + " times; a parameter is given once"
	default:
		return ""
	}
}

func malformedQuery(err error) string {
	if strings.Contains(err.Error(), "semicolon") {
		return "a semicolon separates no parameters; write & between them, and %3B for one in a value"
	}
	return "malformed percent-encoding"
}

// shownName is the name of a parameter as a problem shows it.
func shownName(name string) string {
	quoted := strconv.QuoteToASCII(name)
	if isText(name) && quoted == `"`+name+`"` {
		return text.Clip(name, 80)
	}
	return text.Clip(quoted, 80)
}

func queryParameters(op *huma.Operation) []string {
	var names []string
	for _, p := range op.Parameters {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return names
}

func sortedKeys(query url.Values) []string {
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
